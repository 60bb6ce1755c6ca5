"""Each node reads the whole input, as soon as it is there, whatever the others do."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import threading
import time
from contextlib import asynccontextmanager, suppress
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.remote.stdin_spool import MEMORY, PIECE, Reader, StdinSpool, chained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("error")


@asynccontextmanager
async def piped(
    *names: str, together: bool = True, limit: int = 1 << 30
) -> AsyncIterator[tuple[StdinSpool, FileIO]]:
    """A spool that reads a pipe, and the pipe's other end."""
    read, write = os.pipe()
    pipe = FileIO(write, "wb")
    try:
        async with StdinSpool(read, names, together=together, limit=limit) as spool:
            yield spool, pipe
    finally:
        os.close(read)
        pipe.close()


def pour(pipe: FileIO, data: bytes) -> None:
    """Write from another thread, as another process would, and close."""

    def body() -> None:
        with suppress(BrokenPipeError, ValueError), pipe:  # the test may end first
            rest = memoryview(data)
            while rest:
                rest = rest[pipe.write(rest) :]

    threading.Thread(target=body, daemon=True).start()


async def drain(reader: Reader, pause_s: float = 0.0) -> bytes:
    got = bytearray()
    async for data in reader:
        got += data
        if pause_s:
            await asyncio.sleep(pause_s)
    return bytes(got)


async def test_every_node_gets_all_of_it() -> None:
    data = os.urandom(3 * PIECE + 12345)
    async with piped("a", "b", "c") as (spool, write):
        pour(write, data)
        got = await asyncio.gather(*(drain(spool.reader(name)) for name in "abc"))
        assert got == [data] * 3


async def test_the_first_byte_comes_before_the_end() -> None:
    async with piped("a", "b") as (spool, write):
        readers = [spool.reader("a"), spool.reader("b")]
        for word in (b"one", b"two"):
            write.write(word)
            assert [await anext(reader) for reader in readers] == [word, word]
        write.close()
        assert [await drain(reader) for reader in readers] == [b"", b""]


async def test_a_node_that_starts_late_gets_all_of_it_from_the_disk() -> None:
    data = os.urandom(8 * MEMORY + 1)
    async with piped("a", "late", together=False) as (spool, write):
        pour(write, data)
        assert await drain(spool.reader("a")) == data
        spool.done("a")
        assert spool._store._in_memory * PIECE < MEMORY
        assert await drain(spool.reader("late")) == data


async def test_what_all_have_read_is_not_kept() -> None:
    async with piped("a", "b", "unreachable") as (spool, write):
        spool.done("unreachable")
        pour(write, bytes(64 * PIECE))
        await asyncio.gather(drain(spool.reader("a")), drain(spool.reader("b")))
        assert len(spool._store._pieces) <= 4
        assert spool._store._fd is None


async def test_the_ring_holds_what_the_slow_node_needs() -> None:
    """With room for 8 pieces the fast node waits for the slow one; nothing is mixed up."""
    data = os.urandom(40 * PIECE + 77)
    async with piped("fast", "slow", limit=8 * PIECE) as (spool, write):
        pour(write, data)
        slow, fast = spool.reader("slow"), spool.reader("fast")
        doing = asyncio.create_task(drain(fast))
        for _ in range(10):
            await asyncio.sleep(0.02)
            assert len(spool._store._pieces) <= 8
        assert not doing.done()
        assert await drain(slow, 0.001) == data
        assert await doing == data


async def test_a_dead_node_does_not_hold_up_an_endless_input_for_ever() -> None:
    async with piped("a", "dead", limit=8 * PIECE) as (spool, write):
        pour(write, bytes(20 * PIECE))
        spool.reader("dead")
        doing = asyncio.create_task(drain(spool.reader("a")))
        await asyncio.sleep(0.1)
        assert not doing.done()
        spool.done("dead")
        assert len(await doing) == 20 * PIECE


