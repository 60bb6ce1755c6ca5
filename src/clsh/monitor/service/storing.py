"""Bring ticks to the store in one thread; say in words what stands in the way.

Ticks wait while the store is slow or away, a bounded number of them. What is lost is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from clsh.base.lane import Lane
from clsh.monitor.model import Health
from clsh.monitor.store import StoreError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.base.clock import Clock
    from clsh.monitor.model import Line, Series, Tick
    from clsh.monitor.store import Store

HEALTH = "store"
MOST_WAITING = 40  # ten minutes at 15 s
MOST_READERS = 4  # so that a tick never waits behind many pages

_LATER_S = (1.0, 5.0, 30.0)
_CLOSE_S = 3.0
_REMEMBERED_S = 3600.0

_log = logging.getLogger(__name__)


class Storing:
    """Owns the store: opened, used and closed in the same thread."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        clock: Clock,
        tell: Callable[[Health], None],
        *,
        later_s: Sequence[float] = _LATER_S,
    ) -> None:
        self._open_store = open_store
        self._clock = clock
        self._tell = tell
        self._later_s = later_s
        self._lane = Lane("clsh-store")
        self._store: Store | None = None
        self._waiting: deque[Tick] = deque()
        self._filled = asyncio.Event()
        self._readers = asyncio.Semaphore(MOST_READERS)
        self._reason = ""
        self._own = ""
        self._size = 0
        self._failures = 0
        self._missed = 0
        self._missed_at = 0.0

    @property
    def missed(self) -> int:
        """How many ticks were not stored since the start."""
        return self._missed

    @property
    def waiting(self) -> int:
        """How many ticks are not stored yet."""
        return len(self._waiting)

    @property
    def size(self) -> int:
        """The bytes of the store after its last tick."""
        return self._size

    def trouble(self) -> str:
        """Return in words what is wrong, "" if nothing."""
        said = [self._own, self._reason]
        if len(self._waiting) > 1:
            said.append(f"{len(self._waiting)} ticks wait to be stored")
        if self._missed and self._clock.steady() - self._missed_at < _REMEMBERED_S:
            said.append(f"{self._missed:,} ticks were not stored")
        return "; ".join(part for part in said if part)

    def put(self, tick: Tick) -> None:
        """Take a tick; when too many wait an old one is given up, not the one in the thread."""
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[1]
            self._miss()
        self._waiting.append(tick)
        self._filled.set()

    async def open(self) -> Tick | None:
        """Open the store, as long as that takes, and return the newest tick in it."""
        while True:
            try:
                store = await self._lane.call(self._open)
                break
            except Exception as error:  # noqa: BLE001 - said, and tried again
                await self._fail(error, "cannot be opened")
        self._mend()
        newest: Tick | None = None
        try:
            newest = await self._lane.call(store.latest)
            await self._look(store)
        except Exception as error:  # noqa: BLE001 - nothing is restored, storing goes on
            self._say(f"its newest tick cannot be read: {error}")
        return newest

    async def run(self) -> None:
        """Store what is put until cancelled; to be called when the store is open."""
        while True:
            await self._filled.wait()
            while self._waiting:
                await self._append(self._waiting[0])
            self._filled.clear()

    async def range(
        self, series: Sequence[Series], start: float, end: float, points: int
    ) -> list[Line]:
        """Read lines; raises StoreError."""
        store = self._store
        if store is None:
            raise StoreError("the store is not open")
        async with self._readers:
            return await self._lane.call(lambda: store.range(series, start, end, points))

    async def close(self) -> None:
        """Store what waits and close the store, both within a bounded time."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._lane.call(self._close)
        except TimeoutError:
            _log.warning("the store did not close within %g s", _CLOSE_S)
        finally:
            self._lane.end()

    def _open(self) -> Store:
        """Open the store; in its thread, so that a close that comes meanwhile finds it."""
        self._store = self._open_store()
        return self._store

    def _close(self) -> None:
        if self._store is None:
            return
        with contextlib.suppress(StoreError):
            while self._waiting:
                self._store.append(self._waiting[0])
                self._waiting.popleft()
        self._store.close()

    async def _append(self, tick: Tick) -> None:
        store = self._store
        if store is None:
            raise StoreError("the store is not open")
        try:
            await self._lane.call(partial(store.append, tick))
        except StoreFullError as error:
            self._waiting.popleft()
            self._miss()
            self._say(str(error))
        except StoreError as error:
            await self._fail(error, "takes nothing")
        except Exception as error:  # noqa: BLE001 - a fault with this tick may not stop the others
            self._waiting.popleft()
            self._miss()
            self._say(f"{type(error).__name__}: {error}")
            _log.warning("the store failed", exc_info=error)
        else:
            self._waiting.popleft()
            self._mend()
            await self._look(store)

    async def _look(self, store: Store) -> None:
        self._own, self._size = await self._lane.call(lambda: (store.trouble(), store.size()))
        self._say(self._reason)

    def _miss(self) -> None:
        self._missed += 1
        self._missed_at = self._clock.steady()

    async def _fail(self, error: Exception, what: str) -> None:
        """Say that the store cannot be used, and wait before it is tried again."""
        hint = getattr(error, "hint", "")
        self._say(f"the store {what}: {error}{f' ({hint})' if hint else ''}")
        pause_s = self._later_s[min(self._failures, len(self._later_s) - 1)]
        self._failures += 1
        await asyncio.sleep(pause_s)

    def _mend(self) -> None:
        self._failures = 0
        self._reason = ""

    def _say(self, reason: str) -> None:
        self._reason = reason
        trouble = self.trouble()
        self._tell(Health(HEALTH, self._clock.unix(), not trouble, trouble))
