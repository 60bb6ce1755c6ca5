"""Trees of files to copy, copying them, and looking at what came."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.nodes.model import Node, node_name
from clsh.remote.copy import get, put

if TYPE_CHECKING:
    from clsh.remote.transport import Session, Stream

NODE = Node(node_name("node1"), "node1")
ODD = 'it\'s "a"\n$(touch x) `file` \udcff -한'


class Kept:
    """A sink that keeps what a node says."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def write(self, stream: Stream, data: bytes) -> asyncio.Future[None]:
        if stream == "stdout":
            self.out += data
        else:
            self.err += data
        return asyncio.ensure_future(asyncio.sleep(0))


def make(path: Path, data: bytes = b"data", mode: int = 0o640, mtime: int = 1_000_000_000) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, (mtime, mtime))
    return path


def make_tree(root: Path) -> Path:
    """Make a directory with everything that a copy keeps."""
    root.mkdir(mode=0o750)
    make(root / "empty", b"", 0o600)
    make(root / "run", b"#!/bin/sh\n" * 1000, 0o755)
    make(root / ODD, bytes(range(256)))
    make(root / ".hidden", b"h")
    deep = root.joinpath(*["long" * 20] * 3)
    deep.mkdir(parents=True)
    make(deep / "file", b"deep")
    (root / "to-run").symlink_to("run")
    (root / "dangling").symlink_to("/nowhere/" + "x" * 120)
    (root / "closed").mkdir()
    make(root / "closed/inside", b"c")
    (root / "closed").chmod(0o555)
    return root


def picture(root: Path) -> dict[str, object]:
    """Return all that is to be equal after a copy."""
    found: dict[str, object] = {".": stat.S_IMODE(root.stat().st_mode)}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = stat.S_IMODE(status.st_mode)
        else:
            found[name] = (stat.S_IMODE(status.st_mode), int(status.st_mtime), path.read_bytes())
    return found


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*"))


def left_behind(root: Path) -> list[str]:
    return [str(path) for path in root.rglob(".clsh-*")]


async def run_put(session: Session, dest: str, *sources: Path) -> tuple[int, str]:
    kept = Kept()
    work = await asyncio.to_thread(put, sources, dest)
    ended = await work(session, kept)
    assert kept.out == b""
    return ended.code, kept.err.decode()


async def run_get(session: Session, into: Path, *sources: str) -> tuple[int, str]:
    kept = Kept()
    ended = await get(sources, into)(session, kept)
    assert kept.out == b""
    return ended.code, kept.err.decode()
