"""Bring files and directories from nodes to DIR/NODE/NAME, with their modes.

A file is read by `cat`, a directory by `tar`. The node is not trusted: `landing` writes only
below DIR/NODE, whatever it sends. Each file appears whole and at once; when a copy fails, no
half file is left.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, UsageError
from clsh.remote.copy.archive import PIECE, Reader
from clsh.remote.copy.landing import NewFile, Tree, open_place
from clsh.remote.copy.scripts import GET
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from clsh.nodes.model import Node
    from clsh.remote.transport import Session, Sink, Stream

    Progress = Callable[[Node, int], None]
    Work = Callable[[Session, Sink], Awaitable[Exit]]

_LONGEST_GREETING = 64 * 1024


def get(sources: Sequence[str], into: Path, progress: Progress | None = None) -> Work:
    """Return the work that brings `sources` from a node to `into`/NODE, one after the other.

    `progress` is told the node and how many bytes more it has sent. The work ends with 1
    when something could not be read, which the node said on stderr, and raises ClshError
    when it could not be written here. Raises UsageError for names that cannot be told apart.
    """
    names = {source: _name(source) for source in sources}
    if not sources or len(set(names.values())) < len(sources):
        raise UsageError("files with names of their own are needed", hint="--rcopy FILE... DIR")

    async def work(session: Session, sink: Sink) -> Exit:
        worst = Exit(0)
        for source, name in names.items():
            ended = await _get(session, sink, source, into, name, progress)
            if ended.code:
                worst = ended
        return worst

    return work


def _name(source: str) -> str:
    name = PurePosixPath(source).name
    home = source.startswith("~") and "/" not in source
    if home or name in {"", ".."} or "\0" in source:
        raise UsageError(f"cannot copy '{source}': it has no name of its own")
    return name


async def _get(
    session: Session, sink: Sink, source: str, into: Path, name: str, progress: Progress | None
) -> Exit:
    token = secrets.token_hex(16)
    incoming = _Incoming(into, session.node.name, name, token)
    receiver = _Receiver(incoming, sink, lambda count: progress and progress(session.node, count))
    try:
        ended = await session.run(Command(in_sh(GET, source, token)), receiver)
        refused = await receiver.finish(whole=ended.code == 0)
    except OSError as error:
        raise ClshError(
            f"cannot write '{into / session.node.name / name}': {os.strerror(error.errno or 0)}"
        ) from error
    finally:
        await receiver.aclose()
    if refused:
        note = f"left out what is neither file nor link: {', '.join(map(repr, refused))}\n"
        if (wait := sink.write("stderr", note.encode())) is not None:
            await wait
        return Exit(1)
    return ended


class _Receiver:
    """The sink of the copy: collects what came and stores it in a thread."""

    def __init__(self, incoming: _Incoming, sink: Sink, progress: Callable[[int], object]) -> None:
        self._incoming = incoming
        self._sink = sink
        self._progress = progress
        self._waiting: list[bytes] = []
        self._size = 0
        self._storing: asyncio.Task[None] | None = None

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        """Take output; what the node says on stderr goes on to the person."""
        if stream == "stderr":
            return self._sink.write(stream, data)
        self._progress(len(data))
        self._waiting.append(data)
        self._size += len(data)
        return self._flush() if self._size >= PIECE else None

    def _flush(self) -> Awaitable[None]:
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store())
        return asyncio.shield(self._storing)

    async def _store(self) -> None:
        while self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            await asyncio.to_thread(self._incoming.feed, data)

    async def finish(self, *, whole: bool) -> list[str]:
        """Store the rest; return the names that were refused."""
        await self._flush()
        return await asyncio.to_thread(self._incoming.finish, whole=whole)

    async def aclose(self) -> None:
        """Leave no half file, when the thread that may still write is done."""
        if self._storing is not None:
            await asyncio.wait([self._storing])
        await asyncio.to_thread(self._incoming.close)


class _Incoming:
    """What a node sends, from the header to the last byte; blocks, so used in a thread."""

    def __init__(self, into: Path, node: str, name: str, token: str) -> None:
        self._into, self._node, self._name = into, node, name
        self._header = re.compile(
            rb"\x1e%s (file|directory) ([0-7]{1,4}) (-|\d{1,12})\x1f" % token.encode()
        )
        self._head = b""
        self._mode = 0
        self._mtime: int | None = None
        self._reader = Reader()
        self._file: NewFile | None = None
        self._tree: Tree | None = None

    def feed(self, data: bytes) -> None:
        """Store what came next; raises OSError, and ClshError for what is not to be stored."""
        if self._file is None and self._tree is None:
            self._head += data
            data = self._begin()
        if self._file is not None:
            self._file.write(data)
        elif self._tree is not None:
            for event in self._reader.feed(data):
                self._tree.take(event)

    def _begin(self) -> bytes:
        """Open what the header announces; return what follows the header."""
        header = self._header.search(self._head)
        if header is None:  # what a start-up file of the login shell prints may come first
            if len(self._head) > _LONGEST_GREETING:
                raise ClshError(f"{self._node} sent something else than '{self._name}'")
            return b""
        self._mode = int(header[2], 8)
        self._mtime = None if header[3] == b"-" else int(header[3])
        place = open_place(self._into, self._node)
        try:
            if header[1] == b"file":
                self._file = NewFile(place, self._name)
            else:
                self._tree = Tree(place, self._name, self._mode)
        finally:
            os.close(place)
        return self._head[header.end() :]

    def finish(self, *, whole: bool) -> list[str]:
        """Put all in its place; a file that is not `whole` is dropped."""
        if self._file is not None and whole:
            self._file.put_in_place(self._mode, self._mtime)
        if self._tree is not None:
            if self._reader.complete:
                self._tree.finish()
            elif whole:
                raise ClshError(f"{self._node} sent only a part of '{self._name}'")
            return self._tree.refused
        return []

    def close(self) -> None:
        """Close all, and drop a half file."""
        if self._file is not None:
            self._file.close()
        if self._tree is not None:
            self._tree.close()
        self._file = self._tree = None
