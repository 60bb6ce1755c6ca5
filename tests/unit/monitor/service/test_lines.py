from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.monitor.chunks.steps import steps as steps_of_stores
from clsh.monitor.model import Line
from clsh.monitor.service import lines

NAN = math.nan


def plain(values: array[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def test_the_steps_of_an_hour() -> None:
    over = lines.steps(3600, 7200, 240, 15)
    assert over == lines.Steps(3600, 15, 240)
    assert lines.steps(3607, 7207, 240, 15) == lines.Steps(3600, 30, 121)


@pytest.mark.parametrize(("start", "end", "points"), [(5, 5, 10), (6, 5, 10), (0, 10, 0)])
def test_no_span_has_no_steps(start: float, end: float, points: int) -> None:
    assert lines.steps(start, end, points, 15).count == 0
    assert lines.line(lines.steps(start, end, points, 15), [(5, 1.0)]).average == array("d")


@settings(deadline=None)
@given(
    st.integers(0, 2_000_000_000),
    st.integers(1, 40_000_000),
    st.integers(1, 2000),
    st.sampled_from([1, 5, 15, 60]),
)
def test_steps_cover_the_span_and_are_those_of_stores(
    start: int, span: int, points: int, finest: int
) -> None:
    over = lines.steps(start, start + span, points, finest)
    assert 1 <= over.count <= points
    assert over.start <= start
    assert over.start + over.step_s * over.count >= start + span
    if points > 1:
        theirs = steps_of_stores(start, start + span, points, finest * 1000, finest * 1000)
        assert (theirs.first, theirs.step, theirs.points) == (
            over.start * 1000, over.step_s * 1000, over.count,
        )  # fmt: skip


def test_a_line_has_average_low_and_high_of_each_step() -> None:
    over = lines.Steps(100, 30, 3)
    words = [(85, 9.0), (100, 1.0), (115, 3.0), (130, NAN), (160, 5.0), (190, 9.0)]
    line = lines.line(over, words)
    assert (line.start, line.step_s) == (100, 30)
    assert plain(line.average) == [2.0, None, 5.0]
    assert plain(line.low) == [1.0, None, 5.0]
    assert plain(line.high) == [3.0, None, 5.0]


def test_a_single_empty_step_is_held_and_longer_gaps_stay() -> None:
    values = array("d", [NAN, 1, NAN, 2, NAN, NAN, 3])
    held = lines.held(Line(0, 1, values, values, values))
    assert plain(held.average) == [None, 1, 1, 2, 2, None, 3]
    assert plain(held.low) == plain(held.high) == plain(held.average)


def test_memory_takes_the_steps_that_it_holds_whole() -> None:
    old = array("d", [1, 2, 3, 4])
    stored = Line(0, 30, old, old, old)
    words = [(45, 20.0), (60, 30.0), (75, 32.0), (90, 40.0)]
    line = lines.overlay(stored, 45, words)
    assert plain(line.average) == [1, 2, 31, 40]
    assert plain(line.low) == [1, 2, 30, 40]
    assert plain(line.high) == [1, 2, 32, 40]
    assert plain(lines.overlay(stored, -10, words).average) == [None, 20, 31, 40]
    assert plain(lines.overlay(stored, 500, words).average) == [1, 2, 3, 4]
