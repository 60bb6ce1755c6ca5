"""Copies to and from this machine over the local transport."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, NodeLostError, UsageError
from clsh.nodes.model import Node
from clsh.remote.copy import archive, get, landing, put
from clsh.remote.transport import Exit, TransportOptions
from clsh.remote.transports import local
from clsh.remote.transports.memory import Faults, Memory
from tests.support.copies import (
    NODE,
    ODD,
    Kept,
    left_behind,
    make,
    make_tree,
    names,
    picture,
    run_get,
    run_put,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.remote.transport import Session


@pytest.fixture
async def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Session]:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")  # where a login would begin
    transport = local.build(TransportOptions())
    session = await transport.open(NODE, 5)
    yield session
    await session.aclose()
    await transport.aclose()


@pytest.fixture
def here(tmp_path: Path, session: Session) -> Path:
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path, session: Session) -> Path:
    return tmp_path / "there"


# --- to a node


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_a_file_arrives_with_mode_and_time(
    session: Session, here: Path, there: Path, size: int
) -> None:
    data = os.urandom(size)
    source = make(here / "file", data, 0o751)
    assert await run_put(session, "new", source) == (0, "")
    arrived = there / "new"
    assert arrived.read_bytes() == data
    assert stat.S_IMODE(arrived.stat().st_mode) == 0o751
    assert int(arrived.stat().st_mtime) == 1_000_000_000
    assert not left_behind(there)


@pytest.mark.parametrize("dest", [".", "./", "sub", "sub/", "{there}/sub", "{there}"])
async def test_a_directory_is_what_files_are_put_into(
    session: Session, here: Path, there: Path, dest: str
) -> None:
    (there / "sub").mkdir()
    dest = dest.format(there=there)
    assert await run_put(session, dest, make(here / "a"), make(here / "b")) == (0, "")
    folder = there / dest
    assert {(folder / n).read_bytes() for n in ("a", "b")} == {b"data"}


async def test_odd_names_are_only_names(session: Session, here: Path, there: Path) -> None:
    for name in (ODD, "-n", "~", "*", " "):
        (there / name).mkdir()
        dest = f"./{name}"
        assert await run_put(session, dest, make(here / f"f{name}")) == (0, "")
        assert [p.name for p in (there / name).iterdir()] == [f"f{name}"]
    assert await run_put(session, "-n", make(here / "-e")) == (0, "")
    assert (there / "-n/-e").read_bytes() == b"data"


async def test_a_tilde_is_a_home(session: Session, here: Path, tmp_path: Path) -> None:
    source = make(here / "file")
    home = tmp_path / "home"
    for dest in ("~", "~/", "~/other", "~/~x"):
        assert await run_put(session, dest, source) == (0, "")
    assert {p.name for p in home.iterdir()} == {"file", "other", "~x"}
    assert (await run_put(session, "~nobodyatall/x", source))[0] == 1
    code, said = await run_put(session, "~$(id)/x", source)
    assert (code, said) == (1, "cannot write './~$(id)/x': no directory './~$(id)'\n")


async def test_a_file_is_replaced_at_once(session: Session, here: Path, there: Path) -> None:
    old = make(there / "file", b"old", 0o600)
    with old.open("rb") as reader:
        assert await run_put(session, "file", make(here / "file", b"new")) == (0, "")
        assert reader.read() == b"old"
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("dest", "reason"),
    [
        ("nowhere/file", "no directory './nowhere'"),
        ("nowhere/", "not a directory"),
        ("taken", "it is a directory"),
        ("/proc/self/nothing", "Directory nonexistent|No such file or directory"),
    ],
)
async def test_what_cannot_be_written_names_the_file(
    session: Session, here: Path, there: Path, dest: str, reason: str
) -> None:
    (there / "taken/file").mkdir(parents=True)
    code, said = await run_put(session, dest, make(here / "file"))
    assert code == 1
    assert re.fullmatch(rf"cannot write '[^']*': ({reason})\n", said)
    assert not left_behind(there)


async def test_several_sources_need_a_directory(session: Session, here: Path) -> None:
    code, said = await run_put(session, "x", make(here / "a"), make(here / "b"))
    assert (code, said) == (1, "cannot write './x': not a directory\n" * 2)


@pytest.mark.parametrize("tool", ["cat", "mv", "chmod", "mkdir", "tar"])
async def test_a_failing_tool_leaves_nothing_behind(
    session: Session, here: Path, there: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = here / "bin"
    fake.mkdir()
    make(
        fake / tool,
        f"#!/bin/sh\necho {tool}: x: No space left on device >&2; exit 1\n".encode(),
        0o755,
    )
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    make(there / "file", b"old")
    source = make_tree(here / "tree") if tool in {"mkdir", "tar"} else make(here / "file", b"new")
    code, said = await run_put(session, ".", source)
    assert (code, said) == (1, f"cannot write './{source.name}': No space left on device\n")
    assert names(there) == ["file"]
    assert (there / "file").read_bytes() == b"old"


async def test_a_directory_arrives_whole(session: Session, here: Path, there: Path) -> None:
    source = make_tree(here / "tree")
    assert await run_put(session, "copy", source) == (0, "")
    assert picture(there / "copy") == picture(source)
    assert await run_put(session, "copy/", source) == (0, "")
    assert picture(there / "copy/tree") == picture(source)
    assert not left_behind(there)


@pytest.mark.skipif(not shutil.which("busybox"), reason="only what is there can be tried")
async def test_busybox_is_enough(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = here / "bin"
    tools.mkdir()
    for tool in ("cat", "mv", "chmod", "mkdir", "rm", "wc", "touch", "stat", "tar"):
        (tools / tool).symlink_to(shutil.which("busybox") or "")
    source = make_tree(here / "tree")
    monkeypatch.setenv("PATH", str(tools))
    assert await run_put(session, ".", source) == (0, "")
    assert picture(there / "tree") == picture(source)
    assert await run_get(session, here, "tree") == (0, "")
    assert picture(here / "node1/tree") == picture(source)


async def test_a_big_directory_is_read_again_for_each_node(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting_module(), "_SMALL", 1000)
    source = make_tree(here / "tree")
    make(source / "big", os.urandom(1_500_000))
    work = await asyncio.to_thread(put, [source, make(here / "file", b"x" * 5000)], ".")
    for _ in range(2):
        assert await work(session, Kept()) == Exit(0)
        assert picture(there / "tree") == picture(source)
    assert (there / "file").stat().st_size == 5000


async def test_a_directory_is_merged_into_one_that_is_there(
    session: Session, here: Path, there: Path
) -> None:
    source = make_tree(here / "tree")
    (there / "tree/closed").mkdir(parents=True)
    make(there / "tree/closed/inside", b"old")
    make(there / "tree/own", b"own")
    for number in range(450):
        make(source / f"many{number}")
    assert await run_put(session, ".", source) == (0, "")
    assert (there / "tree/own").read_bytes() == b"own"
    assert (there / "tree/closed/inside").read_bytes() == b"c"
    assert (there / "tree" / ODD).read_bytes() == bytes(range(256))
    assert (there / "tree/.hidden").read_bytes() == b"h"
    assert (there / "tree/dangling").is_symlink()
    assert all((there / f"tree/many{number}").exists() for number in range(450))
    assert not left_behind(there)


async def test_a_directory_takes_no_place_of_another_kind(
    session: Session, here: Path, there: Path
) -> None:
    source = make_tree(here / "tree")
    make(there / "tree")
    code, said = await run_put(session, ".", source)
    assert (code, said) == (1, "cannot write './tree': it is not a directory\n")
    (there / "tree").unlink()
    (there / "tree/run").mkdir(parents=True)
    code, said = await run_put(session, ".", source)
    assert (code, said) == (1, "cannot write './tree': './tree/run' is a directory\n")
    assert not left_behind(there)


async def test_without_tar_the_message_says_so(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = here / "bin"
    tools.mkdir()
    for tool in ("cat", "mv", "chmod", "mkdir", "rm", "wc", "touch", "stat"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    source = make_tree(here / "tree")
    monkeypatch.setenv("PATH", str(tools))
    missing = "tar is not installed on this node\n"
    assert await run_put(session, ".", source) == (1, f"cannot write './tree': {missing}")
    assert await run_put(session, ".", make(here / "file")) == (0, "")
    assert await run_get(session, here / "got", str(source)) == (
        1,
        f"cannot read '{source}': {missing}",
    )
    assert await run_get(session, here / "got", "file") == (0, "")


async def test_progress_counts_bytes(session: Session, here: Path) -> None:
    told: list[tuple[Node, int]] = []
    source = make(here / "file", b"x" * 100_000)
    work = await asyncio.to_thread(put, [source], "to", lambda *more: told.append(more))
    await work(session, Kept())
    await get(["to"], here, lambda *more: told.append(more))(session, Kept())
    assert all(node == NODE for node, _ in told)
    assert 200_000 <= sum(count for _, count in told) <= 200_100


def test_bad_sources_are_refused_before_anything_runs(tmp_path: Path) -> None:
    make(tmp_path / "a")
    (tmp_path / "b").mkdir()
    make(tmp_path / "b/a")
    os.mkfifo(tmp_path / "pipe")
    for sources, message in (
        ([tmp_path / "nothing"], "cannot read '.*nothing': No such file or directory"),
        ([tmp_path / "pipe"], "neither file nor directory"),
        ([Path("/")], "neither file nor directory"),
        ([tmp_path / "a", tmp_path / "b/a"], "two sources are named 'a'"),
        ([], "files and a destination are needed"),
    ):
        with pytest.raises(UsageError, match=message):
            put(sources, "x")
    for dest in ("", "a\0b"):
        with pytest.raises(UsageError, match="destination"):
            put([tmp_path / "a"], dest)
    (tmp_path / "b/pipe").symlink_to("nothing")
    os.mkfifo(tmp_path / "b/fifo")
    with pytest.raises(ClshError, match=r"cannot copy '.*fifo': neither file, directory nor link"):
        put([tmp_path / "b"], "x")


async def test_the_name_of_dots_is_the_directory_s(
    session: Session, here: Path, there: Path
) -> None:
    make_tree(here / "tree")
    assert await run_put(session, ".", here / "tree/closed/..") == (0, "")
    assert (there / "tree/run").exists()


async def test_a_source_that_shrinks_is_told(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting_module(), "_SMALL", 10)
    source = make(here / "file", b"x" * 1000)
    work = await asyncio.to_thread(put, [source], "to")
    make(source, b"short")
    with pytest.raises(ClshError, match="became shorter while it was read"):
        await work(session, Kept())
    assert names(there) == []


async def test_a_cancelled_copy_leaves_nothing(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(path: Path, size: int) -> object:
        yield b"x" * 1000
        go_on.wait(5)
        yield b"x" * 1000

    source = make(here / "file", b"x" * 2_000_000)
    work = await asyncio.to_thread(put, [source], "to")
    monkeypatch.setattr(archive, "content", slow)
    running = asyncio.create_task(asyncio.wait_for(work(session, Kept()), 10))
    await until(lambda: bool(left_behind(there)))
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not list(there.iterdir()))


async def test_a_lost_node_is_told(here: Path) -> None:
    memory = Memory(faults={"node1": Faults(lose_after_bytes=10)})
    lost = await memory.open(NODE, 1)
    with pytest.raises(NodeLostError):
        await get(["x"], here)(lost, Kept())
    with pytest.raises(NodeLostError):
        await (await asyncio.to_thread(put, [make(here / "f")], "x"))(lost, Kept())


# --- from a node


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_a_file_comes_with_mode_and_time(
    session: Session, here: Path, there: Path, size: int
) -> None:
    data = os.urandom(size)
    make(there / "file", data, 0o751)
    assert await run_get(session, here / "new/folder", "file") == (0, "")
    came = here / "new/folder/node1/file"
    assert came.read_bytes() == data
    assert stat.S_IMODE(came.stat().st_mode) == 0o751
    assert int(came.stat().st_mtime) == 1_000_000_000
    assert not left_behind(here)


async def test_a_directory_comes_whole(session: Session, here: Path, there: Path) -> None:
    source = make_tree(there / "tree")
    os.link(source / "run", source / "same")
    for _ in range(2):  # onto itself as well
        assert await run_get(session, here, "tree/") == (0, "")
        assert picture(here / "node1/tree") == picture(source)
    make(here / "node1/tree/own")
    assert await run_get(session, here, f"{there}/tree") == (0, "")
    assert (here / "node1/tree/own").exists()
    assert (here / "node1/tree/same").samefile(here / "node1/tree/run")
    assert not left_behind(here)


async def test_names_from_a_node_are_only_names(session: Session, here: Path, there: Path) -> None:
    names = (ODD, "-n", "*", " ", "~x")
    for name in names:
        make(there / name, name.encode(errors="surrogateescape"))
    assert await run_get(session, here, *(f"./{name}" for name in names)) == (0, "")
    for name in names:
        assert (here / "node1" / name).read_bytes() == name.encode(errors="surrogateescape")
    make(Path.home() / "file")
    assert await run_get(session, here, "~/file") == (0, "")
    assert (here / "node1/file").exists()


async def test_what_cannot_be_read_is_named_and_the_rest_comes(
    session: Session, here: Path, there: Path
) -> None:
    make(there / "file")
    os.mkfifo(there / "pipe")
    assert await run_get(session, here, "nothing", "pipe", "file") == (
        1,
        "cannot read './nothing': no such file or directory\n"
        "cannot read './pipe': it is neither file nor directory\n",
    )
    assert [p.name for p in (here / "node1").iterdir()] == ["file"]


@pytest.mark.parametrize("source", ["/", "..", "~", "a/..", "~root", "", "a\0b"])
def test_a_source_needs_a_name(source: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name of its own"):
        get([source], tmp_path)


def test_sources_need_names_of_their_own(tmp_path: Path) -> None:
    for sources in ([], ["/a/x", "/b/x"]):
        with pytest.raises(UsageError, match="names of their own are needed"):
            get(sources, tmp_path)


async def test_a_device_is_left_out_and_named(session: Session, here: Path, there: Path) -> None:
    (there / "tree").mkdir()
    os.mkfifo(there / "tree/pipe")
    make(there / "tree/file")
    assert await run_get(session, here, "tree") == (
        1,
        "left out what is neither file nor link: './pipe'\n",
    )
    assert [p.name for p in (here / "node1/tree").iterdir()] == ["file"]


@pytest.mark.parametrize("planted", ["node1", "node1/tree", "node1/tree/sub"])
async def test_a_planted_link_is_not_followed(
    session: Session, here: Path, there: Path, tmp_path: Path, planted: str
) -> None:
    (there / "tree/sub").mkdir(parents=True)
    make(there / "tree/sub/file")
    outside = tmp_path / "outside"
    outside.mkdir()
    link = here / planted
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(ClshError, match=r"cannot write '.*tree': Not a directory"):
        await run_get(session, here, "tree")
    assert not list(outside.iterdir())


async def test_a_link_in_the_place_of_a_file_is_replaced(
    session: Session, here: Path, there: Path, tmp_path: Path
) -> None:
    make(there / "file", b"new")
    (here / "node1").mkdir()
    outside = make(tmp_path / "outside", b"old")
    (here / "node1/file").symlink_to(outside)
    assert await run_get(session, here, "file") == (0, "")
    assert outside.read_bytes() == b"old"
    assert (here / "node1/file").read_bytes() == b"new"


async def test_a_full_disk_is_told_and_leaves_nothing(
    session: Session, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(there / "file", b"x" * 1_000_000)
    (there / "tree").mkdir()
    make(there / "tree/file", b"x" * 1_000_000)

    def full(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(landing.NewFile, "write", full)
    for name in ("file", "tree"):
        with pytest.raises(ClshError, match=f"cannot write '.*{name}': No space left on device"):
            await run_get(session, here, name)
    assert names(here) == ["node1", "tree"]


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come about in time")


def putting_module() -> object:
    """Return the module: the package exports a function of its name."""
    return sys.modules["clsh.remote.copy.put"]
