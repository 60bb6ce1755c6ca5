"""Random ticks in any order: what is read is what a naive model makes of them."""

from __future__ import annotations

import math
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.monitor.model import Layout, Line, Series
from clsh.monitor.stores.sqlite import build
from tests.support.stores import NAN, context, tick

HOUR = 3600
START = 500_000 * HOUR
NAMES = [Series("c", "n", f"m{i}") for i in range(3)]
VALUE = st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32), st.just(1e39))
SECONDS = st.one_of(
    st.integers(0, 30 * 240).map(lambda tick: tick * 15.0),
    st.integers(0, 30 * HOUR * 1000).map(lambda ms: ms / 1000),
)
TICK = st.tuples(
    SECONDS, st.lists(st.tuples(st.sampled_from(NAMES), VALUE), unique_by=lambda p: p[0])
)
RESOLUTIONS = {60: (60,), 600: (60, 600), 3600: (60, 600, 3600)}

Model = dict[int, dict[Series, float]]
Point = tuple[float, float, float]


def single(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return NAN


def reduced(points: dict[int, Point], width: int) -> dict[int, Point]:
    """Points by their second, joined over `width` seconds."""
    of: dict[int, list[Point]] = {}
    for at, point in points.items():
        of.setdefault(at // width * width, []).append(point)
    return {
        at: (
            sum(point[0] for point in some) / len(some),
            min(point[1] for point in some),
            max(point[2] for point in some),
        )
        for at, some in of.items()
    }


def expected(model: Model, name: Series, slots: tuple[int, ...], line: Line) -> list[Point | None]:
    heard = {
        ms: (values[name],) * 3
        for ms, values in sorted(model.items())
        if not math.isnan(values.get(name, NAN))
    }
    points: dict[int, Point] = heard
    for slot in slots:
        points = reduced(points, slot * 1000)
    first, step = round(line.start * 1000), round(line.step_s * 1000)
    inside = {
        ms - first: p for ms, p in points.items() if first <= ms < first + step * len(line.low)
    }
    steps = reduced(inside, step)
    return [steps.get(i * step) for i in range(len(line.low))]


def same(line: Line, wanted: list[Point | None]) -> None:
    for place, point in enumerate(wanted):
        found = line.average[place], line.low[place], line.high[place]
        if point is None:
            assert all(map(math.isnan, found)), (place, found)
            continue
        scale = max(map(abs, point))
        assert found == pytest.approx(point, abs=scale * 2**-14 + 1e-40)
        assert found[1] <= point[1]
        assert found[2] >= point[2]


@settings(max_examples=25, deadline=None)
@given(st.lists(TICK, max_size=40), st.booleans())
def test_what_is_read_is_what_was_told(
    ticks: list[tuple[float, list[tuple[Series, float]]]], reopen: bool
) -> None:
    model: Model = {}
    with tempfile.TemporaryDirectory() as folder:
        store = build(context(Path(folder)))
        for at, values in ticks:
            of = Layout(tuple(name for name, _ in values))
            store.append(tick(START + at, of, [value for _, value in values]))
            model[round((START + at) * 1000)] = {name: single(value) for name, value in values}
        if reopen:
            store.close()
            store = build(context(Path(folder)))
        end = START + 31 * HOUR
        for width, slots in RESOLUTIONS.items():
            lines = store.range(NAMES, START, end, 31 * HOUR // width)
            for name, line in zip(NAMES, lines, strict=True):
                assert line.step_s == width
                same(line, expected(model, name, slots, line))
        lines = store.range(NAMES, START + 7, START + 2 * HOUR, 240)
        for name, line in zip(NAMES, lines, strict=True):
            assert line.step_s in {30, 45}
            same(line, expected(model, name, (), line))
        store.close()
