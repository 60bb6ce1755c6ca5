from __future__ import annotations

import asyncio
import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.remote.gather import Gather

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.remote.gather import Spool


async def content(spool: Spool) -> bytes:
    return b"".join([chunk async for chunk in spool.chunks()])


async def write(spool: Spool, data: bytes) -> None:
    wait = spool.write(data)
    if wait is not None:
        await wait


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=40)), max_size=60), st.booleans())
def test_what_goes_in_comes_out_whether_in_memory_or_not(
    writes: list[tuple[int, bytes]], waits: bool
) -> None:
    async def main() -> None:
        gather = Gather(memory=100)
        spools = [gather.spool() for _ in range(3)]
        for index, data in writes:
            if waits:
                await write(spools[index], data)
            else:
                spools[index].write(data)
        for index, spool in enumerate(spools):
            whole = b"".join(data for at, data in writes if at == index)
            assert await content(spool) == whole
            assert spool.size == len(whole)
            assert spool.is_whole
        gather.close()
        gather.close()

    asyncio.run(main())


async def test_equal_outputs_have_equal_keys_however_they_came() -> None:
    gather = Gather()
    one, other, third = gather.spool(), gather.spool(), gather.spool()
    one.write(b"ab")
    one.write(b"c")
    other.write(b"abc")
    third.write(b"abd")
    assert one.key == other.key != third.key


async def test_output_beyond_the_limit_is_counted_and_still_told_apart() -> None:
    gather = Gather(memory=10, first=4, spool=20, total=30)
    one, other, third = gather.spool(), gather.spool(), gather.spool()
    await write(one, b"x" * 50)
    await write(other, b"y" * 15)
    await write(third, b"z" * 15)
    assert (one.kept, one.size, one.is_whole) == (20, 50, False)
    assert await content(one) == b"x" * 20
    assert (other.kept, other.size) == (10, 15)
    assert await content(third) == b"z" * 4  # each keeps its first bytes
    await write(one, b"more")
    assert await content(one) == b"x" * 20
    assert one.size == 54
    like = gather.spool()
    await write(like, b"x" * 50 + b"less")
    assert like.key != one.key
    gather.close()


async def test_memory_is_bounded_by_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    gather = Gather(memory=1000)
    spools = [gather.spool() for _ in range(10)]
    for number in range(100):
        for index, spool in enumerate(spools):
            await write(spool, b"%d %d\n" % (index, number))
        assert sum(len(spool._memory) for spool in spools) <= 1000
    assert await content(spools[3]) == b"".join(b"3 %d\n" % number for number in range(100))
    assert await asyncio.to_thread(lambda: list(place.iterdir())) == []
    gather.close()


async def test_a_full_disk_only_keeps_less(monkeypatch: pytest.MonkeyPatch) -> None:
    gather = Gather(memory=10)
    spool, other = gather.spool(), gather.spool()
    await write(spool, b"x" * 20)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    wait = spool.write(b"y" * 20)
    spool.write(b"z")  # what comes meanwhile must not follow upon a gap
    assert wait
    await wait
    await write(spool, b"z")
    await write(other, b"z")
    assert await content(spool) == b"x" * 20
    assert (spool.size, spool.kept) == (42, 20)
    assert not spool.is_whole
    assert not other.is_whole
    gather.close()


async def test_a_cancel_of_one_who_waits_loses_nothing() -> None:
    gather = Gather(memory=10)
    spool = gather.spool()
    wait = spool.write(b"x" * 20)
    assert wait
    waiter = asyncio.ensure_future(wait)
    await asyncio.sleep(0)
    waiter.cancel()
    assert await content(spool) == b"x" * 20
    gather.close()


async def test_a_chunk_is_small_however_much_there_is() -> None:
    gather = Gather(memory=2**20)
    spool = gather.spool()
    await write(spool, b"x" * (3 * 2**20))
    await write(spool, b"y" * (2**19 + 1))
    sizes = [len(chunk) async for chunk in spool.chunks()]
    assert max(sizes) <= 256 * 1024
    assert sum(sizes) == 3 * 2**20 + 2**19 + 1
    gather.close()
