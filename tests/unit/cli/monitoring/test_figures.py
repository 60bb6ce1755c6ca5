"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from clsh.cli.monitoring import figures


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1536, "1.5 KB"),
        (10 * 1024, "10 KB"),
        (1.2 * 2**30, "1.2 GB"),
        (999.6 * 2**20, "1.0 GB"),
        (-2048, "-2.0 KB"),
        (5000 * 2**60, "5000 EB"),
    ],
)
def test_a_size(count: float, shown: str) -> None:
    assert figures.size(count) == shown


@pytest.mark.parametrize("power", range(64))
def test_a_size_is_short(power: int) -> None:
    for count in (2**power - 1, 2**power, 1.999 * 2**power):
        assert len(figures.size(count)) <= 6


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (273600, "3 d 4 h"),
        (86400 + 59, "1 d"),
    ],
)
def test_a_duration(seconds: float, shown: str) -> None:
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(
    ("raw", "units", "shown"),
    [
        (None, "", "-"),
        ("", "", "-"),
        ("Linux", "", "Linux"),
        (math.nan, "bytes", "-"),
        (2048, "bytes", "2.0 KB"),
        (2048, "bytes/s", "2.0 KB/s"),
        (61.44, "%", "61.4 %"),
        (1.234, "", "1.23"),
        (12, "processes", "12 processes"),
        (273600, "s", "3 d 4 h"),
    ],
)
def test_a_value_with_its_units(raw: float | str | None, units: str, shown: str) -> None:
    assert figures.value(raw, units) == shown


def test_a_boot_time_is_a_date() -> None:
    assert figures.value(1.7e9, "s").startswith("2023-11-1")


def test_a_number_that_is_none() -> None:
    assert figures.number(math.inf) == "-"
