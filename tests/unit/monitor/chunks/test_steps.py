from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.monitor.chunks.cells import from_values
from clsh.monitor.chunks.steps import Steps, carried, line, steps


@settings(deadline=None)
@given(
    st.floats(0, 2e9),
    st.floats(0.001, 4e7),
    st.integers(1, 3000),
    st.sampled_from([1, 1000, 15_000, 60_000, 600_000, 3_600_000]),
    st.integers(1, 100_000),
)
def test_steps_cover_the_span_and_are_not_too_many(
    start: float, span: float, points: int, unit: int, least: int
) -> None:
    over = steps(start, start + span, points, unit, least)
    assert 0 < over.points <= points
    assert over.first <= start * 1000
    assert over.end >= (start + span) * 1000
    assert over.step % unit == over.first % unit == 0
    assert points == 1 or (over.step >= least and over.first % over.step == 0)


def test_few_steps_of_a_long_span_are_found_at_once() -> None:
    """Not by trying one after the other: here that took two minutes."""
    over = steps(1742940353.7, 1742940353.7 + 39287531.4, 2, 1, 113)
    assert over.points == 2
    assert over.end >= (1742940353.7 + 39287531.4) * 1000


def test_a_chart_that_moves_on_keeps_its_steps() -> None:
    one, other = steps(1000, 87_400, 480, 60_000, 1), steps(1015, 87_415, 480, 60_000, 1)
    assert one == other


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 14_990, 30_010, 45_000], [0, 0, 1, 2, 3]),
        ([0, 15_000, 45_000], [0, 1, 3]),
        ([-500, 29_000], [0, 1, 2]),
        ([-8000, 61_000], []),
    ],
)
def test_a_tick_a_little_early_leaves_no_gap(times: list[int], expected: list[int]) -> None:
    over = Steps(0, 15_000, 4)
    rows = {ms: str(ms).encode() for ms in times}
    assert sorted(step for step, _ in carried(rows, over, 15_000)) == expected


def test_wide_steps_carry_nothing() -> None:
    assert carried({29_000: b"", 95_000: b""}, Steps(0, 30_000, 4), 15_000) == [(0, b""), (3, b"")]


def test_a_line_of_cells_that_lack_the_end() -> None:
    cells = from_values(array("f", [1, 3, 5]).tobytes())
    found = line(cells, Steps(60_000, 2000, 3), 2)
    assert (found.start, found.step_s) == (60, 2)
    assert list(found.average)[:2] == [2, 5]
    assert (list(found.low)[:2], list(found.high)[:2]) == ([1, 5], [3, 5])
    assert math.isnan(found.average[2])
