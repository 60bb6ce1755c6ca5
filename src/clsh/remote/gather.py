"""Output that is kept until it can be shown: a spool for each stream of each node.

Memory is bounded: beyond MEMORY bytes in all spools together, they move to one temporary
file that has no name. Disk is bounded too: a spool keeps SPOOL bytes, all spools TOTAL, but
each at least its first FIRST bytes. What is over is counted, and still told apart: the
digest covers everything that was written.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self.lines = 0
        self._last = b""

    @property
    def key(self) -> tuple[int, bytes]:
        """Equal for equal outputs only."""
        return self.size, self._digest.digest()

    @property
    def is_whole(self) -> bool:
        """Whether everything that was written has been kept."""
        return self.kept == self.size

    @property
    def ends_line(self) -> bool:
        """Whether what is kept is nothing, or ends with a newline."""
        return self._last in {b"", b"\n"}

    def write(self, data: bytes) -> None:
        """Take bytes; never raises: a temporary file that is full only keeps less."""
        self._digest.update(data)
        self.lines += data.count(b"\n")
        if self.is_whole:
            room = self._gather.room(self.kept)
            kept = data[:room] if len(data) > room else data
            self._memory += kept
            self.kept += len(kept)
            self._last = kept[-1:] or self._last
            self._gather.grown(len(kept))
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """Give back what was kept, in chunks of at most 256 KiB."""
        for start, length in self._stored:
            for at in range(start, start + length, _READ):
                yield self._gather.read(at, min(_READ, start + length - at))
        for at in range(0, len(self._memory), _READ):
            yield bytes(self._memory[at : at + _READ])

    def store(self) -> None:
        """Move what is in memory to the temporary file, or drop it when that is full."""
        if not self._memory:
            return
        start = self._gather.append(self._memory)
        if start is None:
            self.kept -= len(self._memory)
        else:
            self._stored.append((start, len(self._memory)))
        self._memory = bytearray()


class Gather:
    """All spools of one run, and the temporary file behind them."""

    def __init__(
        self, *, memory: int = MEMORY, first: int = FIRST, spool: int = SPOOL, total: int = TOTAL
    ) -> None:
        self._limits = memory, first, spool, total
        self._spools: list[Spool] = []
        self._fd = -1
        self._end = 0
        self._in_memory = 0
        self._all = 0
        self.error: OSError | None = None

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

    def room(self, kept: int) -> int:
        """Return how many more bytes a spool may keep that has kept `kept` bytes."""
        _, first, spool, total = self._limits
        if self.error:
            return 0
        return max(first - kept, min(spool - kept, total - self._all), 0)

    def grown(self, by: int) -> None:
        """Count what a spool took into memory; move it all to the file when it is much."""
        self._in_memory += by
        self._all += by
        if self._in_memory > self._limits[0]:
            for spool in self._spools:
                spool.store()
            self._in_memory = 0

    def append(self, data: bytearray) -> int | None:
        """Write to the end of the file; returns where it begins, None when there is no room."""
        try:
            if self._fd < 0:
                self._fd, name = tempfile.mkstemp(prefix="clsh-")
                Path(name).unlink()
            start = self._end
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._fd, rest, self._end)
                self._end += written
                rest = rest[written:]
        except OSError as error:
            self.error = error
            return None
        return start

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file."""
        return os.pread(self._fd, length, start)
