from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from clsh.monitor.pace import Pace
from tests.support.clocks import hastily


def moments(pace: Pace, count: int, begin_s: float = 0.0) -> list[float]:
    async def main() -> list[float]:
        await asyncio.sleep(begin_s)
        found: list[float] = []
        for _ in range(count):
            await pace.wait()
            found.append(asyncio.get_running_loop().time())
        return found

    return hastily(main())


def test_a_node_has_its_own_moment_of_each_interval() -> None:
    pace = Pace("c", "n1", 15)
    first, second, third = moments(pace, 3)
    assert [second - first, third - second] == pytest.approx([15, 15])
    assert first % 15 == pytest.approx(pace.share * 15)


@pytest.mark.parametrize("begin_s", [0, 1, 4, 7, 11, 14.9])
def test_it_is_a_quarter_of_the_interval_away_at_least(begin_s: float) -> None:
    for number in range(20):
        (first,) = moments(Pace("c", f"n{number}", 15), 1, begin_s)
        assert 3.75 - 1e-6 <= first - begin_s <= 18.75 + 1e-6


def test_moments_are_spread_over_the_interval() -> None:
    seconds = Counter(int(Pace("c", f"node{number}", 15).share * 15) for number in range(1000))
    assert len(seconds) == 15
    assert max(seconds.values()) < 2 * 1000 / 15


def test_who_is_hurried_has_a_moment_each_second_at_once() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        pace = Pace("c", "n1", 15)
        loop.call_later(0.5, pace.hurry, True)
        loop.call_later(10.5, pace.hurry, False)
        found: list[float] = []
        while loop.time() < 60:
            await pace.wait()
            found.append(loop.time())
        return found

    found = hastily(main())
    hurried = [at for at in found if at < 10.5]
    assert 9 <= len(hurried) <= 11
    assert all(b - a == pytest.approx(1) for a, b in pairwise(hurried))
    assert len(found) - len(hurried) in {3, 4}


def test_no_hurry_is_slower_than_the_usual_interval() -> None:
    pace = Pace("c", "n1", 0.5)
    pace.hurry(True)
    first, second = moments(pace, 2)
    assert second - first == pytest.approx(0.5)


def test_after_the_end_nobody_waits_until_it_begins_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pace = Pace("c", "n1", 15)
        loop.call_later(1, pace.end)
        await pace.wait()
        assert loop.time() == pytest.approx(1)
        await pace.wait()
        assert loop.time() == pytest.approx(1)
        pace.begin()
        await pace.wait()
        assert loop.time() > 4

    hastily(main())
