"""The clock of the manager is set while it stores: by a day, by years, back and forward."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.clocks import Stopped
from tests.support.stores import INTERVAL_S, context, layout, tick

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.monitor.model import Line

HOUR, DAY = 3600.0, 86_400.0
START = 500_000 * HOUR
SERIES = layout(3)


class Run:
    """A store and what it was told: the value of each moment, of one told twice the later."""

    def __init__(self, directory: Path) -> None:
        self.clock = Stopped(START)
        self.context = context(directory, clock=self.clock)
        self.store = SqliteStore(self.context)
        self.told: dict[float, float] = {}

    def go(self, ticks: int) -> None:
        for _ in range(ticks):
            self.clock.go(INTERVAL_S)
            at = self.clock.unix()
            self.told[at] = float(len(self.told) % 1000)
            self.store.append(tick(at, SERIES, self.told[at]))

    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.context)

    def read(self, start: float, end: float, step_s: float) -> Line:
        points = int((end - start) / step_s)
        (line,) = self.store.range([SERIES.series[1]], start, end, points)
        assert line.step_s > 0
        assert line.start <= start
        assert line.start + line.step_s * len(line.average) >= end
        return line

    def check(self) -> None:
        """All ten minutes are what was told of it, no more and no less."""
        times = sorted(self.told)
        for hour in sorted({at // HOUR for at in times}):
            start = hour * HOUR
            line = self.read(start, start + HOUR, 600)
            assert (line.start, line.step_s, len(line.average)) == (start, 600, 6)
            for place in range(6):
                begin = start + place * 600
                values = [self.told[at] for at in times if begin <= at < begin + 600]
                low, high = min(values, default=math.nan), max(values, default=math.nan)
                shown = line.low[place], line.high[place]
                assert shown == pytest.approx((low, high), nan_ok=True), (begin, values)


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY, -400 * DAY, -1800, 1800])
def test_a_clock_that_is_set_and_set_back(tmp_path: Path, jump: float) -> None:
    run = Run(tmp_path)
    run.go(500)
    run.clock.set(jump)
    run.go(300)
    run.check()
    newest = run.store.latest()
    assert newest is not None
    assert newest.at == run.clock.unix()
    run.clock.set(-jump)
    run.go(500)
    run.reopen()
    run.go(10)
    run.check()
    assert run.store.trouble() == ""
    run.store.close()


def test_a_clock_that_starts_at_1970(tmp_path: Path) -> None:
    """As on a board without a battery, until the time is fetched."""
    run = Run(tmp_path)
    run.clock.set(-START - 3 * INTERVAL_S)
    run.go(300)
    run.clock.set(START)
    run.go(700)
    run.reopen()
    run.check()
    now = run.clock.unix()
    line = run.read(now - 365 * DAY, now, DAY)
    assert not math.isnan(line.average[-1])
    assert math.isnan(line.average[0])
    run.store.close()


def test_a_day_back_after_a_day_of_ticks(tmp_path: Path) -> None:
    """The ticks of the hour that comes twice are joined with what is kept of the first time."""
    run = Run(tmp_path)
    run.go(26 * 240)  # more than the raw ticks that are kept
    run.clock.set(-DAY - 2 * HOUR + 7.5)
    run.go(480)
    run.clock.set(DAY + 2 * HOUR - 7.5)
    run.go(480)
    run.check()
    run.store.close()
