"""Numbers, times and languages as pages write them."""

from __future__ import annotations

from datetime import UTC

import pytest

from clsh.web.pages.words import Words, base, choose_language, number, quantity, short, visible

WORDS = Words("en", UTC, 1_800_000_000.0)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "en"),
        ("ko", "zh", "ko"),
        ("fr", "zh-CN,zh;q=0.9", "zh"),
        ("", "fr, ko-KR;q=0.8, en;q=0.5", "ko"),
        ("", "en;q=0.2, ko;q=0.7", "ko"),
        ("", "ko;q=0", "en"),
        ("", "*;q=nonsense,,;", "en"),
    ],
)
def test_the_language_is_the_address_s_then_the_browser_s(
    asked: str, accepted: str, language: str
) -> None:
    assert choose_language(asked, accepted) == language


@pytest.mark.parametrize(
    ("value", "units", "text"),
    [
        (15.6 * 2**30, "bytes", "15.6 GB"), (512, "B", "512 B"), (1e6, "bytes/s", "977 KB/s"),
        (3e30, "bytes", "2,602,085,213,965 EB"), (42.25, "%", "42.2 %"), (4, "CPUs", "4 "),
        (900.5, "packets/s", "900.5 /s"), (70, "°C", "70 °C"), (float("nan"), "%", "- "),
        (-2048, "bytes", "-2 KB"), (1048575, "bytes", "1.0 MB"),
    ],
)  # fmt: skip
def test_a_value_has_its_unit(value: float, units: str, text: str) -> None:
    assert " ".join(quantity(value, units)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.004, "0.004"), (0.25, "0.25"), (63.26, "63.3"), (2214.6, "2,214.6"),
     (12345.6, "12,346"), (1016, "1,016"), (2e15, "2e+15"), (1e15 + 0.5, "1e+15")],
)  # fmt: skip
def test_a_number_has_the_figures_that_matter(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "top", "units", "text"),
    [(0, 100, "%", "0"), (0.5, 1, "", "0.5"), (2500, 5000, "", "2,500"), (8000, 16000, "", "8k"),
     (40000, 40000, "", "40k"), (1.5e6, 3e6, "", "1.5M"), (8 * 2**30, 8 * 2**30, "bytes", "8 GB"),
     (0.8 * 2**30, 1.6 * 2**30, "bytes", "0.8 GB"), (80 * 2**20, 160 * 2**20, "bytes/s", "80 MB"),
     (0.5, 1, "bytes", "0.5 B")],
)  # fmt: skip
def test_an_axis_is_short_and_of_one_unit(value: float, top: float, units: str, text: str) -> None:
    assert short(value, units, top) == text


def test_sizes_grow_by_1024_and_all_else_by_1000() -> None:
    assert [base(units) for units in ("bytes", "bytes/s", "%", "")] == [1024, 1024, 1000, 1000]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (119.9, "119 s"), (121, "2 min"), (7201, "2 h"), (41 * 86400 + 1, "41 days")],
)
def test_a_time_has_its_largest_unit(seconds: float, text: str) -> None:
    assert WORDS.duration(seconds) == text


def test_a_moment_of_today_is_a_time_of_day_an_older_one_has_its_date() -> None:
    assert WORDS.moment(WORDS.now - 60) == "07:59:00"
    assert WORDS.moment(WORDS.now - 86400) == "2027-01-14 08:00"
    assert WORDS.short_moment(WORDS.now) == "01-15 08:00"
    assert WORDS.field(WORDS.now) == "2027-01-15T08:00:00"
    assert (WORDS.zone_name, WORDS.offset_s) == ("UTC", 0)


def test_values_are_escaped_and_words_are_not() -> None:
    assert WORDS.tr("{time} ago", time="<b>") == "&lt;b&gt; ago"
    assert WORDS.bold("<i>") == "<b>&lt;i&gt;</b>"
    assert WORDS.count(1, "{n} node", "{n} nodes") == "<b>1</b> node"
    assert WORDS.count(1016, "{n} node", "{n} nodes") == "<b>1,016</b> nodes"


def test_what_cannot_be_seen_is_spelt_out() -> None:
    assert visible("sleep 1") == "sleep 1"
    assert visible("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\n"
