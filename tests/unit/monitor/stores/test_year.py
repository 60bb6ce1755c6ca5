"""More than a year of a few series, in a file that stops growing.

Each day has three hours with ticks, so a year is as many rows as a full one; values are told
from the time, so what is read is compared with what was written at any resolution.
"""

from __future__ import annotations

import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.chores import backups
from clsh.monitor.model import Layout
from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.clocks import Stopped
from tests.support.stores import INTERVAL_S, context, layout, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clsh.monitor.model import Line

HOUR, DAY = 3600, 86_400
EVERY = 8 * HOUR
START = 20_000 * DAY
SERIES = layout(32)
FEWER = Layout(SERIES.series[:-1])
GONE = SERIES.series[-1]  # is heard in the first 20 days only
A_SERIES_YEAR = 270_000


def level(at: float, series: int) -> float:
    """The value of a series in an hour; its ticks go 2 below and 5 above."""
    return at // HOUR * 7 % 1000 + series * 10


class Year:
    """A store with some days, and the most that its files ever had."""

    def __init__(self, directory: Path, limit: int, days: int) -> None:
        self.end = START + days * DAY
        self.clock = Stopped(START)
        self.context = context(directory, limit=limit, clock=self.clock)
        self.store = SqliteStore(self.context)
        self.most = self.most_backups = self.at_a_year = 0
        for hour in range(START, self.end, EVERY):
            self.hour(hour)
            if hour % (10 * DAY) == 0:
                self.most_backups = max([self.most_backups, *self.backups()])
            if hour == START + 372 * DAY:
                self.at_a_year = self.pages()

    def hour(self, hour: int) -> None:
        of = SERIES if hour < START + 20 * DAY else FEWER
        for at, change in ((hour, -2.0), (hour + 15, 5.0), (hour + 600, 0.0)):
            self.clock.go(at - self.clock.unix())
            self.store.append(
                tick(at, of, [level(hour, n) + change for n in range(len(of.series))])
            )
            self.most = max(self.most, self.store.size())

    def pages(self) -> int:
        """The size of the file when its WAL has been brought into it."""
        self.store.close()
        self.store = SqliteStore(self.context)
        return self.store.file.stat().st_size

    def backups(self) -> list[int]:
        """The sizes of the backups that there are."""
        self.store._chores.wait()
        return [path.stat().st_size for path in backups(self.store.file)]

    def read(self, span: int, points: int, end: int = 0) -> Line:
        end = end or self.end
        (line,) = self.store.range([SERIES.series[3]], end - span, end, points)
        return line

    def check(self, days: int, points: int) -> None:
        """Steps of whole hours are what was written."""
        line = self.read(days * DAY, points)
        assert line.step_s % HOUR == 0
        for place, value in enumerate(line.average):
            begin = line.start + place * line.step_s
            hours = range(math.ceil(begin / EVERY) * EVERY, int(begin + line.step_s), EVERY)
            levels = [level(hour, 3) for hour in hours if hour < self.end]
            if not levels:
                assert math.isnan(value)
                continue
            assert line.low[place] == min(levels) - 2
            assert line.high[place] == max(levels) + 5
            # An hour is the mean of its two slots that were heard: that of -2 and 5, and 0.
            assert value == pytest.approx(sum(levels) / len(levels) + 0.75, rel=1e-4)


@contextmanager
def some_days(limit: int, days: int) -> Iterator[Year]:
    """In memory where there is such a place: what is written in a year waits for no disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        made = Year(Path(name), limit, days)
        yield made
        made.store.close()


@pytest.fixture(scope="module")
def year() -> Iterator[Year]:
    with some_days(1 << 25, 395) as made:
        yield made


def test_the_file_stops_growing(year: Year) -> None:
    assert year.store.trouble() == ""
    assert year.pages() == pytest.approx(year.at_a_year, rel=0.02)
    assert 32 * 170_000 < year.pages() <= 32 * A_SERIES_YEAR
    assert year.most <= year.pages() + (4 << 20), "the WAL"
    assert 0 < year.most_backups <= year.pages()
    assert len(year.backups()) == 1


@pytest.mark.parametrize(("days", "points"), [(365, 365), (365, 700), (30, 400), (7, 168)])
def test_a_year_a_month_and_a_week(year: Year, days: int, points: int) -> None:
    year.check(days, points)


@pytest.mark.parametrize(("days", "step"), [(30, 600), (7, 60)])
def test_tens_reach_back_a_month_and_minutes_a_week(year: Year, days: int, step: int) -> None:
    line = year.read(days * DAY, days * DAY // step)
    assert line.step_s == step
    heard = [line.start + p * step for p, v in enumerate(line.average) if not math.isnan(v)]
    hours = range(year.end - days * DAY, year.end, EVERY)
    assert heard == [at for hour in hours for at in (hour, hour + 600)]
    known = level(line.start, 3)
    assert line.average[0] == pytest.approx(known + 1.5, rel=1e-4)
    assert (line.low[0], line.high[0]) == (known - 2, known + 5)


def test_an_hour_has_its_ticks(year: Year) -> None:
    line = year.read(HOUR, 240, year.end - EVERY + HOUR)
    known = level(year.end - EVERY, 3)
    assert line.step_s == INTERVAL_S
    assert list(line.low[:2]) == [known - 2, known + 5]
    assert line.average[40] == known


def test_what_is_older_than_kept_is_a_gap(year: Year) -> None:
    assert all(map(math.isnan, year.read(DAY, 24, START + 10 * DAY).average))


def test_a_series_of_which_nothing_is_kept_is_forgotten(year: Year) -> None:
    assert set(year.store.known()) == set(FEWER.series)
    assert GONE not in year.store.known()


def test_a_limit_that_is_too_small_for_the_detail() -> None:
    limit = 2 << 20
    with some_days(limit, 120) as year:
        told = year.store.trouble()
        assert "is at its store_limit of 2097152 bytes: the oldest detail is dropped" in told
        assert year.most <= limit
        assert 0 < year.most_backups <= limit
        year.check(120, 120)
        year.check(2, 48)
