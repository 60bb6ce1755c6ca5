"""Charts of a page: which series they take, how their lines fold, as SVG and as data.

The same lines are drawn on the manager as SVG and handed to the browser, which makes the
chart one that can be zoomed: what is computed here is computed once.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from clsh.monitor import graph
from clsh.monitor.model import Line, Series
from clsh.web.pages.words import base, quantity, short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

POINTS = 120  # of a chart drawn here: one for each three of its pixels
_NARROW = 216
FINE_POINTS = 300  # of one drawn by the browser


@dataclass(frozen=True, slots=True)
class Want:
    """A curve: its name in the legend, and the series that `fold` makes into one line."""

    name: str
    series: tuple[Series, ...]
    fold: Callable[[Sequence[Line]], Line]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: `key` is its name within the page, `now` the values at this moment.

    `name` is that of the metric, where the title says it otherwise.
    """

    key: str
    title: str
    units: str
    wants: tuple[Want, ...]
    now: tuple[float | None, ...] = ()
    of: str = ""
    capacity: float | None = None
    top: float | None = None
    link: str = ""
    name: str = ""
    spark: bool = False
    narrow: bool = False  # one of many in a row: its words keep their size
    shared: bool = False  # its scale is that of all others of the page that share it

    @property
    def said(self) -> tuple[str, str]:
        """The current values with one unit, and that unit."""
        written = [
            ("-", "") if value is None else quantity(value, self.units) for value in self.now
        ]
        units = {unit for _, unit in written if unit}
        if len(units) > 1:
            return ", ".join(" ".join(pair) for pair in written), ""
        return ", ".join(text for text, _ in written), next(iter(units), "")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its lines."""

    chart: Chart
    curves: tuple[graph.Curve, ...]
    svg: Markup


def plain(lines: Sequence[Line]) -> Line:
    """Return the first line."""
    return lines[0]


def mean(lines: Sequence[Line]) -> Line:
    """Return the mean from a line of sums and one of how many are in it."""
    sums, counts = lines

    def by(values: array[float]) -> array[float]:
        pairs = zip(values, counts.average, strict=True)
        return array("d", (value / count if count > 0 else math.nan for value, count in pairs))

    return Line(sums.start, sums.step_s, by(sums.average), by(sums.low), by(sums.high))


def busy(lines: Sequence[Line]) -> Line:
    """Return what is left of 100 % by idleness, of one node or as a mean of several."""
    idle = lines[0] if len(lines) == 1 else mean(lines)

    def left(values: array[float]) -> array[float]:
        return array(
            "d", (value if math.isnan(value) else max(0.0, 100 - value) for value in values)
        )

    return Line(idle.start, idle.step_s, left(idle.average), left(idle.high), left(idle.low))


def less(lines: Sequence[Line]) -> Line:
    """Return the first line less all others: what is used, from total and free."""
    total, *others = lines

    def left(which: Callable[[Line], array[float]]) -> array[float]:
        rows = zip(total.average, *(which(line) for line in others), strict=True)
        return array("d", (row[0] - sum(row[1:]) for row in rows))

    return Line(
        total.start,
        total.step_s,
        left(lambda line: line.average),
        left(lambda line: line.high),
        left(lambda line: line.low),
    )


async def lines(
    monitor: Monitor, asked: Asked, wants: Sequence[Want], points: int = POINTS
) -> list[Line]:
    """Return a line for each of the curves, in one question to the store."""
    series = [series for want in wants for series in want.series]
    if not series:
        return []
    found = iter(await monitor.range(series, asked.span.start, asked.span.end, points))
    return [want.fold([next(found) for _ in want.series]) for want in wants]


async def curves(
    monitor: Monitor, asked: Asked, charts: Sequence[Chart], points: int = POINTS
) -> list[tuple[graph.Curve, ...]]:
    """Return the curves of all charts, read in one question."""
    read = iter(
        await lines(monitor, asked, [want for chart in charts for want in chart.wants], points)
    )
    return [
        tuple(
            graph.Curve(
                next(read),
                want.name,
                # Where there are several lines, areas and bands would hide one another.
                filled=place == 0 and len(chart.wants) <= 2,
                band=asked.span.banded and len(chart.wants) <= 2,
            )
            for place, want in enumerate(chart.wants)
        )
        for chart in charts
    ]


async def draw(monitor: Monitor, asked: Asked, charts: Sequence[Chart]) -> list[Drawn]:
    """Return the charts drawn as SVG, in their order."""
    read = await curves(monitor, asked, charts)
    return [
        Drawn(chart, lines_, _svg(asked, chart, lines_))
        for chart, lines_ in _scaled_alike(charts, read)
    ]


def _scaled_alike(
    charts: Sequence[Chart], read: Sequence[tuple[graph.Curve, ...]]
) -> list[tuple[Chart, tuple[graph.Curve, ...]]]:
    """Return the charts with their lines; those that share a scale with the top of all."""
    highest = max(
        (
            value
            for chart, lines_ in zip(charts, read, strict=True)
            if chart.shared
            for curve in lines_
            for value in curve.line.high
            if math.isfinite(value)
        ),
        default=0.0,
    )
    return [
        (
            replace(chart, top=graph.round_up(highest, base(chart.units)))
            if chart.shared and chart.top is None
            else chart,
            lines_,
        )
        for chart, lines_ in zip(charts, read, strict=True)
    ]


def _svg(asked: Asked, chart: Chart, lines_: Sequence[graph.Curve]) -> Markup:
    frame = _frame(asked, chart)
    text = graph.sparkline(lines_[0].line, frame) if chart.spark else graph.chart(lines_, frame)
    return Markup(text)  # noqa: S704 - graph escapes what it is given


async def data(
    monitor: Monitor, asked: Asked, charts: Sequence[Chart], since: float | None
) -> dict[str, object]:
    """Return the charts as JSON for the browser; with `since` only the steps after it."""
    shown = [chart for chart in charts if not chart.spark]
    read = await curves(monitor, asked, shown, FINE_POINTS)
    return {
        chart.key: _chart_data(chart, lines_, since) for chart, lines_ in _scaled_alike(shown, read)
    }


def _chart_data(
    chart: Chart, lines_: Sequence[graph.Curve], since: float | None
) -> Mapping[str, object]:
    first = lines_[0].line
    # The step that was the last is sent again: it was not complete.
    skip = 0 if since is None else int((since - first.start) // first.step_s)
    skip = min(max(skip, 0), len(first.average))
    text, unit = chart.said
    shown: dict[str, object] = {
        "start": round(first.start + skip * first.step_s, 3),
        "step": first.step_s,
        "now": text,
        "unit": unit,
        "curves": [
            [_figures(curve.line.average[skip:])]
            + ([_figures(curve.line.low[skip:]), _figures(curve.line.high[skip:])] * curve.band)
            for curve in lines_
        ],
    }
    if since is None:
        shown |= {
            "units": chart.units,
            "base": base(chart.units),
            "top": chart.top,
            "names": [want.name for want in chart.wants],
        }
    return shown | {"capacity": chart.capacity}


def _figures(values: array[float]) -> list[float | None]:
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]


def _frame(asked: Asked, chart: Chart) -> graph.Frame:
    text, unit = chart.said
    return graph.Frame(
        asked.span.start,
        asked.span.end,
        asked.words.zone,
        lambda value, top: short(value, chart.units, top),
        f"{chart.title}: {text} {unit}".strip(),
        chart.top,
        chart.capacity,
        base(chart.units),
        _NARROW if chart.narrow else graph.WIDTH,
    )
