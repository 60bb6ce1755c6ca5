"""The monitor: runs the sources, ticks, stores, warns, and answers what pages ask."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from clsh.base.clock import SystemClock
from clsh.monitor.alerts import Alerts
from clsh.monitor.grid import Grid
from clsh.monitor.notify import Notifier
from clsh.monitor.service import lines
from clsh.monitor.service.asking import Asking
from clsh.monitor.service.holders import Holders
from clsh.monitor.service.storing import Storing
from clsh.monitor.service.supervision import Supervisor
from clsh.monitor.service.warning import Warner
from clsh.monitor.source import SourceContext
from clsh.monitor.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.monitor.grid import Cluster
    from clsh.monitor.model import Line, Sample, Series, Silent
    from clsh.monitor.processes import Process
    from clsh.monitor.settings import Settings
    from clsh.monitor.store import Store
    from clsh.nodes.model import Node, NodeName
    from clsh.remote.transport import Transport

ALERTS_FILE = "alerts.json"

_CHECK_S = 1.0
_SLEPT_S = 5.0  # later than that and we did not run ourselves
_PACE_S = 0.05  # changes that come together are told together
_DETAIL_S = 300.0

_log = logging.getLogger(__name__)


class Monitor:
    """Watches the nodes of the inventory (`nodes`: cluster and node) and those of all sources.

    `transport` keeps its sessions, for the source of the inventory and for process lists;
    `here` runs commands on this machine for alerts. `open_store` is called in the thread
    that uses the store. `state` is the directory for what outlives a restart.
    """

    def __init__(
        self,
        settings: Settings,
        nodes: Sequence[tuple[str, Node]],
        open_store: Callable[[], Store],
        state: Path,
        *,
        transport: Transport | None = None,
        here: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        expected: dict[str, list[NodeName]] = {}
        for cluster, node in nodes:
            expected.setdefault(cluster, []).append(node.name)
        self.grid = Grid(settings.grid, expected, self.clock, settings.interval_s)
        self.alerts = Alerts(settings.alerts, self.clock)
        self._nodes = {(cluster, str(node.name)): node for cluster, node in nodes}
        self._transport = transport
        self._sources = Supervisor(self.grid)
        self._holders = Holders(self._hurry)
        self._storing = Storing(open_store, self.clock, self.grid.hear)
        self._asking = Asking(transport, self.clock)
        self._notifier = Notifier(settings.notify, settings.grid, self.clock, self.grid.hear, here)
        self._warner = Warner(
            self.alerts, self._notifier, self.grid, state / ALERTS_FILE, self.clock
        )
        self._changed = asyncio.Event()
        self.grid.on_change = self._changed.set

    async def run(self) -> None:
        """Watch until cancelled; then what waits is stored and the store closed."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._store())
                tasks.create_task(self._notifier.run())
                tasks.create_task(self._warner.run())
                tasks.create_task(self._ticks())
                for name, kind, context in self._contexts():
                    tasks.create_task(self._sources.keep(name, kind, context))
        finally:
            await self._storing.close()

    async def wait(self, seen: int) -> int:
        """Return the version of the grid as soon as it is greater than `seen`."""
        while self.grid.version <= seen:
            self._changed.clear()
            await self._changed.wait()
            await asyncio.sleep(_PACE_S)
        return self.grid.version

    async def range(
        self, series: Sequence[Series], start: float, end: float, points: int
    ) -> list[Line]:
        """Return lines of at most `points` steps: the last hour from memory, older from disk.

        When the store cannot be read (`store_trouble` says why) there is what memory has.
        """
        detail = self._detail(series, start, end)
        if detail is not None:
            over = lines.steps(start, end, points, 1.0)
            return [lines.held(lines.line(over, words)) for words in detail]
        since = self.grid.since
        words = [self._words(one) for one in series]
        known = [one for one in words if one is not None]
        over = lines.steps(start, end, points, self.settings.interval_s)
        if since is not None and start >= since and len(known) == len(words):
            return [lines.line(over, one) for one in known]
        try:
            stored = await self._storing.range(series, start, end, points)
        except StoreError:
            return [lines.line(over, one or ()) for one in words]
        if since is None:
            return stored
        return [
            line if one is None else lines.overlay(line, since, one)
            for line, one in zip(stored, words, strict=True)
        ]

    def hurry(self, nodes: Iterable[tuple[str, str]]) -> AbstractContextManager[None]:
        """Hear these nodes (cluster, name) every second while held; 50 in all at most."""
        return self._holders.hold(nodes)

    async def processes(
        self, cluster: str | None, nodes: Collection[str] | None
    ) -> list[Process | Silent]:
        """Return the processes of the nodes of a cluster (None: of all), or of some of them.

        A node that does not say them is one Silent.
        """
        reached: list[tuple[str, Node]] = []
        silent: list[Process | Silent] = []
        for found in self.grid.clusters.values() if cluster is None else self._cluster(cluster):
            for state in found.nodes.values():
                if nodes is not None and state.name not in nodes:
                    continue
                node = self._nodes.get((found.name, state.name))
                if node is None:
                    reason = "it is not in the inventory, so there is no way to reach it"
                    silent.append(self._asking.silent(found.name, state.name, reason))
                elif state.state == "lost":
                    silent.append(self._asking.silent(found.name, state.name, state.reason))
                else:
                    reached.append((found.name, node))
        return [*await self._asking.processes(reached), *silent]

    def push(self, sample: Sample) -> None:
        """Take what came over HTTP."""
        self.grid.hear(sample, "push")

    def store_trouble(self) -> str:
        """Return in words what is wrong with the store, "" if nothing."""
        return self._storing.trouble()

    def store_size(self) -> int:
        """Return the bytes of the store on disk, 0 when that is not known."""
        return self._storing.size

    def _cluster(self, name: str) -> list[Cluster]:
        return [self.grid.clusters[name]] if name in self.grid.clusters else []

    def _hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        self.grid.hurry(nodes)
        self._sources.hurry(nodes)

    def _words(self, series: Series) -> list[tuple[float, float]] | None:
        """Return moments and values of a line in memory, None if memory does not have it."""
        column = self.grid.column(series)
        return None if column is None else [(at, column[p]) for p, at in self.grid.moments]

    def _detail(
        self, series: Sequence[Series], start: float, end: float
    ) -> list[list[tuple[float, float]]] | None:
        """Return the last minutes by the second, None if they do not hold all that is asked."""
        found: list[list[tuple[float, float]]] = []
        for one in series if end - start <= _DETAIL_S else ():
            node = self.grid.node(one.cluster, one.node) if one.node else None
            words = node.detail(one.metric) if node else []
            if not words or words[0][0] > start + self.settings.interval_s:
                return None
            found.append(words)
        return found or None

    def _contexts(self) -> list[tuple[str, str, SourceContext]]:
        """Return name, kind and context of each source."""
        settings = self.settings
        context = partial(
            SourceContext,
            clock=self.clock,
            grid=settings.grid,
            trusted=settings.trusted_hosts,
            drop_dir=settings.drop_dir,
        )
        found: list[tuple[str, str, SourceContext]] = []
        if self._nodes:
            nodes = [(cluster, node) for (cluster, _), node in self._nodes.items()]
            inventory = context(
                interval_s=settings.interval_s, nodes=nodes, transport=self._transport
            )
            found.append((settings.source, settings.source, inventory))
        if settings.gmond_port:
            listen = (settings.ganglia_listen, settings.gmond_port)
            found.append(
                ("gmetric", "gmetric", context(interval_s=settings.interval_s, listen=listen))
            )
        return found + [
            (one.name, one.kind, context(interval_s=one.interval_s, settings=one))
            for one in settings.sources
        ]

    async def _store(self) -> None:
        newest = await self._storing.open()
        if newest is not None:
            self.grid.restore(newest)
        await self._storing.run()

    async def _ticks(self) -> None:
        """Tick at the multiples of the interval, waiting on the steady clock."""
        interval_s = self.settings.interval_s
        while True:
            # A multiple that is less than half an interval away was the last one, or is too
            # near: so a clock that was set makes no two ticks in a row.
            pause_s = interval_s - self.clock.unix() % interval_s
            await self._watch(pause_s if pause_s > interval_s / 2 else pause_s + interval_s)
            self._storing.put(self.grid.tick())
            self._warner.evaluate()

    async def _watch(self, seconds: float) -> None:
        """Let an interval pass, marking nodes lost meanwhile."""
        end = self.clock.steady() + seconds
        while (left := end - self.clock.steady()) > 0:
            before = self.clock.steady()
            await asyncio.sleep(min(left, _CHECK_S))
            late = self.clock.steady() - before - _CHECK_S
            if late > _SLEPT_S:
                self.grid.excuse(late)
                _log.warning("the manager did not run for %.0f s", late)
            self.grid.check()
