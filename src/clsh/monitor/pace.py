"""When a node is heard next: at its own moment of the interval, so that not all come at once."""

from __future__ import annotations

import asyncio
import contextlib
from zlib import crc32

HURRY_S = 1.0


class Pace:
    """The moments of one node; `share` of it, from 0 to 1, follows from its name alone."""

    def __init__(self, cluster: str, node: str, interval_s: float) -> None:
        self.share = crc32(f"{cluster}/{node}".encode()) / 2**32
        self._usual_s = self._interval_s = interval_s
        self._wake: asyncio.Future[None] | None = None
        self._is_over = False

    def hurry(self, wanted: bool) -> None:
        """Go on every second, or at the usual interval, from now on."""
        interval_s = min(HURRY_S, self._usual_s) if wanted else self._usual_s
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self._rouse()

    def begin(self) -> None:
        """Let `wait` wait again after `end`."""
        self._is_over = False

    def end(self) -> None:
        """Let `wait` return at once, now and later: there is nothing to wait for."""
        self._is_over = True
        self._rouse()

    async def wait(self) -> None:
        """Wait for the next moment, which is a quarter of the interval away at least."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not self._is_over:
            each_s = self._interval_s
            after = begun + each_s / 4 - self.share * each_s
            due = (after // each_s + 1 + self.share) * each_s
            if due <= loop.time():
                return
            self._wake = loop.create_future()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
