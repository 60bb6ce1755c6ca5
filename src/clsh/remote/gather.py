"""Output that is kept until it can be shown: a spool for each stream of each node.

Memory is bounded: beyond MEMORY bytes in all spools together, they move to one temporary
file that has no name. Disk is bounded too: a spool keeps SPOOL bytes, all spools TOTAL, but
each at least its first FIRST bytes. What is over is counted, and still told apart: the
digest covers everything that was written.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

MEMORY = 16 * 1024 * 1024
FIRST = 64 * 1024
SPOOL = 64 * 1024 * 1024
TOTAL = 1024 * 1024 * 1024
_READ = 256 * 1024


class Spool:
    """The output of one stream of one node: the beginning of it, its size and its digest."""

    def __init__(self, gather: Gather) -> None:
        self._gather = gather
        self._memory = bytearray()
        self._stored: list[tuple[int, int]] = []
        self._digest = hashlib.blake2b(digest_size=16)
        self.size = 0
        self.kept = 0

    @property
    def key(self) -> tuple[int, bytes]:
        """Equal for equal outputs only."""
        return self.size, self._digest.digest()

    @property
    def is_whole(self) -> bool:
        """Whether everything that was written has been kept."""
        return self.kept == self.size

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take bytes; returns what to wait for while memory is full.

        Never raises: when the temporary file cannot take more, less is kept.
        """
        self._digest.update(data)
        room = self._gather.room(self.kept) if self.is_whole else 0
        self.size += len(data)
        if not room:
            return None
        kept = data[:room]
        self._memory += kept
        self.kept += len(kept)
        return self._gather.grown(len(kept))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give back what was kept, in chunks of at most 256 KiB."""
        await self._gather.settle()
        for start, length in self._stored:
            for at in range(start, start + length, _READ):
                size = min(_READ, start + length - at)
                yield await asyncio.to_thread(self._gather.read, at, size)
        for at in range(0, len(self._memory), _READ):
            yield bytes(self._memory[at : at + _READ])

    def take(self) -> bytearray:
        """Give what is in memory to be stored; `stored` is called next."""
        taken, self._memory = self._memory, bytearray()
        return taken

    def stored(self, start: int | None, length: int) -> None:
        """Take note where in the file it is; with None it, and all after it, is not kept."""
        if start is not None:
            self._stored.append((start, length))
            return
        self.kept -= length + len(self._memory)
        self._memory = bytearray()


class Gather:
    """All spools of one run in one event loop, and the temporary file behind them."""

    def __init__(
        self, *, memory: int = MEMORY, first: int = FIRST, spool: int = SPOOL, total: int = TOTAL
    ) -> None:
        self._limits = memory, first, spool, total
        self._spools: list[Spool] = []
        self._storing: asyncio.Future[None] | None = None
        self._fd = -1
        self._end = 0
        self._in_memory = 0
        self._all = 0
        self._error: OSError | None = None

    def spool(self) -> Spool:
        """Return a new, empty spool."""
        spool = Spool(self)
        self._spools.append(spool)
        return spool

    def close(self) -> None:
        """Give the temporary file back; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    async def settle(self) -> None:
        """Wait until nothing is on its way to the file."""
        if self._storing:
            await self._storing

    def room(self, kept: int) -> int:
        """Return how many more bytes a spool may keep that has kept `kept` bytes."""
        _, first, spool, total = self._limits
        if self._error:
            return 0
        return max(first - kept, min(spool - kept, total - self._all), 0)

    def grown(self, by: int) -> Awaitable[None] | None:
        """Count what a spool took into memory; when it is much, all moves to the file."""
        self._in_memory += by
        self._all += by
        if self._in_memory <= self._limits[0]:
            return None
        if self._storing is None:
            self._storing = asyncio.ensure_future(self._store())
        return asyncio.shield(self._storing)

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file."""
        return os.pread(self._fd, length, start)

    async def _store(self) -> None:
        moving = [(spool, spool.take()) for spool in self._spools]
        self._in_memory = 0
        places = await asyncio.to_thread(self._append, [data for _, data in moving])
        for (spool, data), place in zip(moving, places, strict=True):
            if data:
                spool.stored(place, len(data))
        self._storing = None

    def _append(self, pieces: Sequence[bytearray]) -> list[int | None]:
        """Write to the end of the file; returns where each begins, None without room."""
        places: list[int | None] = []
        for data in pieces:
            start = self._end
            try:
                if self._fd < 0:
                    self._fd, name = tempfile.mkstemp(prefix="clsh-")
                    Path(name).unlink()
                rest = memoryview(data)
                while rest:
                    written = os.pwrite(self._fd, rest, self._end)
                    self._end += written
                    rest = rest[written:]
            except OSError as error:
                self._error = error
            places.append(None if self._error else start)
        return places
