"""The store at full size: a grid's ticks written and read, and what a year of them takes.

A year is that of one node, and its hours have two ticks, until the last two days: but for the
raw ticks, which are kept for a day, the file is then as large as if all had 240.
"""

from __future__ import annotations

import random
import shutil
import time
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import table
from clsh.base.clock import SystemClock
from clsh.monitor.model import Layout, Series, Tick
from clsh.monitor.store import StoreContext
from clsh.monitor.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.tools import Tools

INTERVAL_S = 15
HOUR, DAY, YEAR = 3600, 86_400, 365 * 86_400
START = 20_000 * DAY
_METRICS = 30


class _Past(SystemClock):
    """The time of the ticks, so that backups are as often; what is measured runs as it does."""

    at = float(START)

    def unix(self) -> float:
        return self.at


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the tables."""
    del tools
    folder = Path.cwd() / "build/bench-store"  # a disk: /tmp may be memory, which costs nothing
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield _grid(folder / "grid", 100 if quick else 1000)
        yield _year(folder / "year", 60 if quick else 376)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _layout(nodes: int) -> Layout:
    sums = [Series(*place, f"m{m}") for place in (("", ""), ("c", "")) for m in range(_METRICS)]
    return Layout(
        tuple(sums + [Series("c", f"n{n}", f"m{m}") for n in range(nodes) for m in range(_METRICS)])
    )


def _open(folder: Path, clock: _Past) -> SqliteStore:
    return SqliteStore(StoreContext(folder, "", 10 << 30, INTERVAL_S, clock))


def _grid(folder: Path, nodes: int) -> list[str]:
    """Two hours of ticks, and the third begun: each hour is flushed while the next one comes."""
    of, clock = _layout(nodes), _Past()
    store = _open(folder, clock)
    some = [array("d", (random.random() * 1e9 for _ in of.series)) for _ in range(8)]
    costs: list[_Cost] = []
    before = _written()
    for number in range(2 * 240 + 120):
        clock.at = START + number * INTERVAL_S
        with _costs(costs):
            store.append(Tick(clock.at, of, some[number % 8]))
    samples = len(of.series) * len(costs)
    cpu_s = sum(cost.cpu_s for cost in costs)
    rows = [
        ["a tick, the median", *_shown(costs, 50)],
        ["a tick, 99 of 100", *_shown(costs, 99)],
        ["a tick, the longest", *_shown(costs, 100)],
        *_reads(store, of, clock.at, nodes),
    ]
    store.close()
    return table.lines(
        f"store: {nodes:,} nodes x {_METRICS} metrics, {len(costs)} ticks",
        ["", "wall", "CPU"],
        rows,
        f"{samples / cpu_s / 1e6:.1f} M samples a second of CPU, hours flushed;"
        f" {(_written() - before) / samples:.0f} B written a sample.",
    )


def _reads(store: SqliteStore, of: Layout, now: float, nodes: int) -> Iterator[list[str]]:
    names = of.series
    node, load = names[-_METRICS:], names[2 * _METRICS :: _METRICS]
    for title, some, span, points in (
        ("a node's 30 metrics, an hour", node, HOUR, 240),
        ("one metric of a node, two hours", node[:1], 2 * HOUR, 480),
        ("grid and cluster, 60 sums, an hour", names[: 2 * _METRICS], HOUR, 240),
        (f"one metric of {nodes:,} nodes, two hours", load, 2 * HOUR, 120),
    ):
        yield [title, *_read(store, some, now, span, points)]


def _year(folder: Path, days: int) -> list[str]:
    """All hours of some days of one node, flushed; the last day as any day has them."""
    of, clock = _layout(1), _Past()
    store = _open(folder, clock)
    begun = time.perf_counter()
    for hour in range(days * 24):
        for at in (0, 1800) if hour < (days - 2) * 24 else range(0, HOUR, INTERVAL_S):
            clock.at = START + hour * HOUR + at
            values = array("d", (hour % 100 + at + place for place in range(len(of.series))))
            store.append(Tick(clock.at, of, values))
    took = time.perf_counter() - begun

    def asked(some: Sequence[Series], span: float, points: int) -> list[str]:
        return _read(store, some, clock.at, span, points)

    node, sums = of.series[2 * _METRICS :], of.series[: 2 * _METRICS]
    ranges = [("hour", HOUR, 240), ("day", DAY, 480), ("week", 7 * DAY, 480)]
    ranges += [("month", 31 * DAY, 480), ("year", YEAR, 480)]
    rows = [
        [title, *(word for some in (node[:1], node, sums) for word in asked(some, span, points))]
        for title, span, points in ranges
    ]
    store.close()
    size = (folder / "metrics.db").stat().st_size / len(of.series)
    return table.lines(
        f"store: {days} days of a node, {days * 24:,} hours flushed in {took:.0f} s",
        ["range", "one metric", "CPU", "a node (30)", "CPU", "grid and cluster (60)", "CPU"],
        rows,
        f"A series takes {size / 1000:.0f} kB.",
    )


class _Cost(NamedTuple):
    wall_s: float
    cpu_s: float


@contextmanager
def _costs(costs: list[_Cost]) -> Iterator[None]:
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    yield
    costs.append(_Cost(time.perf_counter() - wall_s, time.thread_time() - cpu_s))


def _read(
    store: SqliteStore, some: Sequence[Series], now: float, span: float, points: int
) -> list[str]:
    costs: list[_Cost] = []
    for _ in range(9):
        with _costs(costs):
            store.range(some, now - span, now, points)
    return _shown(costs, 50)


def _shown(costs: Sequence[_Cost], of_100: int) -> list[str]:
    """Return wall time and CPU that so many of 100 do not exceed."""
    place = min(len(costs) - 1, len(costs) * of_100 // 100)
    return [f"{sorted(one)[place] * 1000:.1f} ms" for one in zip(*costs, strict=True)]


def _written() -> int:
    """Return the bytes that this process had written to disks."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["write_bytes"])
