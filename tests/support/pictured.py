"""A monitor for tests of pages: a real grid with invented nodes, a day drawn as waves."""

from __future__ import annotations

import asyncio
import contextlib
import math
from array import array
from typing import TYPE_CHECKING

from clsh.monitor.catalogue import METRICS, known
from clsh.monitor.grid import Grid
from clsh.monitor.model import Line, Sample, Silent, no_line
from clsh.monitor.processes import Process
from clsh.monitor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from clsh.base.clock import Clock
    from clsh.monitor.alerts import Alert
    from clsh.monitor.model import Series, Value

GB = 1 << 30


class Alerting:
    """The alerts that a test says."""

    def __init__(self) -> None:
        self.now: list[Alert] = []

    def active(self) -> list[Alert]:
        return self.now


class Pictured:
    """What the pages need of a Monitor; `range` is invented, all else is real."""

    def __init__(self, clock: Clock, clusters: Mapping[str, Sequence[str]], name: str = "") -> None:
        self.clock = clock
        self.settings = Settings(grid=name or "grid")
        self.grid = Grid(self.settings.grid, {}, clock, self.settings.interval_s)
        self.alerts = Alerting()
        self.trouble = ""
        self.told: list[Process | Silent] = []
        self.asked: list[int] = []
        self.clusters = clusters
        self._changed = asyncio.Event()
        self.grid.on_change = self._change

    def store_trouble(self) -> str:
        return self.trouble

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seen: int) -> int:
        while self.grid.version <= seen:
            await self._changed.wait()
        return self.grid.version

    def feed(self, lost: Collection[str] = (), **more: Value) -> None:
        """Let every node tell once; `lost` ones then fall silent."""
        now = self.clock.unix()
        for cluster, nodes in self.clusters.items():
            for place, node in enumerate(nodes):
                if node in lost and node in getattr(self.grid.clusters.get(cluster), "nodes", ()):
                    continue
                self.grid.hear(
                    Sample(
                        cluster,
                        node,
                        now,
                        values(place, now) | more,
                        address=f"10.1.{place // 250}.{place % 250}",
                    )
                )
        for cluster, nodes in self.clusters.items():
            for node in set(nodes) & set(lost):
                self.grid.hear(
                    Silent(cluster, node, now, "connection lost: no answer to keep-alive for 6 s")
                )
        self.grid.tick()

    async def range(
        self, series: Sequence[Series], start: float, end: float, points: int
    ) -> list[Line]:
        self.asked.append(len(series))
        step = max(15.0, (end - start) / points)
        count = max(1, int((end - start) / step))
        return [self._line(one, start, step, count) for one in series]

    def _line(self, series: Series, start: float, step: float, count: int) -> Line:
        now = self._now(series)
        if now is None:
            return no_line(start, step, count)
        seed = sum(map(ord, series.node + series.metric)) % 100
        calm = series.metric.endswith(".num") or series.metric in {"mem_total", "cpu_num"}
        # A sum over a cluster is more than 100 %, what a node says is not.
        whole = series.node and known(series.metric).units == "%"
        most = 100.0 if whole else math.inf
        average, low, high = array("d"), array("d"), array("d")
        for place in range(count):
            at = start + place * step
            day = math.sin(at / 13751 + seed) * 0.18 + math.sin(at / 611 + seed * 3) * 0.05
            noise = math.sin(at * 12.9898 + seed) * 43758.5453 % 1 * 0.12
            value = now * (1.0 if calm else 1 + day + noise - 0.06)
            value = min(value, most)
            average.append(value)
            low.append(value * (1 if calm else 0.85))
            high.append(min(value * (1 if calm else 1.2), most))
        return Line(start, step, average, low, high)

    def _now(self, series: Series) -> float | None:
        name = series.metric.removesuffix(".num")
        if series.node:
            node = self.grid.node(series.cluster, series.node)
            value = node.values.get(name) if node else None
            return value if isinstance(value, float) else None
        cluster = self.grid.clusters.get(series.cluster)
        sums = cluster.sums if cluster else self.grid.sums
        if name not in sums:
            return None
        return float(sums[name].num if name != series.metric else sums[name].sum)

    @contextlib.contextmanager
    def hurry(self, nodes: Collection[tuple[str, str]]) -> Iterator[None]:
        yield

    async def processes(
        self, cluster: str | None, nodes: Collection[str] | None
    ) -> list[Process | Silent]:
        return [one for one in self.told if nodes is None or one.node in nodes]


def values(place: int, now: float) -> dict[str, Value]:
    """Return what an invented node tells; the load has all five steps."""
    load = (place * 7919 % 97) / 97 * 5.2 * (0.6 + 0.4 * math.sin(place / 9))
    busy = min(96.0, load / 4 * 90)
    free = GB * (2 + place * 31 % 11)
    numbers: dict[str, Value] = {
        "cpu_num": 4.0, "cpu_idle": 100 - busy, "cpu_user": busy * 0.7, "cpu_system": busy * 0.2,
        "cpu_nice": 0.0, "cpu_wio": busy * 0.1, "cpu_steal": 0.0, "load_one": load,
        "load_five": load * 0.9, "load_fifteen": load * 0.8, "mem_total": 15.6 * GB,
        "mem_free": free / 3, "mem_available": free, "mem_buffers": 0.2 * GB,
        "mem_cached": free / 2, "swap_free": 2.0 * GB, "swap_total": 2.0 * GB,
        "pkts_in": 900.0 + place, "pkts_out": 700.0, "bytes_in": 2.6e7 * (1 + place % 3),
        "bytes_out": 1.5e7, "proc_total": 160.0 + place % 90, "proc_run": 2.0,
        "disk_free": 210.0 * GB, "disk_total": 480.0 * GB, "disk_free_percent": 44.0,
        "disk_read": 1.2e6, "disk_write": 3.4e6, "boottime": now - 86400 * (8 + place % 150),
        "uptime": 86400.0 * (8 + place % 150), "os_name": "Linux",
        "os_release": "6.1.0-18-amd64", "machine_type": "x86_64",
    }  # fmt: skip
    assert numbers.keys() <= METRICS.keys()
    return numbers


def names(count: int, prefix: str = "can") -> list[str]:
    return [f"{prefix}{place}" for place in range(1, count + 1)]
