"""A thread of its own for what blocks: calls are made one after another, in their order.

It is a daemon: what hangs in it (a dead network file system, a server that does not answer)
holds up no exit.
"""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lane:
    """Begun with the first call; `end` lets it end when all calls are made."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._is_started = False

    async def call(self, function: Callable[[], T]) -> T:
        """Return what `function` returns or raises; a cancel lets it go on unheard."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(set_outcome: Callable[[], None]) -> None:
            if not future.done():
                set_outcome()

        def work() -> None:
            if future.cancelled():
                return
            try:
                value = function()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                _back(loop, settle, _failure(future, error))
            else:
                _back(loop, settle, lambda: future.set_result(value))

        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._calls.put(work)
        return await future

    def end(self) -> None:
        """Let the thread end after the calls that wait."""
        self._calls.put(None)

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            work()


def _failure(future: asyncio.Future[T], error: BaseException) -> Callable[[], None]:
    return lambda: future.set_exception(error)


def _back(
    loop: asyncio.AbstractEventLoop,
    settle: Callable[[Callable[[], None]], None],
    outcome: Callable[[], None],
) -> None:
    """Go back to the loop; when it is closed nobody waits any more."""
    try:
        loop.call_soon_threadsafe(settle, outcome)
    except RuntimeError:
        return
