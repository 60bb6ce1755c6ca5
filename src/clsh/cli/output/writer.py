"""A thread that writes bytes to file descriptors, so that no reader can block the event loop.

A pager that waits, a full pipe, a slow disk: only this thread stands still. What waits for
it is bounded: beyond HIGH bytes `put` returns a future, which completes when there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH = 4 * 1024 * 1024
_LOW = HIGH // 2
_BATCH = 256 * 1024
_ERASE = b"\r\x1b[K"


@dataclass(slots=True, eq=False)
class Target:
    """Where bytes go: a descriptor, or what `opens` gives when the first byte is written.

    `error` is set for good by the first failure; everything after it is thrown away.
    """

    name: str
    fd: int = -1
    opens: Callable[[], int] | None = None
    error: OSError | None = None


class Writer:
    """One thread and its queue; every method is for the event loop that made it.

    `on_error` is called in the loop, once for each target that failed. `status_fd` is the
    terminal that shows a status line below the output, when this writer has one.
    """

    def __init__(self, on_error: Callable[[Target], None], status_fd: int | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_error = on_error
        self._status_fd = status_fd
        self._status = b""
        self._shown = b""
        self._queue: queue.SimpleQueue[tuple[Target, bytes] | None] = queue.SimpleQueue()
        self._given = 0
        self._taken = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._tick = Target("status line")
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="clsh-writer", daemon=True)
        self._thread.start()

    def put(self, target: Target, data: bytes) -> asyncio.Future[None] | None:
        """Queue bytes; returns a future that completes when there is room again, if needed."""
        if not data or target.error:
            return None
        self._given += len(data)
        self._queue.put((target, data))
        return self._until(self._given - _LOW) if self._given - self._taken > HIGH else None

    def status(self, line: bytes) -> None:
        """Show `line` below the output from now on, or nothing."""
        if self._status_fd is not None and line != self._status:
            self._status = line
            self._queue.put((self._tick, b""))

    def finish(self, target: Target) -> None:
        """Close a target that `opens` opened, after all that was put before."""
        self._queue.put((target, b""))

    async def flush(self) -> None:
        """Wait until all that was put so far has been written, or could not be."""
        await self._until(self._given)

    async def aclose(self, wait_s: float | None = None) -> bool:
        """Write what is left and end; returns False when a write blocks longer than `wait_s`."""
        self._queue.put(None)
        await asyncio.wait([self._ended], timeout=wait_s)
        return self._ended.done()

    def _until(self, mark: int) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._waiting.append((mark, future))
        self._wake()  # the thread may have passed the mark just now, seeing nobody wait
        return future

    def _wake(self) -> None:
        still: list[tuple[int, asyncio.Future[None]]] = []
        for mark, future in self._waiting:
            if future.done():
                continue
            if self._taken >= mark:
                future.set_result(None)
            else:
                still.append((mark, future))
        self._waiting = still

    # From here on everything runs in the thread.

    def _run(self) -> None:
        item = self._queue.get()
        while item is not None:
            target, data = item
            parts = [data]
            size = len(data)
            following = self._next()
            while following and following[0] is target and data and size < _BATCH:
                data = following[1]
                parts.append(data)
                size += len(data)
                following = self._next()
            self._write(target, b"".join(parts), last=not data)
            self._taken += size
            if self._waiting:
                self._call(self._wake)
            if following is _NOTHING:
                self._show(self._status)
                following = self._queue.get()
            item = following
        self._show(b"")
        self._call(self._ended.set_result, None)

    def _next(self) -> tuple[Target, bytes] | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return _NOTHING

    def _write(self, target: Target, data: bytes, *, last: bool) -> None:
        """Write to `target`; `last` closes it, when it is one that this thread opened."""
        if target is self._tick:
            return
        try:
            if data and not target.error:
                if target.fd < 0 and target.opens:
                    target.fd = target.opens()
                self._show(b"")
                _write_all(target.fd, data)
            if last and target.opens and target.fd >= 0:
                target.fd, fd = -1, target.fd
                os.close(fd)
        except OSError as error:
            target.error = error
            self._call(self._on_error, target)

    def _show(self, line: bytes) -> None:
        """Replace the status line that is on the terminal by `line`."""
        if self._status_fd is not None and line != self._shown:
            self._shown = line
            with contextlib.suppress(OSError):
                _write_all(self._status_fd, _ERASE + line)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            self._loop.call_soon_threadsafe(function, *args)


_NOTHING = (Target(""), b"")


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # somebody else made this terminal or pipe non-blocking
            ready = select.poll()
            ready.register(fd, select.POLLOUT)
            ready.poll()
