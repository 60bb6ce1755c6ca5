from __future__ import annotations

import asyncio
import threading
import time

import pytest

from clsh.base.lane import Lane


async def test_calls_are_made_in_their_order_in_one_thread() -> None:
    lane = Lane("a-lane")
    made: list[tuple[int, str]] = []

    def call(number: int) -> int:
        made.append((number, threading.current_thread().name))
        return number * 2

    found = await asyncio.gather(*(lane.call(lambda n=n: call(n)) for n in range(5)))  # type: ignore[misc]  # a default
    lane.end()
    assert found == [0, 2, 4, 6, 8]
    assert made == [(number, "a-lane") for number in range(5)]


async def test_an_exception_is_raised_where_it_is_waited_for() -> None:
    lane = Lane("a-lane")

    def fail() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await lane.call(fail)
    assert await lane.call(lambda: 1) == 1
    lane.end()


async def test_a_cancel_does_not_wait_and_leaves_out_what_has_not_begun() -> None:
    lane, go = Lane("a-lane"), threading.Event()
    made: list[int] = []
    hanging = asyncio.create_task(lane.call(lambda: made.append(1) if go.wait(5) else None))
    waiting = asyncio.create_task(lane.call(lambda: made.append(2)))
    await asyncio.sleep(0.02)
    for task in (hanging, waiting):
        task.cancel()
    began = time.monotonic()
    await asyncio.wait({hanging, waiting})
    assert time.monotonic() - began < 2
    go.set()
    await lane.call(lambda: made.append(3))
    lane.end()
    assert made == [1, 3]


def test_what_comes_back_when_the_loop_is_over_is_left() -> None:
    go, done = threading.Event(), threading.Event()
    lane = Lane("a-lane")

    def late() -> None:
        go.wait(5)

    async def ask() -> None:
        task = asyncio.create_task(lane.call(late))
        await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(ask())
    go.set()

    async def again() -> None:
        await lane.call(done.set)

    asyncio.run(again())
    lane.end()
    assert done.is_set()
