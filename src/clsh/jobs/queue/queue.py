"""The queue for the event loop: one thread writes, another reads, so no page waits for a disk."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from clsh.base.lane import Lane
from clsh.base.messages import tr
from clsh.jobs.queue import listing, parts
from clsh.jobs.queue.errors import QueueError
from clsh.jobs.queue.file import QueueFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from clsh.jobs.model import JobState, Task
    from clsh.jobs.queue.rows import Batch, Loaded, Sleeper, Stored, Whole
    from clsh.jobs.wish import Listing, TaskWish, Wish

T = TypeVar("T")

_CLOSE_S = 3.0

_log = logging.getLogger(__name__)


class Queue:
    """Opened by `open`; until then, and after `close`, every call raises QueueError.

    `make` opens the file, in the thread that writes.
    """

    def __init__(self, make: Callable[[], QueueFile]) -> None:
        self._make = make
        self._writing = Lane("clsh-jobs")
        self._reading = Lane("clsh-jobs-read")
        self._file: QueueFile | None = None

    @property
    def damage(self) -> str:
        """What is wrong with the file for good, "" if nothing."""
        return self._file.damage if self._file else ""

    async def open(self) -> tuple[str, list[Loaded], list[Sleeper]]:
        """Return the name of the queue, and the jobs that have not ended; see QueueFile.load."""

        def open_it() -> tuple[str, list[Loaded], list[Sleeper]]:
            self._file = self._make()
            if self._file.damage:
                raise QueueError(self._file.damage)
            return self._file.name(), *self._file.load()

        return await self._writing.call(open_it)

    async def write(self, batch: Batch) -> list[Stored]:
        """See QueueFile.write."""
        return await self._writing.call(partial(self._open().write, batch))

    async def change(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """See QueueFile.change."""
        await self._writing.call(partial(self._open().change, work))

    async def forget(self, before: float, keep: int) -> int:
        """See QueueFile.forget."""
        return await self._writing.call(partial(self._open().forget, before, keep))

    async def back_up(self, now: float) -> str:
        """See QueueFile.back_up."""
        return await self._writing.call(partial(self._open().back_up, now))

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """See QueueFile.ask."""
        return await self._read(lambda file: file.ask(question))

    async def find(self, wish: Wish) -> Listing:
        """Return the jobs of a wish."""
        return await self.ask(lambda db: listing.find(db, wish))

    async def failed_since(self, owner: str, at: float) -> int:
        """Return how many jobs of an owner ("": of all) failed after a moment."""
        return await self.ask(lambda db: listing.failed_since(db, owner, at))

    async def few(self, numbers: Sequence[int]) -> list[tuple[Whole, list[Task]]]:
        """Return jobs that have few tasks, each with all of them."""
        return await self.ask(lambda db: parts.few(db, numbers))

    async def nodes(self, number: int, most: int) -> list[str]:
        """Return names of nodes on which a job ever had a place."""
        return await self.ask(lambda db: parts.nodes(db, number, most))

    async def page(self, number: int, wish: TaskWish) -> tuple[Whole, list[Task]] | None:
        """See QueueFile.page."""
        return await self._read(lambda file: file.page(number, wish))

    async def job(self, number: int, index: int | None = None) -> tuple[Whole, list[Task]] | None:
        """See QueueFile.job."""
        return await self._read(lambda file: file.job(number, index))

    async def wake(self, numbers: Sequence[int]) -> list[Loaded]:
        """See QueueFile.wake."""
        return await self._read(lambda file: file.wake(numbers))

    async def apart(self, number: int) -> frozenset[int]:
        """See QueueFile.apart."""
        return await self._read(lambda file: file.apart(number))

    async def owners(self, numbers: Iterable[int]) -> dict[int, tuple[str, JobState]]:
        """See QueueFile.owners."""
        return await self._read(lambda file: file.owners(numbers))

    async def close(self) -> None:
        """Close the file after what was begun, within a bounded time."""
        file = self._file
        if file is not None:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await asyncio.shield(self._close(file))  # a second cancel, too
            except TimeoutError:
                _log.warning("the queue of jobs did not close within %g s", _CLOSE_S)
        self._reading.end()
        self._writing.end()
        self._file = None

    async def _close(self, file: QueueFile) -> None:
        # Each connection by the thread that uses it: closed under a query it takes us down.
        await self._reading.call(file.end_reading)
        await self._writing.call(file.close)

    async def _read(self, question: Callable[[QueueFile], T]) -> T:
        file = self._open()
        return await self._reading.call(lambda: question(file))

    def _open(self) -> QueueFile:
        if self._file is None:
            raise QueueError(tr("the queue of jobs is not open"), hint="`cl status` says why")
        return self._file
