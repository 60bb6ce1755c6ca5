"""How lines fold into the ones that a chart shows."""

from __future__ import annotations

import math
from array import array

from clsh.monitor.model import Line
from clsh.web.pages.figures.charts import busy, less, mean


def a_line(*values: float) -> Line:
    low, high = (array("d", (value + by for value in values)) for by in (-1, 1))
    return Line(0, 15, array("d", values), low, high)


def test_what_is_not_idle_is_busy_and_never_less_than_nothing() -> None:
    line = busy([a_line(60.0, 100.00002, math.nan)])
    assert list(line.average)[:2] == [40.0, 0.0]
    assert math.isnan(line.average[2])
    assert (line.low[0], line.high[0]) == (39.0, 41.0)


def test_the_mean_of_nobody_is_a_gap() -> None:
    line = mean([a_line(120.0, 5.0), a_line(2.0, 0.0)])
    assert line.average[0] == 60.0
    assert math.isnan(line.average[1])


def test_what_is_used_is_the_total_less_what_is_free() -> None:
    line = less([a_line(16.0), a_line(4.0), a_line(2.0)])
    assert list(line.average) == [10.0]
    assert line.low[0] <= line.average[0] <= line.high[0]
