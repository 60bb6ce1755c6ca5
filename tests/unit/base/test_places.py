"""No more begin at the same time than there are places, and the slow hold up nobody."""

from __future__ import annotations

import asyncio

import pytest

from clsh.base import places
from clsh.base.places import Places


async def test_no_more_begin_than_there_are_places() -> None:
    some, inside, most = Places(3), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with some.one():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(50)))
    assert most == 3


async def test_a_slow_one_lends_its_place_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_LEND_S", 0.01)
    one = Places(1)
    async with one.one(), asyncio.timeout(30), one.one():
        await asyncio.sleep(0.05)
    monkeypatch.setattr(places, "_LEND_S", 60.0)
    async with one.one():
        other = asyncio.create_task(one.one().__aenter__())
        await asyncio.wait([other], timeout=0.05)
        assert not other.done()  # both have given back one place, not two
        other.cancel()
        await asyncio.wait([other])


async def test_one_that_fails_gives_its_place_back() -> None:
    one = Places(1)
    with pytest.raises(ValueError, match="x"):
        async with one.one():
            raise ValueError("x")
    async with asyncio.timeout(30), one.one():
        pass
