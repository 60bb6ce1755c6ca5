"""The files that users handed in, on the manager's disk: `OWNER/SHA256`, 0600. Blocking.

A file comes in pieces and has its name when it is whole. Each user has a quota; what no job
that waits or runs needs goes after some days, or sooner when its owner needs the room.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.base.users import login_name
from clsh.jobs.errors import RequestError
from clsh.jobs.queue.errors import QueueError, QueueFullError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

MOST_FILES = 1000
_UPLOAD = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PART = ".part"
_FRESH_S = 3600.0  # handed in, and its job may not be submitted yet
_DAY_S = 86_400.0


class NoRoomError(RequestError):
    """The owner's quota is used up."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many bytes of a file are there, and its digest when that is all of it."""

    have: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of one file, and of all files of a user; days after which a file goes."""

    file: int = 100 << 20
    user: int = 1 << 30
    days: int = 7


class Store:
    """The files below a directory, which is made when it is needed."""

    def __init__(self, directory: Path, bounds: Bounds) -> None:
        self._directory = directory
        self._bounds = bounds

    def take(self, owner: str, upload: str, offset: int, size: int, data: bytes) -> Taken:
        """Take a piece of a file of `size` bytes; `upload` is a token that the sender made up.

        A piece that does not begin where the last one ended changes nothing. Raises
        RequestError, NoRoomError and QueueError.
        """
        if not _UPLOAD.fullmatch(upload):
            raise RequestError("upload", tr("upload: 32 hexadecimal digits, made up by chance"))
        if size > self._bounds.file:
            raise RequestError(
                "size",
                tr("a file of {size} bytes, at most {most}", size=size, most=self._bounds.file),
                hint=tr("put it where the nodes have it; `send_limit` in [jobs] is the limit"),
            )
        if offset + len(data) > size:
            raise RequestError("offset", tr("more bytes than {size} were sent", size=size))
        try:
            return self._take(self._folder(owner), upload, offset, size, data)
        except OSError as error:
            raise self._failed(error) from error

    def _take(self, folder: Path, upload: str, offset: int, size: int, data: bytes) -> Taken:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = folder / f"{upload}{_PART}"
        have = part.stat().st_size if part.exists() else 0
        if have != offset:
            return Taken(have)
        # All of it at first, so that nobody sends in vain; later what others took counts too.
        self._check_room(folder, size if have == 0 else len(data))
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(data)
            if offset + len(data) < size:
                return Taken(offset + len(data))
            file.flush()
            os.fsync(handle)
        return Taken(size, self._finish(folder, part))

    def _finish(self, folder: Path, part: Path) -> str:
        """Give a file that is whole its name."""
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(folder / digest)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return digest

    def _check_room(self, folder: Path, size: int) -> None:
        files = list(_files(folder))
        used = sum(one.size for one in files)
        if used + size > self._bounds.user or len(files) >= MOST_FILES:
            raise NoRoomError(
                "send",
                tr("your files would be more than {most} bytes", most=self._bounds.user),
                hint=tr("wait until your jobs have ended; `send_quota` in [jobs] is the limit"),
            )

    def find(self, owner: str, asker: str, digest: str) -> bool:
        """Tell whether an owner has a file, which is fresh then; one of who asks is given to it."""
        path = self._folder(owner) / digest
        try:
            if not path.exists() and asker != owner:
                other = self._folder(asker) / digest
                if other.exists():
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    path.hardlink_to(other)
            if path.exists():
                os.utime(path)
                return True
        except OSError as error:
            raise self._failed(error) from error
        return False

    def path(self, owner: str, digest: str) -> Path:
        """Return where a file is; raises FileNotFoundError when it is kept no longer."""
        path = self._folder(owner) / digest
        path.stat()
        return path

    def make_room(self, owner: str, size: int, needed: Collection[str], now: float) -> None:
        """Remove the oldest files of an owner that are not needed until `size` bytes fit."""
        files = list(_files(self._folder(owner)))
        used, count = sum(one.size for one in files), len(files)
        for one in sorted(files, key=lambda one: one.at):
            if used + size <= self._bounds.user and count < MOST_FILES:
                return
            if one.path.name not in needed and one.at < now - _FRESH_S:
                one.path.unlink(missing_ok=True)
                used, count = used - one.size, count - 1

    def sweep(self, needed: Collection[tuple[str, str]], now: float) -> None:
        """Remove what is too old, and what never came whole; never raises OSError."""
        try:
            folders = [path for path in self._directory.iterdir() if path.is_dir()]
        except OSError:
            return
        for folder in folders:
            for one in _files(folder):
                is_part = one.path.name.endswith(_PART)
                keep_s = _DAY_S * (1 if is_part else self._bounds.days)
                if one.at < now - keep_s and (folder.name, one.path.name) not in needed:
                    one.path.unlink(missing_ok=True)

    def _folder(self, owner: str) -> Path:
        return self._directory / login_name(owner)

    def _failed(self, error: OSError) -> QueueError:
        words = tr("cannot keep a file: {reason}", reason=error.strerror or error)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return QueueFullError(words, hint=tr("free some space on the manager's disk"))
        return QueueError(words, hint=tr("the manager needs a state directory that it may write"))


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    at: float


def _files(folder: Path) -> Iterable[_File]:
    """Yield the files of a folder; one that goes meanwhile is left out."""
    try:
        names = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in names:
        if _DIGEST.fullmatch(path.name) or path.name.endswith(_PART):
            try:
                told = path.stat()
            except FileNotFoundError:
                continue
            yield _File(path, told.st_size, told.st_mtime)
