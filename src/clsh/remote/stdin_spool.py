"""Standard input for many nodes: read once, as it arrives, and given to each from its start.

It is read only as fast as the fastest node takes it. What some node still needs is kept: up
to 1 MiB in memory, the rest in a temporary file without a name. When `limit` bytes are kept
the reading waits for the slowest node; where that could never end (a node that may start
only after others have ended) it is an error instead.

The descriptor is read by a thread of ours, as it blocks: a flag O_NONBLOCK would be seen by
every other process that shares it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from typing import Any

T = TypeVar("T")

PIECE = 256 * 1024
MEMORY = 4 * PIECE
LIMIT = 1024**3


async def chained(first: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    """Yield `first`, then what `rest` yields: a script before its standard input."""
    yield first
    if rest is not None:
        async for data in rest:
            yield data


class StdinSpool:
    """Gives what is read from `fd` to each of `names`, one reader each.

    `together` says that all nodes start at once (the window has room for all). Call `done`
    for every node that has ended, so that nothing is kept for it any more. Use it in one
    event loop, and close it: `async with StdinSpool(...) as spool`.
    """

    def __init__(
        self, fd: int, names: Iterable[str], *, together: bool, limit: int = LIMIT
    ) -> None:
        self._source = _Source(fd)
        self._together = together
        self._store = _Store(limit)
        self._not_started = set(names)
        self._readers: dict[str, Reader] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._end: Exception | bool = False
        self._filling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> StdinSpool:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])
        self._source.close()
        await self._store.aclose()

    def reader(self, name: str) -> Reader:
        """Return the whole input for one node; the first one starts the reading.

        The reader raises a ClshError when the input could not be kept for all nodes, and an
        OSError when it could not be read.
        """
        self._not_started.discard(name)
        reader = self._readers[name] = Reader(self._more)
        if self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill())
        self._room.set()
        return reader

    def done(self, name: str) -> None:
        """Keep nothing for this node any more; idempotent, also for one that never started."""
        self._not_started.discard(name)
        self._readers.pop(name, None)
        self._room.set()

    async def _more(self, offset: int) -> bytes:
        """Return what follows `offset`, at least a byte, or nothing at the end."""
        self._room.set()
        while offset >= self._store.end:
            if isinstance(self._end, Exception):
                raise self._end
            if self._end:
                return b""
            self._news.clear()
            await self._news.wait()
        return await self._store.read(offset)

    async def _fill(self) -> None:
        try:
            while await self._wanted():
                data = await self._source.read()
                if not data:
                    break
                await self._store.append(data)
                self._news.set()
            self._end = True
        except (OSError, ClshError) as error:
            self._end = error
        finally:
            self._news.set()

    async def _wanted(self) -> bool:
        """Wait until a node is about to need more and there is room for it."""
        while True:
            offsets = [reader.offset for reader in self._readers.values()]
            self._store.forget(0 if self._not_started else min(offsets, default=self._store.end))
            if offsets and max(offsets) + PIECE > self._store.end:
                if not self._store.is_full:
                    return True
                if self._not_started and not self._together:
                    raise ClshError(
                        "standard input is too long to be kept for the nodes that start later",
                        hint="use -f to run all nodes at once, or bring it over with --copy",
                    )
            self._room.clear()
            await self._room.wait()


class Reader:
    """The input from its first byte on, for one node."""

    def __init__(self, more: Callable[[int], Awaitable[bytes]]) -> None:
        self._more = more
        self.offset = 0

    def __aiter__(self) -> Reader:
        """Return itself: it is read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes as soon as there are any."""
        data = await self._more(self.offset)
        if not data:
            raise StopAsyncIteration
        self.offset += len(data)
        return data


class _Store:
    """Pieces of PIECE bytes, the newest in memory, those before in a ring in a file."""

    def __init__(self, limit: int) -> None:
        self._slots = max(limit, MEMORY) // PIECE
        self._pieces: deque[bytes | None] = deque()  # None: it is in the file
        self._first = 0
        self._tail = bytearray()
        self._in_memory = 0
        self._fd: int | None = None
        self._disk: set[asyncio.Future[Any]] = set()
        self.end = 0

    @property
    def is_full(self) -> bool:
        return len(self._pieces) >= self._slots

    def forget(self, offset: int) -> None:
        """Drop the whole pieces before `offset`."""
        while self._pieces and self._first < offset // PIECE:
            self._in_memory -= self._pieces.popleft() is not None
            self._first += 1

    async def append(self, data: bytes) -> None:
        """Take at most PIECE bytes."""
        self._tail += data
        if len(self._tail) >= PIECE:
            self._pieces.append(bytes(self._tail[:PIECE]))
            del self._tail[:PIECE]
            self._in_memory += 1
        self.end += len(data)
        if self._in_memory * PIECE >= MEMORY:
            try:
                await self._spill()
            except OSError as error:
                raise ClshError(
                    f"standard input could not be kept: {error.strerror}",
                    hint="set TMPDIR to a directory with more room",
                ) from error

    async def read(self, offset: int) -> bytes:
        """Return what there is at `offset`, up to the end of its piece."""
        index, inside = offset // PIECE - self._first, offset % PIECE
        if index < 0:
            return b""
        if index == len(self._pieces):
            return bytes(memoryview(self._tail)[inside:])
        piece = self._pieces[index]
        if piece is not None:
            return piece[inside:]
        place = self._place(offset // PIECE) + inside
        return await self._by_thread(self._read, PIECE - inside, place)

    async def aclose(self) -> None:
        # Its number may be another file's as soon as it is closed, so nothing may be using it.
        if self._disk:
            await asyncio.wait(self._disk)
        if self._fd is not None:
            os.close(self._fd)

    def _place(self, number: int) -> int:
        return number % self._slots * PIECE

    async def _spill(self) -> None:
        """Write the oldest piece in memory to the file; it stays readable meanwhile."""
        for index, piece in enumerate(self._pieces):
            if piece is not None:
                await self._by_thread(self._write, piece, self._place(self._first + index))
                self._pieces[index] = None
                self._in_memory -= 1
                return

    def _write(self, piece: bytes, place: int) -> None:
        if self._fd is None:
            import tempfile

            self._fd, name = tempfile.mkstemp(prefix="clsh")
            Path(name).unlink()
        while piece:
            written = os.pwrite(self._fd, piece, place)
            piece, place = piece[written:], place + written

    def _read(self, size: int, place: int) -> bytes:
        return b"" if self._fd is None else os.pread(self._fd, size, place)

    async def _by_thread(self, doing: Callable[..., T], *args: object) -> T:
        future = asyncio.get_running_loop().run_in_executor(None, doing, *args)
        self._disk.add(future)
        future.add_done_callback(self._disk.discard)
        return await asyncio.shield(future)


class _Source:
    """Reads a descriptor in a thread of its own, one read for each time it is asked."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._wake_read, self._wake_write = os.pipe()
        self._asked = threading.Semaphore(0)
        self._answer: asyncio.Future[bytes] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    async def read(self) -> bytes:
        """Return at most PIECE bytes, none at the end; raises OSError."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, args=[loop], daemon=True)
            self._thread.start()
        self._asked.release()
        return await self._answer

    def close(self) -> None:
        """Let the thread end; it is not waited for, as a read may block for ever."""
        self._closed = True
        self._asked.release()
        os.close(self._wake_write)
        if self._thread is None:
            os.close(self._wake_read)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        waiting.register(self._fd, select.POLLIN)
        while True:
            self._asked.acquire()
            if not self._closed:
                waiting.poll()
            if self._closed:
                break
            try:
                got: bytes | OSError = os.read(self._fd, PIECE)
            except OSError as error:
                got = error
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._deliver, got)
        os.close(self._wake_read)

    def _deliver(self, got: bytes | OSError) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(got, OSError):
            self._answer.set_exception(got)
        else:
            self._answer.set_result(got)
