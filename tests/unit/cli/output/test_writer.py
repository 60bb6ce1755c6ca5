from __future__ import annotations

import asyncio
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from clsh.cli.output.writer import HIGH, Target, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


def nothing(_: Target) -> None:
    return


def drain(fd: int, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        got += os.read(fd, 65536)
    return bytes(got)


async def test_a_reader_that_does_not_read_blocks_nothing_but_the_thread(
    pipe: tuple[int, int],
) -> None:
    writer, target = Writer(nothing), Target("pipe", pipe[1])
    total = 0
    while (room := writer.put(target, b"x" * 65536)) is None:
        total += 65536
        assert total <= HIGH
    assert not room.done()
    assert await writer.aclose(0.05) is False  # it stands in the write
    total += 65536
    assert len(await asyncio.to_thread(drain, pipe[0], total)) == total
    await room
    assert await writer.aclose(5) is True


async def test_flush_waits_until_all_is_written(tmp_path: Path) -> None:
    writer = Writer(nothing)
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    for number in range(1000):
        writer.put(Target("file", fd), b"%d\n" % number)
    await writer.flush()
    assert (tmp_path / "file").read_text() == "".join(f"{n}\n" for n in range(1000))
    assert await writer.aclose()
    os.close(fd)


async def test_targets_keep_their_order_among_each_other(pipe: tuple[int, int]) -> None:
    writer = Writer(nothing)
    one, other = Target("stdout", pipe[1]), Target("stderr", os.dup(pipe[1]))
    for number in range(500):
        writer.put((one, other)[number % 3 == 0], b"%03d\n" % number)
    await writer.flush()
    got = os.read(pipe[0], 65536)
    assert got == b"".join(b"%03d\n" % number for number in range(500))
    await writer.aclose()
    os.close(other.fd)


async def test_a_failure_is_told_once_and_ends_that_target_alone(tmp_path: Path) -> None:
    failed: list[str] = []
    writer = Writer(lambda target: failed.append(target.name))
    full = Target("full", os.open("/dev/full", os.O_WRONLY))
    fine = Target("fine", os.open(tmp_path / "fine", os.O_WRONLY | os.O_CREAT))
    for _ in range(3):
        writer.put(full, b"lost")
        writer.put(fine, b"kept")
        await writer.flush()
    await asyncio.sleep(0)
    assert failed == ["full"]
    assert full.error
    assert full.error.strerror == "No space left on device"
    assert (tmp_path / "fine").read_bytes() == b"kept" * 3
    await writer.aclose()
    os.close(full.fd)
    os.close(fine.fd)


async def test_a_target_is_opened_by_the_first_byte_and_closed_by_finish(tmp_path: Path) -> None:
    writer = Writer(nothing)
    opened: list[int] = []

    def opens() -> int:
        opened.append(os.open(tmp_path / "late", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        return opened[-1]

    target = Target("late", opens=opens)
    writer.finish(target)
    await writer.flush()
    assert opened == []
    writer.put(target, b"one")
    writer.put(target, b"two")
    writer.finish(target)
    await writer.aclose()
    assert (tmp_path / "late").read_bytes() == b"onetwo"
    assert len(opened) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


async def test_a_pipe_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETFL, os.O_NONBLOCK)
    failed: list[Target] = []
    writer, target = Writer(failed.append), Target("pipe", pipe[1])
    writer.put(target, b"x" * 300_000)
    got = await asyncio.to_thread(drain, pipe[0], 300_000)
    assert got == b"x" * 300_000
    assert not failed
    await writer.aclose()


async def test_output_stands_above_the_status_line(pipe: tuple[int, int]) -> None:
    writer, target = Writer(nothing, status_fd=pipe[1]), Target("terminal", pipe[1])
    writer.status(b"1/2 done")
    await asyncio.sleep(0.05)
    writer.put(target, b"node1: x\n")
    await writer.flush()
    await asyncio.sleep(0.05)
    writer.status(b"1/2 done")  # nothing new: nothing is written
    await writer.aclose()
    assert os.read(pipe[0], 1000) == (b"\r\x1b[K1/2 done\r\x1b[Knode1: x\n\r\x1b[K1/2 done\r\x1b[K")


async def test_a_status_line_is_nothing_without_a_terminal(pipe: tuple[int, int]) -> None:
    writer = Writer(nothing)
    writer.status(b"1/2 done")
    writer.put(Target("pipe", pipe[1]), b"x")
    await writer.aclose()
    assert os.read(pipe[0], 1000) == b"x"
