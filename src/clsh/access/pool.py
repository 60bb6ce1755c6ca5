"""A few threads for checks that take long or hang; who waits is served in turn.

They are daemons (see Lane): a directory server that does not answer holds up no exit. A check
that nobody waits for any more keeps its thread until it ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from clsh.base.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Pool:
    """`count` threads, begun when they are first needed."""

    def __init__(self, name: str, count: int) -> None:
        self._lanes = [Lane(f"{name}-{number}") for number in range(count)]
        self._free: asyncio.Queue[Lane] = asyncio.Queue()
        for lane in self._lanes:
            self._free.put_nowait(lane)

    async def call(self, function: Callable[[], T], within_s: float) -> T:
        """Return what `function` returns or raises; raises TimeoutError, waiting included."""
        async with asyncio.timeout(within_s):
            lane = await self._free.get()
            work = asyncio.ensure_future(lane.call(function))
            work.add_done_callback(lambda done: self._ended(lane, done))
            return await asyncio.shield(work)

    def end(self) -> None:
        """Let the threads end after what they are doing."""
        for lane in self._lanes:
            lane.end()

    def _ended(self, lane: Lane, work: asyncio.Future[T]) -> None:
        if not work.cancelled():
            work.exception()  # seen by who waits; when it was too late, by nobody
            self._free.put_nowait(lane)
