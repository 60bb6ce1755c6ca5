"""What every store promises, asked of each."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Layout, Series
from tests.contract.stores.conftest import HOUR, START, Kept
from tests.support.stores import NAN, layout, tick

if TYPE_CHECKING:
    from array import array

LOAD, CPU = Series("can", "n1", "load_one"), Series("can", "n1", "cpu_user")
TWO = Layout((LOAD, CPU))


def gaps(values: array[float]) -> list[bool]:
    return [math.isnan(value) for value in values]


def test_what_is_stored_is_read(kept: Kept) -> None:
    kept.append(*(tick(START + i * 15, TWO, [i, -i]) for i in range(8)))
    load, cpu = kept.lines([LOAD, CPU], START, START + 120)
    assert (load.start, load.step_s) == (START, 15)
    assert list(load.average) == list(load.low) == list(load.high) == list(range(8))
    assert list(cpu.average) == [-i for i in range(8)]


def test_lines_come_in_the_order_asked_and_over_the_same_steps(kept: Kept) -> None:
    of = layout(70)
    kept.append(tick(START, of, range(70)))
    asked = [of.series[65], of.series[3], Series("can", "n9", "no"), of.series[3], of.series[40]]
    lines = kept.lines(asked, START, START + 600)
    assert [line.average[0] for line in lines if line is not lines[2]] == [65, 3, 3, 40]
    assert all(gaps(lines[2].average))
    assert len({(line.start, line.step_s, len(line.average)) for line in lines}) == 1


def test_no_store_no_line_too_many(kept: Kept) -> None:
    assert kept.lines([], START, START + 60) == []
    (line,) = kept.lines([LOAD], START, START + 60)
    assert gaps(line.average) == [True] * 4


@pytest.mark.parametrize("points", [1, 2, 7, 100])
def test_there_are_at_most_as_many_steps_as_asked(kept: Kept, points: int) -> None:
    kept.append(*(tick(START + i * 15, TWO, float(i)) for i in range(40)))
    for start, end in ((START + 7, START + 595), (START - 100, START + 1), (START, START + HOUR)):
        (line,) = kept.lines([LOAD], start, end, points)
        assert len(line.average) == len(line.low) == len(line.high) <= points
        assert line.start <= start
        assert line.start + line.step_s * len(line.average) >= end


def test_a_step_has_the_mean_and_the_real_low_and_high(kept: Kept) -> None:
    kept.append(*(tick(START + i * 15, TWO, float(i % 4)) for i in range(40)))
    (line,) = kept.lines([LOAD], START, START + 600, 10)
    assert line.step_s == 60
    assert list(line.average) == pytest.approx([1.5] * 10)
    assert (list(line.low), list(line.high)) == ([0] * 10, [3] * 10)


def test_no_span_is_no_step(kept: Kept) -> None:
    kept.append(tick(START, TWO, 1))
    for start, end, points in ((START + 60, START, 10), (START, START, 10), (START, START + 60, 0)):
        (line,) = kept.lines([LOAD], start, end, points)
        assert len(line.average) == 0


def test_gaps_stay_gaps(kept: Kept) -> None:
    kept.append(*(tick(START + i * 15, TWO, [i, NAN if i < 6 else 1]) for i in (0, 1, 5, 6)))
    load, cpu = kept.lines([LOAD, CPU], START, START + 120)
    assert gaps(load.average) == [False, False, True, True, True, False, False, True]
    assert gaps(cpu.average) == gaps(cpu.low) == gaps(cpu.high)
    assert gaps(cpu.high) == [True] * 6 + [False, True]


def test_what_is_not_finite_is_a_gap(kept: Kept) -> None:
    kept.append(tick(START, TWO, [math.inf, 2.0]), tick(START + 15, TWO, [1.0, -math.inf]))
    load, cpu = kept.lines([LOAD, CPU], START, START + 30)
    assert (gaps(load.average), gaps(cpu.average)) == ([True, False], [False, True])


def test_the_same_moment_twice_counts_once(kept: Kept) -> None:
    kept.append(tick(START, TWO, 4), tick(START + 15, TWO, 8), tick(START + 15, TWO, 8))
    (line,) = kept.lines([LOAD], START, START + 60, 1)
    assert line.average[0] == 6


def test_of_the_same_moment_the_later_counts(kept: Kept) -> None:
    if kept.kind == "victoriametrics":
        return  # which of both it keeps is its own choice
    kept.append(tick(START, TWO, 4), tick(START, TWO, 100), tick(START, TWO, 8))
    (line,) = kept.lines([LOAD], START, START + 15)
    assert (line.average[0], line.low[0], line.high[0]) == (8, 8, 8)


def test_a_late_tick_goes_into_its_place(kept: Kept) -> None:
    later = (tick(START + 5 * HOUR + i * 15, TWO, 5) for i in range(4))
    kept.append(*later, tick(START + 15, TWO, 2), tick(START, TWO, 1))
    (line,) = kept.lines([LOAD], START, START + 60)
    assert list(line.average)[:2] == [1, 2]
    (line,) = kept.lines([LOAD], START + 5 * HOUR, START + 5 * HOUR + 60)
    assert list(line.average) == [5] * 4


def test_a_clock_set_forward_a_day_and_back_loses_nothing(kept: Kept) -> None:
    moments = [START + i * 60 for i in range(180)]
    wrong = [START + 86400 + i * 60 for i in range(180, 190)]
    moments += [START + i * 60 for i in range(190, 400)]
    for at in moments[:180] + wrong + moments[180:]:
        kept.append(tick(at, TWO, at - START))
    (line,) = kept.lines([LOAD], START, START + 400 * 60, 500)
    heard = dict(zip(itertools.count(START, 60), gaps(line.average), strict=False))
    assert line.step_s == 60
    assert [at for at, gap in heard.items() if not gap] == moments
    (line,) = kept.lines([LOAD], wrong[0], wrong[-1] + 60, 10)
    assert list(line.low) == [at - START for at in wrong]


def test_series_come_and_go(kept: Kept) -> None:
    first, second = layout(3), Layout((Series("can", "new", "m"), *layout(5).series[1:]))
    kept.append(tick(START, first, [0, 1, 2]), tick(START + 15, second, [9, 10, 20, 3, 4]))
    kept.append(tick(START + 30, first, [7, 8, 9]))
    names = [first.series[0], first.series[1], second.series[0], second.series[4]]
    lines = kept.lines(names, START, START + 45)
    shown = [[None if math.isnan(v) else v for v in line.average] for line in lines]
    assert shown == [[0, None, 7], [1, 10, 8], [None, 9, None], [None, 4, None]]
    kept.settle()
    assert set(kept.store.known()) == {*first.series, *second.series}


def test_sums_are_series_too(kept: Kept) -> None:
    names = (Series("", "", "nodes.up"), Series("can", "", "load_one.num"), LOAD)
    kept.append(tick(START, Layout(names), [3, 4, 5]))
    assert [line.average[0] for line in kept.lines(names, START, START + 15)] == [3, 4, 5]


@pytest.mark.parametrize(
    "word", ['a"b', "a\\b", "a\nb", "a}b{", "<b>&'", "한국", "x:2e.y", "a|b.*"]
)
def test_hostile_names_stay_names(kept: Kept, word: str) -> None:
    hostile = Series(word, word, word)
    names = (hostile, Series(word, "n", "m"), Series("c", word, "m"), Series("c", "n", word))
    kept.append(tick(START, Layout(names), [1, 2, 3, 4]))
    assert [line.average[0] for line in kept.lines(names, START, START + 15)] == [1, 2, 3, 4]
    assert set(kept.store.known()) == set(names)


def test_the_newest_tick_is_known(kept: Kept) -> None:
    kept.settle()
    assert kept.store.latest() is None
    for i in range(3):
        kept.append(tick(START + i * 15, TWO, [i, -i]))
    kept.settle()
    newest = kept.store.latest()
    assert newest is not None
    assert newest.at == START + 30
    assert dict(zip(newest.layout.series, newest.values, strict=True)) == {LOAD: 2, CPU: -2}


def test_what_is_stored_is_there_after_a_restart(kept: Kept) -> None:
    if kept.kind == "memory":
        return
    for i in range(300):
        kept.append(tick(START + i * 15, TWO, [i, -i]))
    kept.reopen()
    kept.append(tick(START + 300 * 15, TWO, [300, -300]))
    load, cpu = kept.lines([LOAD, CPU], START, START + 301 * 15, 301)
    assert list(load.average) == list(range(301))
    assert list(cpu.average) == [-i for i in range(301)]
    newest = kept.store.latest()
    assert newest is not None
    assert newest.values[newest.layout.index[LOAD]] == 300


def test_the_sum_of_a_long_range_is_that_of_its_ticks(kept: Kept) -> None:
    for i in range(240 * 3):
        kept.append(tick(START + i * 15, TWO, [i % 100, 1]))
    (line,) = kept.lines([LOAD], START, START + 3 * HOUR, 18)
    assert line.step_s == 600
    for step in range(18):
        values = [i % 100 for i in range(step * 40, step * 40 + 40)]
        assert line.average[step] == pytest.approx(sum(values) / 40, rel=1e-4)
        assert (line.low[step], line.high[step]) == (min(values), max(values))


def test_a_store_without_trouble_says_nothing(kept: Kept) -> None:
    kept.append(tick(START, TWO, 1))
    assert kept.store.trouble() == ""
    assert kept.store.size() >= 0
