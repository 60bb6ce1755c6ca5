"""A thread for what blocks on a server; a call that does not come back is left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_S = 30.0  # a server that goes on and on beyond its own timeouts
MOST_HUNG = 3


class Way:
    """A thread for what blocks; one that does not come back is left behind, a few at most."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lane = Lane(name)
        self._hung: set[object] = set()

    async def call(self, function: Callable[[], None]) -> None:
        """Call it in the thread; raises OSError when it takes too long."""
        if len(self._hung) >= MOST_HUNG:
            raise OSError(f"{len(self._hung)} earlier tries have not ended yet")
        key = object()

        def work() -> None:
            try:
                function()
            finally:
                self._hung.discard(key)

        self._hung.add(key)
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._lane.call(work)
        except TimeoutError:
            if key not in self._hung:  # the function's own
                raise
            self.end()
            self._lane = Lane(self._name)
            raise OSError(f"it took longer than {LONGEST_S:g} s") from None

    def end(self) -> None:
        """Let the thread end after its work."""
        self._lane.end()
