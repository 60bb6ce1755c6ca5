"""The grid as it is now: what sources tell goes in, ticks for the store come out.

One thread, no I/O. Of one metric told by two sources the latest word counts.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.monitor import summary
from clsh.monitor.grid import world as limits
from clsh.monitor.grid.cluster import Cluster
from clsh.monitor.grid.totals import Totals
from clsh.monitor.grid.world import World
from clsh.monitor.model import Health, Layout, Report, Sample, Tick
from clsh.nodes.model import node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from clsh.base.clock import Clock
    from clsh.monitor.grid.node import NodeState
    from clsh.monitor.model import News, Series, Sum
    from clsh.nodes.model import NodeName

ROOM = "the grid"  # the name under which health says that something was not taken

_FRESH_S = 80.0  # a report counts as long as a node does
_TROUBLED_S = 600.0
_MOST_REPORTS = 1000


class Grid:
    """All clusters; `version` grows with every change, and `on_change` is called then."""

    def __init__(
        self,
        name: str,
        expected: Mapping[str, Sequence[NodeName]],
        clock: Clock,
        interval_s: float,
    ) -> None:
        self.name = name
        self.version = 0
        self.clusters: dict[str, Cluster] = {}
        self.reports: dict[str, Report] = {}
        self.health: dict[str, Health] = {}
        self.on_change: Callable[[], None] = _nothing
        self._world = World(clock, interval_s)
        self._interval_s = interval_s
        self._told: dict[str, float] = {}  # when each report came, on the steady clock
        self._report_totals: dict[str, Totals] = {}
        self._totals = Totals(self._world, "")
        self._layout = Layout(())
        self._strangers = 0
        for cluster, nodes in expected.items():
            self.clusters[cluster] = Cluster(self._world, cluster, configured=True)
            for node in nodes:
                self.clusters[cluster].add(node, configured=True)

    @property
    def up(self) -> int:
        """How many nodes are up, those of reports included, as in all sums of the grid."""
        reported = sum(report.up for report in self._fresh())
        return reported + sum(cluster.up for cluster in self.clusters.values())

    @property
    def lost(self) -> int:
        """How many nodes are lost."""
        reported = sum(report.down for report in self._fresh())
        return reported + sum(cluster.lost for cluster in self.clusters.values())

    @property
    def new(self) -> int:
        """How many nodes have not been heard yet."""
        return sum(cluster.new for cluster in self.clusters.values())

    @property
    def sums(self) -> Mapping[str, Sum]:
        """The numbers of all nodes that are up."""
        clusters = [cluster.sums for cluster in self.clusters.values()]
        return summary.together([*clusters, *(report.sums for report in self._fresh())])

    @property
    def since(self) -> float | None:
        """The first moment that memory holds without a break, None when it holds none."""
        window = self._world.moments.window()
        return window[0][1] if window else None

    @property
    def moments(self) -> Sequence[tuple[int, float]]:
        """Place and moment of the ticks in memory, see `column`; the newest is the last."""
        return self._world.moments.window()

    def hear(self, news: News, source: str = "") -> None:
        """Take what a source tells; never raises, for names and numbers come from outside."""
        if isinstance(news, Health):
            if news.source in self.health or len(self.health) < _MOST_REPORTS:
                self.health[news.source] = news
        elif isinstance(news, Report):
            self._hear_report(news)
        elif node := self._node(news.cluster, news.node):
            if isinstance(news, Sample):
                node.hear(news, source)
            else:
                node.miss(news, source)
            self.clusters[news.cluster].changes += 1
        self._changed()

    def tick(self) -> Tick:
        """End an interval: mark the lost, forget the forgotten, return all values.

        A tick is dated at the multiple of the interval that is nearest, so that ticks are
        evenly spaced whatever the event loop was busy with.
        """
        self.check()
        self._strangers -= sum(cluster.forget() for cluster in self.clusters.values())
        for name in [c.name for c in self.clusters.values() if not (c.nodes or c.configured)]:
            del self.clusters[name]
            self._world.lay_out_anew()
        at = round(self._world.clock.unix() / self._interval_s) * self._interval_s
        place = self._world.moments.push(at)
        values = array("d")
        for row in self._rows(place):
            values.extend(row)
        if not self._world.is_laid_out:
            self._layout = Layout(tuple(self._series()))
            self._world.is_laid_out = True
        self._tell_room()
        self._changed()
        return Tick(at, self._layout, values)

    def check(self) -> None:
        """Mark those nodes lost that were not heard for 4 * TMAX."""
        for cluster in self.clusters.values():
            lost = cluster.lost
            for node in cluster.nodes.values():
                node.check()
            if cluster.lost != lost:
                cluster.changes += 1
                self._changed()

    def excuse(self, seconds: float) -> None:
        """Do not count a time in which we did not listen: no node is lost for our own sleep."""
        for cluster in self.clusters.values():
            for node in cluster.nodes.values():
                node.excuse(seconds)

    def hurry(self, nodes: Collection[tuple[str, str]]) -> None:
        """Keep every word of these nodes (cluster, name) for some minutes, and of no others."""
        for cluster in self.clusters.values():
            for node in cluster.nodes.values():
                node.hurry(on=(cluster.name, node.name) in nodes)

    def restore(self, tick: Tick) -> None:
        """Take the values of a tick from before a restart; nodes stay new until heard.

        A node that is not configured and is not heard soon is forgotten again.
        """
        known: dict[tuple[str, str], dict[str, float]] = {}
        for series, value in zip(tick.layout.series, tick.values, strict=True):
            if series.node and summary.number(value) is not None:
                known.setdefault((series.cluster, series.node), {})[series.metric] = value
        for (cluster, name), values in known.items():
            node = self._node(cluster, name)
            if node is not None and node.state == "new":
                node.remember(tick.at, values)
        self._changed()

    def node(self, cluster: str, name: str) -> NodeState | None:
        """Return a node by the names of its cluster and itself."""
        found = self.clusters.get(cluster)
        return found.nodes.get(name) if found else None

    def column(self, series: Series) -> array[float] | None:
        """Return the values of a line by the places in `moments`, None if memory has it not."""
        if series.node:
            node = self.node(series.cluster, series.node)
            return node.column(series.metric) if node else None
        if not series.cluster:
            return self._totals.column(series.metric)
        if cluster := self.clusters.get(series.cluster):
            return cluster.totals.column(series.metric)
        totals = self._report_totals.get(series.cluster)
        return totals.column(series.metric) if totals else None

    def _hear_report(self, report: Report) -> None:
        name = report.name
        if not _is_name(name):
            self._world.refuse(f"a report with a bad name: {name[:80]!r}")
        elif name not in self.reports and len(self.reports) >= _MOST_REPORTS:
            self._world.refuse(f"no room for {name}: there are {_MOST_REPORTS:,} reports")
        else:
            self.reports[name] = report
            self._told[name] = self._world.clock.steady()

    def _node(self, cluster: str, name: str) -> NodeState | None:
        """Return a node, added if it is a stranger and there is room."""
        found = self.node(cluster, name)
        return found or self._stranger(cluster, name)

    def _stranger(self, cluster: str, name: str) -> NodeState | None:
        try:
            node_name(name)
        except UsageError as error:
            self._world.refuse(str(error))
            return None
        if not _is_name(cluster):
            self._world.refuse(f"a cluster with a bad name: {cluster[:80]!r}")
            return None
        full = self._strangers >= limits.MOST_NODES
        if cluster not in self.clusters:
            full = full or len(self.clusters) >= limits.MOST_CLUSTERS
        if full:
            self._world.refuse(
                f"no room for {name} of {cluster}: there are {limits.MOST_NODES:,} nodes that "
                f"are not configured, or {limits.MOST_CLUSTERS:,} clusters"
            )
            return None
        if cluster not in self.clusters:
            self.clusters[cluster] = Cluster(self._world, cluster, configured=False)
            self._world.lay_out_anew()
        self._strangers += 1
        return self.clusters[cluster].add(name, configured=False)

    def _fresh(self) -> list[Report]:
        """Return the reports that are not too old to be summed."""
        now = self._world.clock.steady()
        limit = max(_FRESH_S, 4 * self._interval_s)
        return [one for name, one in self.reports.items() if now - self._told[name] <= limit]

    def _rows(self, place: int) -> Iterable[array[float]]:
        """Write the rows of a tick and return them, in the order of `_series`."""
        for cluster in self.clusters.values():
            for node in cluster.nodes.values():
                yield node.write(place)
            yield cluster.totals.write(place, cluster.sums, cluster.up, cluster.lost)
        fresh = {report.name: report for report in self._fresh()}
        for name in self.reports:
            if name not in self._report_totals:
                self._report_totals[name] = Totals(self._world, name)
                self._world.lay_out_anew()
            report = fresh.get(name)
            if name not in self.clusters:
                sums = summary.together([report.sums]) if report else {}
                counts = (report.up, report.down) if report else (0, 0)
                yield self._report_totals[name].write(place, sums, *counts)
        yield self._totals.write(place, self.sums, self.up, self.lost)

    def _series(self) -> Iterable[Series]:
        for cluster in self.clusters.values():
            for node in cluster.nodes.values():
                yield from node.series
            yield from cluster.totals.series
        for name in self.reports:
            if name not in self.clusters:
                yield from self._report_totals[name].series
        yield from self._totals.series

    def _tell_room(self) -> None:
        """Say for some minutes that something was not taken."""
        reason = self._world.refusal
        old = self.health.get(ROOM)
        if reason and self._world.clock.steady() - self._world.refused_at > _TROUBLED_S:
            self._world.refusal = reason = ""
        if reason != (old.reason if old else ""):
            self.health[ROOM] = Health(ROOM, self._world.clock.unix(), not reason, reason)

    def _changed(self) -> None:
        self.version += 1
        self.on_change()


def _nothing() -> None:
    """Do nothing."""


def _is_name(text: str) -> bool:
    """Tell whether a cluster of somebody else may have this name: it is in URLs and tables."""
    return 0 < len(text) <= 253 and text.isprintable() and "/" not in text
