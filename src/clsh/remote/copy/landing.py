"""Write what a node sends below one directory, and nowhere else.

The node is not trusted: every directory is opened below the one above it and links are
never followed; nothing is written under a name that a link could stand under. A file appears
whole and at once: it is written beside its place and renamed. Set-user-id bits are dropped,
devices and pipes refused. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.remote.copy.archive import Member

if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS = 0o777


def open_place(into: Path, node: str) -> int:
    """Return a descriptor of the directory `into`/`node`, made if it is not there."""
    into.mkdir(parents=True, exist_ok=True)
    above = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _below(above, node)
    finally:
        os.close(above)


def _below(above: int, name: str) -> int:
    """Return a descriptor of directory `name` in `above`, made if it is not there."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, _DIRECTORY, dir_fd=above)


class NewFile:
    """A file that is not yet in its place in the directory `above`."""

    def __init__(self, above: int, name: str) -> None:
        self._above = os.dup(above)
        self._name = name
        self._beside = _beside()
        try:
            self._fd = os.open(self._beside, _NEW, 0o600, dir_fd=self._above)
        except OSError:
            os.close(self._above)
            raise

    def write(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def put_in_place(self, mode: int, mtime: float | None) -> None:
        """Give the file its mode, its time and its name; then it is closed."""
        os.fchmod(self._fd, mode & _PERMISSIONS)
        if mtime is not None:
            os.utime(self._fd, (mtime, mtime))
        os.rename(self._beside, self._name, src_dir_fd=self._above, dst_dir_fd=self._above)
        self._beside = ""
        self.close()

    def close(self) -> None:
        """Remove it unless it is in its place; may be called again."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if self._beside:
            with contextlib.suppress(OSError):
                os.unlink(self._beside, dir_fd=self._above)
        os.close(self._above)


class Tree:
    """The directory `name` in `above`: members are added to what is there already.

    `refused` are the names of members that are neither file, directory nor link.
    """

    def __init__(self, above: int, name: str, mode: int) -> None:
        self.refused: list[str] = []
        self._mode = mode & _PERMISSIONS
        self._root = _below(above, name)
        self._parts: list[str] = []
        self._current = os.dup(self._root)  # the directory `_parts`
        self._last: list[tuple[list[str], int]] = []  # what we may not write in at the end
        self._filling: tuple[NewFile, Member] | None = None
        os.fchmod(self._root, self._mode | stat.S_IRWXU)

    def take(self, event: Member | bytes | None) -> None:
        """Add a member, add to the content of a file, or (None) put it in its place."""
        if isinstance(event, Member):
            self._begin(event)
        elif self._filling is not None:
            file, member = self._filling
            if event is not None:
                file.write(event)
            else:
                file.put_in_place(member.mode, member.mtime)
                self._filling = None

    def finish(self) -> None:
        """Give the directories the modes that would have been in the way."""
        for parts, mode in reversed(self._last):
            self._enter(parts)
            os.fchmod(self._current, mode)
        os.fchmod(self._root, self._mode)

    def close(self) -> None:
        """Drop a half file and close the directories; call it once."""
        if self._filling is not None:
            self._filling[0].close()
        os.close(self._current)
        os.close(self._root)

    def _begin(self, member: Member) -> None:
        parts = _parts(member.name)
        if not parts:
            return  # the directory itself
        if member.kind == "directory":
            self._enter(parts)
            mode = member.mode & _PERMISSIONS
            os.fchmod(self._current, mode | stat.S_IRWXU)
            if mode & stat.S_IRWXU != stat.S_IRWXU:
                self._last.append((parts, mode))
            return
        self._enter(parts[:-1])
        if member.kind == "file":
            self._filling = NewFile(self._current, parts[-1]), member
        elif member.kind == "other":
            self.refused.append(member.name)
        else:
            self._link(member, parts[-1])

    def _link(self, member: Member, name: str) -> None:
        beside = _beside()
        if member.kind == "link":
            os.symlink(member.target, beside, dir_fd=self._current)
        else:
            target = _parts(member.target) or ["."]
            above = self._open(target[:-1])
            try:
                os.link(
                    target[-1],
                    beside,
                    src_dir_fd=above,
                    dst_dir_fd=self._current,
                    follow_symlinks=False,
                )
            finally:
                os.close(above)
        os.rename(beside, name, src_dir_fd=self._current, dst_dir_fd=self._current)
        with contextlib.suppress(FileNotFoundError):  # rename leaves it when both are one file
            os.unlink(beside, dir_fd=self._current)

    def _enter(self, parts: list[str]) -> None:
        """Make `_current` the directory `parts`, which is made if it is not there."""
        if parts != self._parts:
            current = self._open(parts)
            os.close(self._current)
            self._current, self._parts = current, parts

    def _open(self, parts: list[str]) -> int:
        current = os.dup(self._root)
        for part in parts:
            try:
                below = _below(current, part)
            finally:
                os.close(current)
            current = below
        return current


def _beside() -> str:
    return f".clsh-{secrets.token_hex(8)}"


def _parts(name: str) -> list[str]:
    """Return the components of a name in an archive; raises ClshError for an unsafe one."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ClshError(f"the node sent an unsafe name: {name!r}")
    return parts
