"""`--out` and `--err`: what nodes wrote, byte for byte in one file each, or as labelled lines.

The files of nodes are opened below a descriptor of their directory and never through a
link, so no name of a node and no planted link leads outside. They are made before anything
runs: a node that cannot be reached leaves an empty file, not the one of yesterday.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.cli.output.feed import Feed
from clsh.cli.output.writer import Target, Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from clsh.remote.transport import Stream

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_SUFFIX: dict[Stream, str] = {"stdout": "out", "stderr": "err"}


@dataclass(slots=True)
class _Directory:
    path: str
    fd: int


class OutFiles:
    """Where `--out` and `--err` go; made before the event loop runs, since it opens files.

    Raises ClshError when PATH itself cannot be used. What fails for one node fails only
    that node: `problem` tells.
    """

    def __init__(
        self, paths: dict[Stream, str], nodes: Iterable[str], *, append: bool = False
    ) -> None:
        self._places: dict[Stream, _Directory | Target] = {}
        self._targets: dict[tuple[str, Stream], Target] = {}
        self._writer: Writer | None = None
        opened: dict[tuple[str, bool], _Directory | Target] = {}
        for stream, path in paths.items():
            key = os.path.realpath(path), path.endswith("/")
            if key not in opened:
                opened[key] = _open(path, append=append)
            self._places[stream] = opened[key]
        for node in nodes:
            for stream, place in self._places.items():
                self._targets[node, stream] = _target(place, node, stream, append=append)

    def takes(self, stream: Stream) -> bool:
        """Tell whether a stream goes into files."""
        return stream in self._places

    def problem(self, node: str) -> ClshError | None:
        """Return why the files of a node do not have everything, or None."""
        targets = (self._targets[node, stream] for stream in self._places)
        return next((_error(target) for target in targets if target.error), None)

    def sink(self, node: str, stream: Stream) -> FileFeed:
        """Return what writes one stream of a node."""
        if self._writer is None:
            self._writer = Writer(lambda _: None)
        target = self._targets[node, stream]
        whole = isinstance(self._places[stream], _Directory)
        return FileFeed(self._writer, target, None if whole else node)

    async def flush(self) -> None:
        """Wait until everything has been written, or could not be."""
        if self._writer:
            await self._writer.flush()

    async def aclose(self, wait_s: float | None = None) -> None:
        """Write what is left and close the files."""
        if self._writer:
            await self._writer.aclose(wait_s)
        for place in self._places.values():
            if place.fd >= 0:
                fd, place.fd = place.fd, -1
                os.close(fd)


class FileFeed:
    """One stream of one node into its file as it is, or with labels into a common one."""

    def __init__(self, writer: Writer, target: Target, label: str | None) -> None:
        self._writer = writer
        self._target = target
        self._lines = None if label is None else Feed(self._put, f"{label}: ".encode(), safe=False)

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take bytes; raises ClshError once something could not be written."""
        return self._lines.write(data) if self._lines else self._put(data)

    def end(self) -> None:
        """Write what has no newline, and close the node's own file; idempotent."""
        if self._lines is None:
            self._writer.finish(self._target)
        elif not self._target.error:
            self._lines.end()

    def _put(self, data: bytes) -> Awaitable[None] | None:
        if self._target.error:
            raise _error(self._target)
        return self._writer.put(self._target, data)


def _open(path: str, *, append: bool) -> _Directory | Target:
    try:
        if path.endswith("/") or Path(path).is_dir():
            Path(path).mkdir(parents=True, exist_ok=True)
            return _Directory(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        flags = _FLAGS & ~os.O_NOFOLLOW | (0 if append else os.O_TRUNC)
        return Target(path, os.open(path, flags, 0o666))
    except OSError as error:
        raise ClshError(
            f"cannot write to '{path}': {error.strerror}",
            hint="--out and --err take a directory, or a name that ends in / to make one, or a "
            "file",
        ) from error


def _target(place: _Directory | Target, node: str, stream: Stream, *, append: bool) -> Target:
    if isinstance(place, Target):
        return place
    name = f"{node}.{_SUFFIX[stream]}"
    target = Target(f"{place.path.rstrip('/')}/{name}", opens=partial(_open_below, place.fd, name))
    try:
        fd = _open_below(place.fd, name, 0 if append else os.O_TRUNC)
        os.close(fd)
    except OSError as error:
        target.error = error
    return target


def _open_below(directory: int, name: str, flags: int = 0) -> int:
    """Open the plain file `name` in a directory; never waits for a pipe to have a reader."""
    fd = os.open(name, _FLAGS | os.O_NONBLOCK | flags, 0o666, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "it is not a plain file")
    return fd


def _error(target: Target) -> ClshError:
    error = target.error
    reason = "it is a link" if error and error.errno == errno.ELOOP else error and error.strerror
    return ClshError(f"cannot write '{target.name}': {reason}")
