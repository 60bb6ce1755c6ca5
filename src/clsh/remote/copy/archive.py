"""Write a tar archive of a directory in pieces, and read one piece by piece.

Only what a copy needs: files, directories and links, in the format that GNU tar, busybox and
bsdtar all read (GNU long names). Reading is sans-I/O and trusts nothing: names are checked
by who writes them to disk, sizes of names here.
"""

from __future__ import annotations

import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Kind = Literal["file", "directory", "link", "hardlink", "other"]

PIECE = 256 * 1024
_BLOCK = 512
_LONGEST_NAME = 64 * 1024


def pack(root: Path) -> Generator[bytes]:
    """Yield the members of what is in `root` in pieces of about PIECE bytes, without an end.

    Raises ClshError for what cannot be read, or is neither file, directory nor link.
    """
    buffer = bytearray()
    for part in _members(root, ""):
        buffer += part
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def end(last: str) -> bytes:
    """Return the end of an archive: an empty file named `last`, and the end mark.

    tar takes an archive without its end for a whole one; the file shows that it was.
    """
    return _header(tarfile.TarInfo(last)) + bytes(2 * _BLOCK)


def _members(directory: Path, prefix: str) -> Iterator[bytes]:
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            yield from _member(Path(entry.path), prefix + entry.name)
    except OSError as error:
        raise ClshError(f"cannot read '{error.filename}': {error.strerror}") from error


def _member(path: Path, name: str) -> Iterator[bytes]:
    found = path.lstat()
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(found.st_mode)
    info.mtime = int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
        yield _header(info)
        yield from _members(path, f"{name}/")
    elif stat.S_ISLNK(found.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = str(path.readlink())
        yield _header(info)
    elif stat.S_ISREG(found.st_mode):
        info.size = found.st_size
        yield _header(info)
        yield from content(path, info.size)
        yield bytes(-info.size % _BLOCK)
    else:
        raise ClshError(f"cannot copy '{path}': neither file, directory nor link")


def content(path: Path, size: int) -> Generator[bytes]:
    """Yield exactly `size` bytes of a file; raises ClshError when it has fewer by now."""
    with path.open("rb", buffering=0) as file:
        while size:
            data = file.read(min(size, PIECE))
            if not data:
                raise ClshError(f"'{path}' became shorter while it was read")
            size -= len(data)
            yield data


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Member:
    """What the archive holds next; `target` is what a link leads to."""

    name: str
    kind: Kind
    mode: int
    mtime: float
    size: int = 0
    target: str = ""


class Reader:
    """Reads an archive as it arrives; `complete` once its end mark has been seen."""

    def __init__(self) -> None:
        self.complete = False
        self._rest = b""
        self._left = 0  # of the content that is being read
        self._padding = 0
        self._special: tuple[bytes, bytearray] | None = None
        self._pax: dict[str, str] = {}

    def feed(self, data: bytes) -> Iterator[Member | bytes | None]:
        """Yield each Member, the content of a file in pieces, and None at the file's end.

        Raises ClshError for what is no archive.
        """
        data = self._rest + data
        position = 0
        while not self.complete:
            if self._left:
                piece = data[position : position + self._left]
                if not piece:
                    break
                position += len(piece)
                yield from self._content(piece)
                continue
            skipped = min(self._padding, len(data) - position)
            self._padding -= skipped
            position += skipped
            if len(data) - position < _BLOCK:
                break
            yield from self._block(data[position : position + _BLOCK])
            position += _BLOCK
        self._rest = data[position:] if not self.complete else b""

    def _content(self, piece: bytes) -> Iterator[bytes | None]:
        self._left -= len(piece)
        if self._special is None:
            yield piece
            if not self._left:
                yield None
            return
        kind, collected = self._special
        collected += piece
        if self._left:
            return
        self._special = None
        if kind == tarfile.GNUTYPE_LONGNAME:
            self._pax["path"] = _text(collected)
        elif kind == tarfile.GNUTYPE_LONGLINK:
            self._pax["linkpath"] = _text(collected)
        elif kind == tarfile.XHDTYPE:
            self._pax.update(_records(bytes(collected)))

    def _block(self, block: bytes) -> Iterator[Member | None]:
        if not block.strip(b"\0"):
            self.complete = True
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ClshError("what the node sent is no tar archive") from error
        size = info.size
        if info.type in _SPECIAL:
            if not 0 < size <= _LONGEST_NAME:
                raise ClshError("what the node sent has a name without end")
            self._special = (info.type, bytearray())
        else:
            member = self._member(info)
            size = member.size
            yield member
            if member.kind == "file" and not size:
                yield None
        self._left = size
        self._padding = -size % _BLOCK

    def _member(self, info: tarfile.TarInfo) -> Member:
        pax, self._pax = self._pax, {}
        if info.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in pax):
            raise ClshError("what the node sent has sparse files")
        kind = _KINDS.get(info.type, "other")
        try:
            size = int(pax.get("size", info.size)) if kind == "file" else 0
            mtime = float(pax.get("mtime", info.mtime))
        except ValueError as error:
            raise ClshError("what the node sent is no tar archive") from error
        return Member(
            name=pax.get("path", info.name),
            kind=kind,
            mode=info.mode,
            mtime=mtime,
            size=max(size, 0),
            target=pax.get("linkpath", info.linkname),
        )


_SPECIAL = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
)
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hardlink",
}


def _text(data: bytes | bytearray) -> str:
    return bytes(data).partition(b"\0")[0].decode(errors="surrogateescape")


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records `LENGTH KEY=VALUE\\n` of a pax header (POSIX pax, 4.20)."""
    while data:
        length, space, _ = data.partition(b" ")
        if not (space and length.isdigit() and len(space) < int(length) <= len(data)):
            raise ClshError("what the node sent is no tar archive")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        yield key.decode(errors="surrogateescape"), _text(value)
        data = data[int(length) :]
