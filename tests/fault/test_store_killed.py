"""A process that stores ticks is killed with -9, again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.stores import INTERVAL_S, context
from tests.support.ticker import SERIES, START

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 50
HOUR = 3600


class Ticker:
    """The process that is killed, and its parent, which is not."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ticker", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, seconds: float) -> int:
        """Let it write for some time, kill it, and return the last tick it has acknowledged."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline().removeprefix("pid "))
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        last = -1
        for line in iter(self.process.stdout.readline, "end\n"):
            last = int(line)
        return last

    def close(self) -> None:
        self.process.communicate()


def test_killed_50_times_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    ticker = Ticker(tmp_path)
    stored = -1
    try:
        for _ in range(KILLS):
            acknowledged = max(ticker.live(random.uniform(0, 0.06)), stored)
            stored = check(tmp_path, stored, acknowledged)
    finally:
        ticker.close()
    assert stored > 480, "too few ticks: no hour was flushed"
    check_hours(tmp_path, stored)


def check(directory: Path, before: int, acknowledged: int) -> int:
    """Every tick since `before` is there; return the newest: the last acknowledged or one more."""
    store = SqliteStore(context(directory))
    newest = store.latest()
    if newest is None:
        assert acknowledged < 0
        return -1
    number = int(newest.values[0])
    assert number in {acknowledged, acknowledged + 1}
    assert set(newest.values) == {number}
    assert len(newest.values) == len(SERIES.series)
    first = max(0, before)
    begin, end = START + first * INTERVAL_S, START + (number + 1) * INTERVAL_S
    for line in store.range([SERIES.series[0], SERIES.series[-1]], begin, end, number - first + 2):
        assert line.step_s == INTERVAL_S
        assert list(line.average) == list(range(first, number + 1))
    assert store.trouble() == ""
    store.close()
    return number


def check_hours(directory: Path, newest: int) -> None:
    """All whole hours have exactly their ticks, in the coarse resolution too."""
    store = SqliteStore(context(directory))
    hours = newest // 240
    some = [SERIES.series[0], SERIES.series[40]]
    for line in store.range(some, START, START + hours * HOUR, hours):
        assert line.step_s == HOUR
        assert list(line.low) == [hour * 240 for hour in range(hours)]
        assert list(line.high) == [hour * 240 + 239 for hour in range(hours)]
        means = [hour * 240 + 119.5 for hour in range(hours)]
        assert list(line.average) == pytest.approx(means, rel=1e-4)
    store.close()
