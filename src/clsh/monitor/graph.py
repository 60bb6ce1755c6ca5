"""Charts as SVG, drawn on the manager: what is seen at once, and without JavaScript.

Colours come from the page's stylesheet by class, for neither style attributes nor scripts
are allowed there: `g` grid line, `a` area, `b` band of lowest to highest, `l` line, `m`
capacity; `c0` to `c7` tell the curves apart. Texts are escaped here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

    from clsh.monitor.model import Line

WIDTH, HEIGHT = 340, 96
_RIGHT = 44  # room for the numbers of the vertical axis
_TOP, _BASE = 6.0, 80.0
_ROUND = (1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14)),
)

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart; `name` is said in the legend, `filled` paints the area below."""

    line: Line
    name: str = ""
    filled: bool = False
    band: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the curves are drawn into: the time shown, and the axes.

    `top` fixes the upper end (100 for per cent), `base` is 1024 where units grow by that;
    `label` writes a number of the vertical axis, given its upper end too.
    """

    start: float
    end: float
    zone: tzinfo
    label: Callable[[float, float], str]
    title: str
    top: float | None = None
    capacity: float | None = None
    base: int = 1000
    width: int = WIDTH

    @property
    def across(self) -> int:
        """How wide the part is in which the curves are."""
        return self.width - _RIGHT


def chart(curves: Sequence[Curve], frame: Frame) -> str:
    """Return the chart as an SVG element."""
    ends = scale(curves, frame)
    across = frame.across
    parts = [
        f'<svg viewBox="0 0 {frame.width} {HEIGHT}" role="img" aria-label="{escape(frame.title)}">',
        *_vertical_axis(ends, frame.label, across),
        *_time_axis(frame, across),
    ]
    for place, curve in enumerate(curves):
        parts += _curve(curve, frame, ends, place)
    if frame.capacity is not None and ends[0] <= frame.capacity <= ends[1]:
        y = _height(frame.capacity, ends)
        parts.append(f'<path class="m" d="M0,{y:.1f} {across},{y:.1f}"/>')
    parts.append("</svg>")
    return "".join(parts)


def sparkline(line: Line, frame: Frame) -> str:
    """Return the bare shape of a line, from 0 to its highest value."""
    ends = scale([Curve(line)], frame)
    drawn = "".join(_curve(Curve(line, filled=True), frame, ends, 0))
    return (
        f'<svg class="spark" viewBox="0 0 {frame.across} {HEIGHT - 12}" role="img"'
        f' aria-label="{escape(frame.title)}">{drawn}</svg>'
    )


def scale(curves: Sequence[Curve], frame: Frame) -> tuple[float, float]:
    """Return the ends of the vertical axis: 0 is always on it, and so is the capacity."""
    seen = [
        value
        for curve in curves
        for values in ((curve.line.low, curve.line.high) if curve.band else (curve.line.average,))
        for value in values
        if math.isfinite(value)
    ]
    highest = max([*seen, frame.capacity or 0.0, 0.0])
    lowest = min([*seen, 0.0])
    # Half a thousandth over 100 % is how it was counted, not more than there is.
    top = frame.top if frame.top is not None and highest <= frame.top * 1.0005 else None
    if top is None:
        top = round_up(highest, frame.base) if highest > 0 or lowest == 0 else 0.0
    return (-round_up(-lowest, frame.base) if lowest < 0 else 0.0, top)


def round_up(value: float, base: int = 1000) -> float:
    """Return the next number whose half is easily read too; 1 for 0."""
    if value <= 0:
        return 1.0
    unit = 1.0
    if base != 1000:
        unit = float(base) ** max(0, math.floor(math.log(value, base)))
    scaled = value / unit
    decade = 10.0 ** math.floor(math.log10(scaled))
    # Half a thousandth of slack: 0.1 * 3 is not to be rounded up to 0.4.
    step = next(step for step in _ROUND if scaled <= step * decade * 1.0005)
    return step * decade * unit


def time_ticks(start: float, end: float, zone: tzinfo, most: int = 5) -> list[tuple[float, str]]:
    """Return the moments to write below a chart, and their words in the zone given."""
    span = max(end - start, 1.0)
    step = next((step for step in _STEPS if span / step <= most), None)
    if step is None:
        return list(_months(start, end, zone, most))
    words = "%H:%M:%S" if step < _MINUTE else "%H:%M" if step < _DAY else "%m-%d"
    ticks: list[tuple[float, str]] = []
    shift = _offset(start, zone)
    at = math.ceil((start + shift) / step) * step - shift
    while at <= end:
        # The zone's distance may change on the way, by a whole or half hour.
        moment = at - (_offset(at, zone) - shift if step >= _HOUR else 0.0)
        ticks.append((moment, datetime.fromtimestamp(moment, zone).strftime(words)))
        at += step
    return ticks


def _months(start: float, end: float, zone: tzinfo, most: int) -> Iterator[tuple[float, str]]:
    first = datetime.fromtimestamp(start, zone)
    last = datetime.fromtimestamp(end, zone)
    count = (last.year - first.year) * 12 + last.month - first.month
    step = next((step for step in (1, 2, 3, 6) if count / step <= most), -(-count // most))
    for month in range(first.month, first.month + count, step):
        at = datetime(first.year + month // 12, month % 12 + 1, 1, tzinfo=zone)
        if at.timestamp() <= end:
            yield at.timestamp(), at.strftime("%Y-%m")


def _offset(at: float, zone: tzinfo) -> float:
    return (datetime.fromtimestamp(at, zone).utcoffset() or timedelta()).total_seconds()


def _vertical_axis(
    ends: tuple[float, float], label: Callable[[float, float], str], across: int
) -> Iterator[str]:
    low, high = ends
    furthest = max(high, -low)
    for value in (low, (low + high) / 2, high):
        y = _height(value, ends)
        yield f'<path class="g" d="M0,{y:.1f} {across},{y:.1f}"/>'
        yield f'<text x="{across + 5}" y="{y + 4:.1f}">{escape(label(value, furthest))}</text>'


def _time_axis(frame: Frame, across: int) -> Iterator[str]:
    span = max(frame.end - frame.start, 1.0)
    for at, words in time_ticks(frame.start, frame.end, frame.zone, min(5, across // 52)):
        x = (at - frame.start) / span * across
        if 14 <= x <= across - 14:  # a word at the very end would be cut
            yield f'<text x="{x:.0f}" y="95" text-anchor="middle">{words}</text>'


def _curve(curve: Curve, frame: Frame, ends: tuple[float, float], place: int) -> Iterator[str]:
    line, colour = curve.line, f"c{place % 8}"
    stretches = list(_stretches(line, line.average, frame, ends))
    if curve.filled:
        floor = _height(max(ends[0], 0.0), ends)
        area = "".join(_below(points, floor) for points in stretches)
        yield f'<path class="a {colour}" d="{area}"/>'
    if curve.band:
        lows = _stretches(line, line.low, frame, ends)
        highs = _stretches(line, line.high, frame, ends)
        band = "".join(
            _path([*low, *reversed(high)]) + "Z" for low, high in zip(lows, highs, strict=False)
        )
        yield f'<path class="b {colour}" d="{band}"/>'
    yield f'<path class="l {colour}" d="{"".join(map(_path, stretches))}"/>'


def _stretches(
    line: Line, values: Sequence[float], frame: Frame, ends: tuple[float, float]
) -> Iterator[Points]:
    """Yield the points between the gaps."""
    across = frame.across / max(frame.end - frame.start, 1.0)
    left = (line.start + line.step_s / 2 - frame.start) * across
    points: Points = []
    for place, value in enumerate(values):
        if math.isfinite(value):
            x = min(max(left + place * line.step_s * across, 0.0), float(frame.across))
            points.append((x, _height(value, ends)))
        elif points:
            yield points
            points = []
    if points:
        yield points


def _path(points: Points) -> str:
    if len(points) == 1:  # a lone value is a dot: a line of no length, with round ends
        points = points * 2
    return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _below(points: Points, floor: float) -> str:
    return _path([(points[0][0], floor), *points, (points[-1][0], floor)]) + "Z"


def _height(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return _BASE - (value - low) / ((high - low) or 1.0) * (_BASE - _TOP)
