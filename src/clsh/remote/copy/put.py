"""Bring files and directories to nodes: each whole and at once, by rename, with its mode.

A file is sent to `cat`, a directory as a tar archive to `tar`. The destination is read as cp
reads it: a directory (or, for several sources, always) is what they are put into. Links in a
directory stay links, owners are those of the login. When a copy fails nothing is left of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from clsh.base.errors import ClshError, UsageError
from clsh.remote.copy import archive
from clsh.remote.copy.scripts import PUT_DIRECTORY, PUT_FILE
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence
    from pathlib import Path
    from typing import Self

    from clsh.nodes.model import Node
    from clsh.remote.transport import Session, Sink

    Progress = Callable[[Node, int], None]
    Work = Callable[[Session, Sink], Awaitable[Exit]]

_SMALL = 1024 * 1024
"""A source up to this size is read once for all nodes; a bigger one is in the page cache."""
_LEAVE_S = 0.3
_KINDS: dict[int, Literal["file", "directory"]] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
}
_SCRIPTS = {"file": PUT_FILE, "directory": PUT_DIRECTORY}


def put(sources: Sequence[Path], dest: str, progress: Progress | None = None) -> Work:
    """Return the work that brings `sources` to `dest` on a node, one after the other.

    `progress` is told the node and how many bytes more it was sent. The work ends with 1
    when the node refused something, which it said on stderr. A cancel leaves nothing of
    what was under way. Raises UsageError for sources that cannot be read: this touches the
    disk, so call it in a thread where an event loop runs.
    """
    if not sources or not dest or "\0" in dest:
        raise UsageError("files and a destination are needed", hint="--copy FILE... DEST")
    loaded = [_load(path) for path in sources]
    names = [source.name for source in loaded]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two sources are named '{name}': one would overwrite the other")
    many = len(loaded) > 1

    async def work(session: Session, sink: Sink) -> Exit:
        worst = Exit(0)
        for source in loaded:
            ended = await _put(session, sink, source, dest, progress, many=many)
            if ended.code:
                worst = ended
        return worst

    return work


@dataclass(frozen=True, slots=True)
class _Source:
    """What is copied; `small` holds its pieces when it is."""

    path: Path
    name: str
    kind: Literal["file", "directory"]
    mode: int
    mtime: float
    size: int
    small: tuple[bytes, ...] | None = None

    def pieces(self) -> Generator[bytes]:
        """Read the source anew."""
        if self.kind == "file":
            return archive.content(self.path, self.size)
        return archive.pack(self.path)


def _load(path: Path) -> _Source:
    try:
        found = path.stat()
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        name = path.name if path.name not in {"", ".."} else path.resolve().name
        if kind is None or not name:
            raise UsageError(f"cannot copy '{path}': it is neither file nor directory")
        mode = stat.S_IMODE(found.st_mode)
        source = _Source(path, name, kind, mode, found.st_mtime, found.st_size)
        return replace(source, small=_read_small(source))
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from error


def _read_small(source: _Source) -> tuple[bytes, ...] | None:
    read: list[bytes] = []
    with contextlib.closing(source.pieces()) as pieces:
        for piece in pieces:
            read.append(piece)
            if sum(map(len, read)) > _SMALL:
                return None
    return tuple(read)


async def _put(
    session: Session,
    sink: Sink,
    source: _Source,
    dest: str,
    progress: Progress | None,
    *,
    many: bool,
) -> Exit:
    token = secrets.token_hex(8)
    line = in_sh(
        _SCRIPTS[source.kind],
        dest,
        source.name,
        source.kind,
        f"{source.mode:o}",
        time.strftime("%Y%m%d%H%M.%S", time.gmtime(source.mtime)),
        str(source.size),
        token,
        "y" if many else "n",
    )
    last = archive.end(f".clsh-{token}") if source.kind == "directory" else b""
    feed = _Feed(source, last, lambda count: progress and progress(session.node, count))
    running = asyncio.create_task(session.run(Command(line), sink, feed))
    try:
        ended = await asyncio.shield(running)
    except asyncio.CancelledError:
        # An early end of its input makes the node throw away what it has.
        feed.stop()
        await asyncio.wait([running], timeout=_LEAVE_S)
        raise
    finally:
        running.cancel()
        await asyncio.wait([running])
        await feed.aclose()
    if feed.error is not None:
        raise feed.error
    return ended


class _Feed:
    """The pieces of a source as a command reads them, from memory or read in a thread.

    When the source cannot be read on, the input ends early, so that the node throws away
    what it has, and `error` says why.
    """

    def __init__(self, source: _Source, last: bytes, progress: Callable[[int], object]) -> None:
        self._last = [last] if last else []
        self._small = None if source.small is None else iter([*source.small, *self._last])
        self._pieces = source.pieces()
        self._progress = progress
        self._reading: asyncio.Future[bytes | None] | None = None
        self._stopped = False
        self.error: ClshError | None = None

    def stop(self) -> None:
        """End early."""
        self._stopped = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = None if self._stopped else await self._next()
        if piece is None or self._stopped:
            raise StopAsyncIteration
        self._progress(len(piece))
        return piece

    async def _next(self) -> bytes | None:
        if self._small is not None:
            return next(self._small, None)
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(None, next, self._pieces, None)
        try:
            piece = await asyncio.shield(self._reading)
        except (ClshError, OSError) as error:
            self.error = ClshError(str(error))
            return None
        if piece is None and self._last:
            piece = self._last.pop()
        return piece

    async def aclose(self) -> None:
        """Close the source, when the thread that may still read it is done."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
            self._reading.exception()
        await asyncio.to_thread(self._pieces.close)
