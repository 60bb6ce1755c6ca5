"""Charts made of characters."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.cli.monitoring.chart import Stretch, columns, draw, scale, summary
from clsh.cli.monitoring.table import width

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def stretch(
    average: list[float | None],
    low: list[float | None] | None = None,
    high: list[float | None] | None = None,
    span: float = 3600,
) -> Stretch:
    return Stretch(0, span, average, low or average, high or average)


def label(value: float) -> str:
    return f"{value:g}"


def test_a_rising_line_in_ascii() -> None:
    rising: list[float | None] = [float(n) for n in range(9)]
    assert draw(stretch(rising), (24, 7), label, ascii_only=True) == [
        "8 |                 ****",
        "  |              ***",
        "  |       *******",
        "  |     **",
        "0 |*****",
        "  +---------------------",
        "   00:00           01:00",
    ]


def test_the_band_is_around_the_line_and_gaps_are_empty() -> None:
    average = [5.0, 5.0, None, 5.0]
    lines = draw(
        stretch(average, [1.0, 1.0, None, 5.0], [9.0, 9.0, None, 5.0]),
        (8, 7),
        label,
        ascii_only=True,
    )
    body = [line.split("|", 1)[1].ljust(4) for line in lines[:5]]
    assert [row[0] for row in body] == [":", ":", "*", ":", ":"]
    assert [row[2] for row in body] == [" "] * 5
    assert [row[3] for row in body] == [" ", " ", "*", " ", " "]


def test_a_line_of_dots_in_a_shaded_band() -> None:
    values: list[float | None] = [50.0] * 6
    assert draw(stretch(values, [0.0] * 6, [100.0] * 6), (9, 5), label) == [
        "100 ┤░░░░",
        "    │⠤⠤⠤⠤",
        "  0 ┤░░░░",
        "    └────",
        "     00:00",
    ]


def test_nothing_known_is_no_chart() -> None:
    assert draw(stretch([None, None]), (80, 10), label) == []
    assert summary([None]) is None
    assert summary([None, 1.0, 3.0, None]) == (3.0, 2.0)


@pytest.mark.parametrize("ascii_only", [True, False])
@given(
    values=st.lists(st.none() | st.floats(-1e12, 1e12), min_size=1, max_size=50),
    places=st.integers(10, 100),
    rows=st.integers(4, 20),
    span=st.sampled_from([60.0, 3600.0, 86400.0, 7 * 86400.0, 366 * 86400.0]),
)
def test_any_values_fit(
    values: list[float | None], places: int, rows: int, span: float, ascii_only: bool
) -> None:
    lines = draw(
        stretch(values, span=span), (places, rows), lambda _: "9 GB", ascii_only=ascii_only
    )
    assert len(lines) in {0, rows}
    assert all(width(line) <= max(places, 26) for line in lines)


@given(st.floats(-1e15, 1e15), st.floats(0, 1e15), st.sampled_from([1000, 1024]))
def test_the_axis_holds_what_is_shown(low: float, more: float, step: int) -> None:
    bottom, top, tick = scale(low, low + more, step)
    assert bottom <= low
    assert top >= low + more
    assert top > bottom
    assert 0 < tick <= (top - bottom) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (3, 9, (0, 10, 2.5)),
        (0, 0, (0, 0.1, 0.025)),
        (90, 100, (90, 100, 2.5)),
        (-5, 5, (-5, 5, 2.5)),
        (0, 13.4, (0, 15, 5)),
    ],
)
def test_ends_are_round(low: float, high: float, ends: tuple[float, ...]) -> None:
    assert all(map(math.isclose, scale(low, high), ends))


@pytest.mark.parametrize(
    ("high", "lines", "labels"),
    [
        (97.0, 16, {0: "100", 3: "75", 6: "50", 10: "25", 13: "0"}),
        (97.0, 10, {0: "100", 4: "50", 7: "0"}),
        (97.0, 6, {0: "100", 3: "0"}),
        (13.4, 16, {0: "15", 4: "10", 9: "5", 13: "0"}),
    ],
)
def test_labels_are_round_and_have_room(high: float, lines: int, labels: dict[int, str]) -> None:
    drawn = draw(stretch([0.0, high]), (60, lines), label, ascii_only=True)[:-2]
    assert {at: text for at, line in enumerate(drawn) if (text := line[:3].strip(" |"))} == labels
    around_zero = draw(stretch([-0.3, 0.3]), (60, 20), label, ascii_only=True)[:-2]
    assert any(line.split("|")[0].strip() == "0" for line in around_zero)


def test_sizes_grow_by_1024() -> None:
    assert scale(0, 3 * 2**30, 1024)[1] % 2**28 == 0


def test_how_many_steps_a_width_shows() -> None:
    assert columns(80, ascii_only=False) == 2 * columns(80, ascii_only=True) == 136


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        (60, "00:00:00", "00:01:00"),
        (3600, "00:00", "01:00"),
        (7 * 86400, "01-01 00:00", "01-08 00:00"),
        (365 * 86400, "1970-01-01", "1971-01-01"),
    ],
)
def test_times_below(span: float, first: str, last: str) -> None:
    times = draw(stretch([1.0, 2.0], span=span), (80, 8), label)[-1]
    assert times.split("  ", 1)[1].strip().startswith(first)
    assert times.endswith(last)
