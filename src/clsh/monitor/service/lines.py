"""Charts out of memory, and spliced with those of the store. Pure.

All lines of a chart have the same steps. They begin at multiples of the step, so that a
chart that moves on with the time does not change its shape.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.monitor.model import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Steps:
    """`count` steps of `step_s` from `start` on."""

    start: float
    step_s: float
    count: int

    def place(self, at: float) -> int:
        """Return the step that a moment is in; before the first or after the last, too."""
        return math.floor((at - self.start) / self.step_s + 1e-9)


def steps(start: float, end: float, points: int, finest_s: float) -> Steps:
    """Return at most `points` steps over a span, each a multiple of `finest_s`."""
    if not end > start or points < 1:
        return Steps(start, finest_s, 0)
    if points == 1:
        return Steps(start, end - start, 1)  # a span over the boundary of any step
    over = _of_step(start, end, (end - start) / points, finest_s)
    if over.count > points:  # it begins a step too early
        over = _of_step(start, end, (end - start) / (points - 1), finest_s)
    return over


def _of_step(start: float, end: float, least_s: float, finest_s: float) -> Steps:
    step_s = max(1, math.ceil(least_s / finest_s - 1e-9)) * finest_s
    first = math.floor(start / step_s + 1e-9) * step_s
    return Steps(first, step_s, math.ceil((end - first) / step_s - 1e-9))


def line(over: Steps, words: Iterable[tuple[float, float]]) -> Line:
    """Return the line of moments and values; NaN and what is outside are left out."""
    sums = array("d", bytes(8 * over.count))
    counts = array("l", bytes(8 * over.count))
    low = array("d", [_NAN]) * over.count
    high = low[:]
    for at, value in words:
        place = over.place(at)
        if not 0 <= place < over.count or value != value:
            continue
        if counts[place]:
            low[place] = min(low[place], value)
            high[place] = max(high[place], value)
        else:
            low[place] = high[place] = value
        sums[place] += value
        counts[place] += 1
    average = array("d", (s / n if n else _NAN for s, n in zip(sums, counts, strict=True)))
    return Line(over.start, over.step_s, average, low, high)


def held(lines: Line) -> Line:
    """Return a line in which a single empty step is as the one before it.

    Words that come about once a second are not exactly one in each second.
    """
    parts = (lines.average, lines.low, lines.high)
    filled = [_held(part) for part in parts]
    return Line(lines.start, lines.step_s, *filled)


def _held(values: Sequence[float]) -> array[float]:
    before = array("d", [_NAN])
    before.extend(values[:-1])
    return array(
        "d",
        (b if math.isnan(v) else v for v, b in zip(values, before, strict=False)),
    )


def overlay(stored: Line, since: float, words: Sequence[tuple[float, float]]) -> Line:
    """Return a line of the store with those steps from memory that memory holds whole.

    `since` is the first moment in memory: ticks that wait to be stored are seen this way.
    """
    over = Steps(stored.start, stored.step_s, len(stored.average))
    fresh = line(over, words)
    begin = max(0, math.ceil((since - over.start) / over.step_s - 1e-9))
    return Line(
        over.start,
        over.step_s,
        stored.average[:begin] + fresh.average[begin:],
        stored.low[:begin] + fresh.low[begin:],
        stored.high[:begin] + fresh.high[begin:],
    )
