from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.cli.output.out_files import OutFiles

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.remote.transport import Stream


async def made(paths: dict[Stream, str], nodes: list[str], *, append: bool = False) -> OutFiles:
    """Make them as the command does: where opening a file may block."""
    return await asyncio.to_thread(OutFiles, paths, nodes, append=append)


async def write(files: OutFiles, node: str, stdout: bytes = b"", stderr: bytes = b"") -> None:
    if stdout:
        sink = files.sink(node, "stdout")
        sink.write(stdout)
        sink.end()
    if stderr:
        sink = files.sink(node, "stderr")
        sink.write(stderr)
        sink.end()
    await files.flush()


async def test_a_directory_has_one_file_a_node_byte_for_byte(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    files = await made({"stdout": f"{folder}/", "stderr": f"{folder}/"}, ["n1", "fe80::1%eth0"])
    data = bytes(range(256)) + b"no newline"
    await write(files, "n1", data, b"error")
    await write(files, "fe80::1%eth0", b"six\n")
    await files.aclose()
    assert (folder / "n1.out").read_bytes() == data
    assert (folder / "n1.err").read_bytes() == b"error"
    assert (folder / "fe80::1%eth0.out").read_bytes() == b"six\n"


async def test_a_node_that_wrote_nothing_leaves_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "n1.out").write_text("of yesterday")
    files = await made({"stdout": str(tmp_path)}, ["n1"])
    await files.aclose()
    assert (tmp_path / "n1.out").read_bytes() == b""
    assert not (tmp_path / "n1.err").exists()
    assert files.takes("stdout")
    assert not files.takes("stderr")


async def test_append_adds(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        for path in (str(tmp_path), str(tmp_path / "all")):
            files = await made({"stdout": path}, ["n1"], append=True)
            await write(files, "n1", text)
            await files.aclose()
    assert (tmp_path / "n1.out").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "all").read_bytes() == b"n1: one\nn1: two\n"


async def test_one_file_has_labelled_lines_of_both_streams(tmp_path: Path) -> None:
    path = str(tmp_path / "all")
    (tmp_path / "all").write_text("of yesterday")
    files = await made({"stdout": path, "stderr": path}, ["n1", "n2"])
    await write(files, "n1", b"a\nb", b"wrong\n")
    await write(files, "n2", b"c\n")
    await files.aclose()
    assert (tmp_path / "all").read_bytes() == b"n1: a\nn1: b\nn1: wrong\nn2: c\n"


async def test_a_planted_link_is_not_followed_and_fails_its_node_alone(tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "n1.out").symlink_to(treasure)
    os.mkfifo(folder / "n2.out")
    (folder / "n3.out").mkdir()
    files = await made({"stdout": str(folder)}, ["n1", "n2", "n3", "n4"])
    problems = {name: str(files.problem(name) or "") for name in ("n1", "n2", "n3", "n4")}
    assert problems["n1"].endswith("n1.out': it is a link")
    assert "n2.out" in problems["n2"]
    assert problems["n3"].endswith("Is a directory")
    assert problems["n4"] == ""
    with pytest.raises(ClshError, match="it is a link"):
        files.sink("n1", "stdout").write(b"x")
    await files.aclose()
    assert treasure.read_text() == "mine"


async def test_a_link_planted_during_the_run_is_not_followed_either(tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.write_text("mine")
    folder = tmp_path / "run"
    files = await made({"stdout": f"{folder}/"}, ["n1"])
    (folder / "n1.out").unlink()
    (folder / "n1.out").symlink_to(treasure)
    await write(files, "n1", b"x")
    assert files.problem("n1")
    await files.aclose()
    assert treasure.read_text() == "mine"


async def test_something_that_became_a_pipe_with_a_reader_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "n1.out")
    reader = os.open(tmp_path / "n1.out", os.O_RDONLY | os.O_NONBLOCK)
    files = await made({"stdout": str(tmp_path)}, ["n1"])
    assert str(files.problem("n1")).endswith("it is not a plain file")
    await files.aclose()
    os.close(reader)


@pytest.mark.parametrize("where", ["/dev/full", "/proc/nowhere/", "/dev/null/x"])
async def test_a_path_that_cannot_be_used(where: str) -> None:
    if where == "/dev/full":
        files = await made({"stdout": where}, ["n1"])
        sink = files.sink("n1", "stdout")
        sink.write(b"half")
        assert files.problem("n1") is None  # a line waits for its end
        sink.end()
        await files.flush()
        assert str(files.problem("n1")) == "cannot write '/dev/full': No space left on device"
        with pytest.raises(ClshError, match="No space"):
            sink.write(b"more\n")
        sink.end()
        await files.aclose()
        return
    with pytest.raises(ClshError, match="cannot write to") as caught:
        await made({"stdout": where}, ["n1"])
    assert caught.value.hint


async def test_writing_gives_back_pressure(tmp_path: Path) -> None:
    files = await made({"stdout": str(tmp_path)}, ["n1"])
    sink = files.sink("n1", "stdout")
    waits = [sink.write(b"x" * 2**20) for _ in range(30)]
    found = [wait for wait in waits if wait is not None]
    assert found
    await asyncio.gather(*found)
    sink.end()
    await files.aclose()
    assert (tmp_path / "n1.out").stat().st_size == 30 * 2**20
