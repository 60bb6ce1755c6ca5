"""Charts as SVG: scales, ticks, gaps, bands; a whole one compared with the kept file."""

from __future__ import annotations

import math
import re
from array import array
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from clsh.monitor.graph import Curve, Frame, chart, round_up, scale, sparkline, time_ticks
from clsh.monitor.model import Line

KEPT = Path(__file__).parents[2] / "data/pages/chart.svg"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def a_line(values: list[float], step_s: float = 60.0, spread: float = 1.0) -> Line:
    average = array("d", values)
    low = array("d", (value / spread for value in values))
    high = array("d", (value * spread for value in values))
    return Line(NOON, step_s, average, low, high)


def a_frame(end: float = NOON + 600, **more: object) -> Frame:
    given = {"zone": UTC, "label": "{:g}".format, "title": "Load", **more}
    return Frame(NOON, end, **given)  # type: ignore[arg-type]  # as the tests name them


def paths(svg: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="{kind}[^"]*" d="([^"]*)"', svg)


def test_a_chart_is_as_it_was() -> None:
    waves = [2 + math.sin(place / 3) for place in range(12)]
    waves[5] = math.nan
    curves = [Curve(a_line(waves, 50, 1.1), "in", True, True), Curve(a_line([1.0] * 12, 50), "out")]
    svg = chart(curves, a_frame(capacity=4.0))
    assert svg + "\n" == KEPT.read_text(encoding="utf-8")
    ET.fromstring(svg)  # well-formed


def test_a_gap_parts_the_line_and_a_lone_value_is_a_dot() -> None:
    svg = chart([Curve(a_line([1, 2, math.nan, 3, math.nan]), filled=True)], a_frame())
    (line,) = paths(svg, "l")
    assert line.count("M") == 2
    dot = line.split("M")[2].split(" ")
    assert dot[0] == dot[1]
    (area,) = paths(svg, "a")
    assert area.count("Z") == 2


def test_the_band_goes_there_on_the_low_and_back_on_the_high_side() -> None:
    svg = chart([Curve(a_line([2.0, 2.0], spread=2), band=True)], a_frame())
    (band,) = paths(svg, "b")
    heights = [float(pair.split(",")[1]) for pair in band.strip("MZ").split(" ")]
    assert heights[0] == heights[1] > heights[2] == heights[3]
    assert (
        "b"
        not in chart([Curve(a_line([2.0, 2.0]))], a_frame())
        .replace("tabindex", "")
        .split('class="')[1][:1]
    )


def test_capacity_is_a_line_and_within_the_scale() -> None:
    frame = a_frame(capacity=64.0)
    curves = [Curve(a_line([0.3]))]
    assert scale(curves, frame) == (0.0, 80.0)
    assert len(paths(chart(curves, frame), "m")) == 1
    assert paths(chart(curves, a_frame()), "m") == []


def test_a_fixed_top_gives_way_to_what_was_seen() -> None:
    frame = a_frame(top=100.0)
    assert scale([Curve(a_line([30.0]))], frame) == (0.0, 100.0)
    assert scale([Curve(a_line([130.0]))], frame) == (0.0, 160.0)


def test_values_below_zero_have_their_own_end() -> None:
    assert scale([Curve(a_line([-3.0, 7.0]))], a_frame()) == (-3.0, 8.0)
    assert scale([Curve(a_line([-3.0]))], a_frame()) == (-3.0, 0.0)


def test_without_values_there_is_a_frame_and_no_line() -> None:
    svg = chart([Curve(a_line([math.nan] * 4), filled=True, band=True)], a_frame())
    assert [paths(svg, kind) for kind in ("l", "a", "b")] == [[""], [""], [""]]
    assert svg.count("<text") == 3 + svg.count('text-anchor="middle"')


@pytest.mark.parametrize(
    ("value", "base", "top"),
    [
        (0, 1000, 1), (1, 1000, 1), (1.01, 1000, 1.2), (3.2, 1000, 4), (0.3, 1000, 0.3),
        (4064, 1000, 5000), (99, 1000, 100), (15.6 * 2**30, 1024, 16 * 2**30),
        (1023, 1024, 1200), (0.5, 1024, 0.5),
    ],
)  # fmt: skip
def test_the_top_is_a_number_whose_half_is_easily_read(value: float, base: int, top: float) -> None:
    assert round_up(value, base) == pytest.approx(top)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60, ["12:00:00", "12:00:15", "12:00:30", "12:00:45", "12:01:00"]),
        (3600, ["12:00", "12:15", "12:30", "12:45", "13:00"]),
        (86400, ["12:00", "18:00", "00:00", "06:00", "12:00"]),
        (7 * 86400, ["03-02", "03-04", "03-06", "03-08"]),
        (366 * 86400, ["2026-04", "2026-07", "2026-10", "2027-01"]),
        (10 * 366 * 86400, ["2026-04", "2028-04", "2030-04", "2032-04", "2034-04"]),
    ],
)
def test_the_times_below_fit_the_range(seconds: int, words: list[str]) -> None:
    assert [text for _, text in time_ticks(NOON, NOON + seconds, UTC)] == words


def test_the_times_below_are_round_where_people_live() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    ticks = time_ticks(NOON, NOON + 86400, zone)
    assert [text for _, text in ticks] == ["18:00", "00:00", "06:00", "12:00"]
    assert ticks[0][0] - NOON == 1800


def test_the_night_in_which_the_clock_changes_does_not_shift_the_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=zone).timestamp()
    assert [text for _, text in time_ticks(start, start + 86400, zone)] == [
        "12:00", "18:00", "00:00", "06:00", "12:00",
    ]  # fmt: skip


def test_texts_stay_texts() -> None:
    frame = a_frame(title='<script>"&', label=lambda *_: "<b>")
    for svg in (chart([Curve(a_line([1.0]))], frame), sparkline(a_line([1.0]), frame)):
        root = ET.fromstring(svg)
        assert root.get("aria-label") == '<script>"&'
        assert {child.tag for child in root} <= {"path", "text"}


def test_a_sparkline_is_only_its_line_and_what_is_below() -> None:
    root = ET.fromstring(sparkline(a_line([1, 2, 3]), a_frame()))
    assert [child.get("class") for child in root] == ["a c0", "l c0"]


def test_a_narrow_chart_has_as_large_words_and_fewer_of_them() -> None:
    wide, narrow = (
        ET.fromstring(chart([Curve(a_line([1.0] * 60))], a_frame(NOON + 3600, width=width)))
        for width in (340, 216)
    )
    assert narrow.get("viewBox") == "0 0 216 96"
    furthest = [
        float(x)
        for path in narrow.iter("path")
        for x in re.findall(r"([\d.]+),", path.get("d", ""))
    ]
    assert max(furthest) == 172
    assert len(narrow.findall("text")) < len(wide.findall("text"))


@pytest.mark.parametrize(("seen", "top"), [(99.0, 100.0), (100.00002, 100.0), (104.0, 120.0)])
def test_a_fixed_top_holds_but_for_what_is_over_it(seen: float, top: float) -> None:
    assert scale([Curve(a_line([seen]))], a_frame(top=100.0)) == (0.0, top)
