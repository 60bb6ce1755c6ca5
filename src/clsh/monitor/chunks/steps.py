"""Which resolution answers a question, and the equal steps of the lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from clsh.monitor.chunks.cells import fold, joined, nothing, to_floats
from clsh.monitor.model import Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.chunks.cells import Cells


class Steps(NamedTuple):
    """Equal steps in milliseconds; `first` is a multiple of the slots that they are made of."""

    first: int
    step: int
    points: int

    @property
    def end(self) -> int:
        """Where the last step ends."""
        return self.first + self.step * self.points


def steps(start: float, end: float, points: int, unit_ms: int, least_ms: int) -> Steps:
    """Return at most `points` steps over a span, each a multiple of `unit_ms`.

    They begin at a multiple of themselves, so that a chart that moves on does not flicker.
    """
    begin, until = math.floor(start * 1000), math.ceil(end * 1000)
    span = until - begin
    if span <= 0 or points < 1:
        return Steps(begin // unit_ms * unit_ms, unit_ms, 0)
    if points == 1:
        begin = begin // unit_ms * unit_ms
        return Steps(begin, _up(until - begin, unit_ms), 1)
    step = _up(max(-(-span // points), least_ms), unit_ms)
    if -(-(until - begin // step * step) // step) > points:  # it begins a step too early
        step = _up(max(-(-span // (points - 1)), least_ms), unit_ms)
    first = begin // step * step
    return Steps(first, step, -(-(until - first) // step))


def carried(rows: Mapping[int, bytes], over: Steps, interval_ms: int) -> list[tuple[int, bytes]]:
    """Return rows with the step that each is in, by their moment in milliseconds.

    A tick that comes a little early or late leaves no gap: a step without one takes the row
    before it, if that holds in the middle of the step, as each holds for one interval.
    """
    found = [
        ((ms - over.first) // over.step, row)
        for ms, row in sorted(rows.items())
        if over.first <= ms < over.end
    ]
    if over.step >= 2 * interval_ms:
        return found
    filled = {step for step, _ in found}
    for ms, row in rows.items():
        after = (ms - over.first) // over.step + 1
        middle = over.first + after * over.step + over.step // 2
        if 0 <= after < over.points and after not in filled and middle < ms + interval_ms:
            found.append((after, row))
    return found


def line(cells: Cells, over: Steps, factor: int = 1) -> Line:
    """Return the line of cells, `factor` of which make a step; those that lack are gaps."""
    lacking = over.points * factor - cells.lanes
    if lacking > 0:
        cells = joined([cells, nothing(lacking)])
    if factor > 1 and over.points:
        cells = fold(cells.every(factor))
    return Line(over.first / 1000, over.step / 1000, *to_floats(cells))


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
