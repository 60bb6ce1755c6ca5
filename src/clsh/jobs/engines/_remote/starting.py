"""Starts on one loop: what comes while it is busy with some is its next call.

So a single one goes at once, and many cost the node little more than one each.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError
from clsh.jobs.engines._remote import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.jobs.engines._remote.answers import Answer
    from clsh.jobs.engines._remote.command import Start


class Starting:
    """`send` sends a call whose answers come to `heard`, and so do those of the runners."""

    def __init__(self, number: int, send: Callable[[bytes], None]) -> None:
        self._number = number
        self._send = send
        self._next: list[Start] = []
        self._is_busy = False
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    async def start(self, start: Start, within_s: float) -> Answer | None:
        """Return the first answer, None for none; raises NodeError when the loop ends.

        An attempt that is on its way is not sent again. A cancel leaves it on its way.
        """
        answered = self._waiting.get(start.id)
        if answered is None:
            loop = asyncio.get_running_loop()
            answered = self._waiting[start.id] = loop.create_future()
            self._next.append(start)
            if not self._is_busy:
                self._is_busy = True
                loop.call_soon(self._go_on)
        done, _ = await asyncio.wait([answered], timeout=within_s)
        if not done:
            self._waiting.pop(start.id, None)
            self._next = [one for one in self._next if one.id != start.id]
            self._go_on()  # whatever the loop is busy with, others need not wait for it too
            return None
        return answered.result()

    def heard(self, said: Answer | NodeError) -> None:
        """Take an answer, or why there will be none any more."""
        if isinstance(said, NodeError):
            self._fail(said)
        elif said.said == "done":
            self._go_on()
        else:
            answered = self._waiting.pop(said.id, None)
            if answered is not None and not answered.done():
                answered.set_result(said)

    def _fail(self, error: NodeError) -> None:
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(error)
                answered.exception()  # told to who waits, if anybody does
        self._waiting.clear()

    def _go_on(self) -> None:
        some, self._next = command.together(self._next)
        self._is_busy = bool(some)
        if some:
            self._send(command.start_call(self._number, some))
