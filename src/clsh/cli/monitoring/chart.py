"""A stretch of one metric as characters: the average as a line, lowest to highest as a band. Pure.

In Unicode the line is of braille dots (2 x 4 in each place) and the band is shaded; in ASCII
they are `*` and `:`. Where nothing was heard the chart is empty.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.cli.monitoring.table import width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # from the top, left and right
_BRAILLE = 0x2800
_ROUND = (1.0, 2.0, 4.0, 8.0, 10.0)  # quarters of these are round as well
_APART = 3  # lines from one label of the vertical axis to the next, at least
_DAY, _YEAR = 86400, 365 * 86400

Points = list[float | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Equal steps from `start` to `end`, Unix seconds; None where nothing was heard."""

    start: float
    end: float
    average: Points
    low: Points
    high: Points


def columns(places: int, *, ascii_only: bool) -> int:
    """Return how many steps a chart of so many places can show."""
    return max(1, places - 12) * (1 if ascii_only else 2)


def draw(
    stretch: Stretch,
    size: tuple[int, int],
    label: Callable[[float], str],
    *,
    ascii_only: bool = False,
    step: int = 1000,
) -> list[str]:
    """Return the chart in `size` places and lines, axes included; `step` as units grow (1024).

    Without any value there are no lines.
    """
    known = [v for points in (stretch.low, stretch.high) for v in points if v is not None]
    if not known:
        return []
    places, lines = size
    rows = max(2, lines - 2)
    bottom, top, tick = scale(min(known), max(known), step)
    labels = {at: label(value) for at, value in _labelled(rows, bottom, top, tick).items()}
    margin = max(map(width, labels.values()))
    across = max(1, places - margin - 2)
    plot = _Plot(across, rows, bottom, top, dots=1 if ascii_only else 2)
    plot.fill(stretch)
    edge = "|" if ascii_only else "\N{BOX DRAWINGS LIGHT VERTICAL AND LEFT}"
    bare = "|" if ascii_only else "\N{BOX DRAWINGS LIGHT VERTICAL}"
    shown = [
        f"{' ' * (margin - width(labels.get(at, '')))}{labels.get(at, '')} "
        f"{edge if at in labels else bare}{line}".rstrip()
        for at, line in enumerate(plot.lines(ascii_only=ascii_only))
    ]
    corner = "+" if ascii_only else "\N{BOX DRAWINGS LIGHT UP AND RIGHT}"
    rule = "-" if ascii_only else "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
    shown.append(f"{' ' * margin} {corner}{rule * across}")
    shown.append(f"{' ' * (margin + 2)}{_times(stretch.start, stretch.end, across)}".rstrip())
    return shown


def scale(low: float, high: float, step: int = 1000) -> tuple[float, float, float]:
    """Return round ends of a vertical axis that holds both, and the step of its labels.

    0 is in it unless far away.
    """
    if low >= 0 and (low < 0.75 * high or high == 0):
        low = 0.0
    span = high - low
    if span <= max(abs(low), abs(high)) * 1e-9 or span < 1e-300:
        span = abs(low) * 0.1 if abs(low) > 1e-9 else 0.1
        high = low + span
    unit = 1.0
    while step == 1024 and unit * 1024 <= span:
        unit *= 1024
    power = unit * 10.0 ** math.floor(math.log10(span / unit))
    tick = next((power * one / 4 for one in _ROUND if power * one >= span), power * 5)
    bottom, top = math.floor(low / tick) * tick, math.ceil(high / tick) * tick
    return min(low, bottom), max(high, top), tick


def _labelled(rows: int, bottom: float, top: float, tick: float) -> dict[int, float]:
    """Return the values of the labels by line: the ends, and between what has room."""
    count = max(1, round((top - bottom) / tick))
    every = next(
        (n for n in range(1, count) if count % n == 0 and (rows - 1) * n >= _APART * count), count
    )
    first = round(bottom / tick)  # so that 0 is exactly that
    return {
        round((rows - 1) * (1 - n / count)): (first + n) * tick for n in range(0, count + 1, every)
    }


class _Plot:
    """The places of a chart: dots of the line, and which places the band covers."""

    def __init__(self, across: int, rows: int, bottom: float, top: float, dots: int) -> None:
        self._rows = rows
        self._bottom, self._top = bottom, top
        self._dots_across = dots
        self._dots_down = 4 if dots == 2 else 1
        self._wide = across * dots
        self._cells = [[0] * across for _ in range(rows)]
        self._band = [[False] * across for _ in range(rows)]

    def fill(self, stretch: Stretch) -> None:
        steps = len(stretch.average)
        before: int | None = None
        for x in range(self._wide):
            at = min(steps - 1, x * steps // self._wide)
            average, low, high = stretch.average[at], stretch.low[at], stretch.high[at]
            if average is None:
                before = None
                continue
            y = self._y(average)
            self._mark(x, y, before)
            before = y
            top, bottom = (self._y(average if v is None else v) for v in (high, low))
            for row in range(top // self._dots_down, bottom // self._dots_down + 1):
                self._band[row][x // self._dots_across] |= top != bottom

    def lines(self, *, ascii_only: bool) -> list[str]:
        line, band = ("*", ":") if ascii_only else ("", "\N{LIGHT SHADE}")
        return [
            "".join(
                (line or chr(_BRAILLE + cell)) if cell else band if shaded else " "
                for cell, shaded in zip(cells, shades, strict=True)
            )
            for cells, shades in zip(self._cells, self._band, strict=True)
        ]

    def _y(self, value: float) -> int:
        last = self._rows * self._dots_down - 1
        return round(last * (self._top - value) / (self._top - self._bottom))

    def _mark(self, x: int, y: int, before: int | None) -> None:
        """Set the dot, and those between it and the one before, so that the line is whole."""
        near = y if before is None else before + (y > before) - (y < before)
        for dot in range(min(y, near), max(y, near) + 1):
            row, inner = divmod(dot, self._dots_down)
            mark = _DOTS[inner][x % 2] if self._dots_across == 2 else 1
            self._cells[row][x // self._dots_across] |= mark


def _times(start: float, end: float, across: int) -> str:
    """Return the times below the chart: at its ends, and between where there is room."""
    span = end - start
    form = "%H:%M:%S" if span < 600 else "%H:%M" if span <= _DAY else "%m-%d %H:%M"
    form = "%Y-%m-%d" if span >= _YEAR / 4 else form
    count = max(2, min(6, across // 20 + 1))
    line = ""
    for at in range(count):
        text = time.strftime(form, time.localtime(start + span * at / (count - 1)))
        centre = round((across - 1) * at / (count - 1))
        begin = max(0, min(centre - len(text) // 2, across - len(text)))
        if begin >= len(line) + (2 if line else 0):
            line = line.ljust(begin) + text
    return line


def summary(points: Sequence[float | None]) -> tuple[float, float] | None:
    """Return the last value and the average of those that are known, None without any."""
    known = [value for value in points if value is not None]
    return (known[-1], sum(known) / len(known)) if known else None