async def test_an_input_too_long_for_those_who_come_later_is_an_error() -> None:
    async with piped("a", "later", together=False, limit=8 * PIECE) as (spool, write):
        pour(write, bytes(20 * PIECE))
        with pytest.raises(ClshError, match="too long to be kept"):
            await drain(spool.reader("a"))


async def test_those_who_connect_slowly_are_waited_for() -> None:
    async with piped("a", "slow", limit=8 * PIECE) as (spool, write):
        pour(write, bytes(20 * PIECE))
        doing = asyncio.create_task(drain(spool.reader("a")))
        await asyncio.sleep(0.1)
        assert not doing.done()
        late = spool.reader("slow")
        assert len(await drain(late)) == len(await doing) == 20 * PIECE


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on a file's size stands for the disk's: both end a write half way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    async with piped("a", "later", together=False) as (spool, write):
        pour(write, bytes(20 * PIECE))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * PIECE + 100, before[1]))
        try:
            with pytest.raises(ClshError, match="could not be kept: File too large") as caught:
                await drain(spool.reader("a"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "TMPDIR" in caught.value.hint
        assert os.listdir(tmp_path) == ["home"], "the file has no name"  # noqa: PTH208 - hidden ones too


async def test_a_shared_input_stays_as_it_is() -> None:
    async with piped("a") as (spool, write):
        doing = asyncio.create_task(drain(spool.reader("a")))
        await asyncio.sleep(0.05)
        assert not fcntl.fcntl(spool._source._fd, fcntl.F_GETFL) & os.O_NONBLOCK
        write.close()
        assert await doing == b""


async def test_a_regular_file(tmp_path: Path) -> None:
    file = tmp_path / "input"
    data = os.urandom(2 * PIECE + 5)
    file.write_bytes(data)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        async with StdinSpool(descriptor, ["a"], together=True) as spool:
            assert await drain(spool.reader("a")) == data
    finally:
        os.close(descriptor)


async def test_an_input_that_cannot_be_read(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        async with StdinSpool(descriptor, ["a", "b"], together=True) as spool:
            for name in "ab":
                with pytest.raises(IsADirectoryError):
                    await drain(spool.reader(name))
    finally:
        os.close(descriptor)


async def test_nothing_is_read_before_a_node_starts() -> None:
    async with piped("a") as (spool, write):
        write.write(b"for another program")
        await asyncio.sleep(0.05)
        spool.done("a")
        read = spool._source._fd
        assert os.read(read, 100) == b"for another program"


async def test_leaving_does_not_wait_for_an_input_that_never_comes() -> None:
    began = time.monotonic()
    async with piped("a") as (spool, _):
        doing = asyncio.create_task(drain(spool.reader("a")))
        await asyncio.sleep(0.05)
        thread = spool._source._thread
        doing.cancel()
    assert thread is not None
    await asyncio.to_thread(thread.join, 1)
    assert not thread.is_alive()
    assert time.monotonic() - began < 5


async def test_small_writes_do_not_cost_memory() -> None:
    async with piped("a", "slow") as (spool, write):
        spool.reader("slow")
        reader = spool.reader("a")
        for _ in range(1000):
            write.write(b"x")
            await anext(reader)
        assert len(spool._store._pieces) == 0
        assert len(spool._store._tail) == 1000


async def test_a_reader_of_an_ended_node_ends() -> None:
    async with piped("a", "b") as (spool, write):
        pour(write, bytes(20 * PIECE))
        late = spool.reader("a")
        spool.done("a")
        assert len(await drain(spool.reader("b"))) == 20 * PIECE
        assert await drain(late) == b""


async def test_chained() -> None:
    async with piped("a") as (spool, write):
        pour(write, b"second")
        assert [x async for x in chained(b"first", spool.reader("a"))] == [b"first", b"second"]
    assert [x async for x in chained(b"only", None)] == [b"only"]
