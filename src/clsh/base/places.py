"""Places for what many want to do at the same time, such as opening nodes.

Who takes longer than others lends the place on, so that the dead do not hold up the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_LEND_S = 2.0


class Places:
    """At most `count` begin at the same time."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """Hold a place, for 2 s at most."""
        await self._free.acquire()
        held = True

        def give() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        timer = asyncio.get_running_loop().call_later(_LEND_S, give)
        try:
            yield
        finally:
            timer.cancel()
            give()
