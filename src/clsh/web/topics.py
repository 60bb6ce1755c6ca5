"""What a live page shows, as short messages: made once for all viewers of the same thing.

A message leads from a version that a viewer has to the present one, so one who missed some
gets the newest, and nothing is queued. docs/reference/api.md says what is in them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, cast

from clsh.web import views
from clsh.web.answers import to_json
from clsh.web.api.series import heat_of, known_metrics
from clsh.web.asking import RefusedError, missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.grid import Cluster, NodeState
    from clsh.monitor.service import Monitor

_MOST_HURRIED = 50
_LONGEST = 256


class Wish(NamedTuple):
    """What a viewer wants to see; without `metric` there is no heatmap."""

    page: Literal["grid", "cluster", "node"]
    cluster: str = ""
    node: str = ""
    metric: str = ""


class Topic(Protocol):
    """One thing that is watched."""

    version: int

    def refresh(self) -> None:
        """Look at the grid anew."""
        ...

    def message(self, seen: int) -> str:
        """Return what is new since version `seen`; everything if that is too long ago."""
        ...

    def nodes(self) -> list[tuple[str, str]]:
        """Return the nodes (cluster, node) worth hearing every second; none when too many."""
        ...


def wish(given: object) -> tuple[Wish, int]:
    """Return what a viewer's message asks for, and the version that it has.

    Raises RefusedError.
    """
    if not isinstance(given, dict):
        raise RefusedError(400, "a message must be a JSON object")
    fields = cast("dict[str, object]", given)
    page, version = fields.get("page"), fields.get("version", 0)
    texts = [fields.get(name) or "" for name in ("cluster", "node", "metric")]
    if not isinstance(version, int) or version < 0:
        raise RefusedError(400, "version must be a whole number")
    if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts):
        raise RefusedError(400, f"names must be texts of at most {_LONGEST} characters")
    cluster, node, metric = map(str, texts)
    if page == "grid":
        return Wish("grid", metric=metric), version
    if page == "cluster":
        return Wish("cluster", cluster, metric=metric), version
    if page == "node":
        return Wish("node", cluster, node), version
    raise RefusedError(400, "page must be one of: grid, cluster, node")


def topic(monitor: Monitor, wanted: Wish) -> Topic:
    """Return what `wanted` names; raises RefusedError (404) when it is not there."""
    found = [] if wanted.page == "grid" else [_cluster(monitor, wanted.cluster)]
    if wanted.page == "node":
        if wanted.node not in found[0].nodes:
            raise missing("node", wanted.node, found[0].nodes)
        return _NodeTopic(monitor, wanted)
    if wanted.metric:
        known = known_metrics(_nodes(found or views.clusters(monitor.grid)))
        if wanted.metric not in known:
            raise missing("metric", wanted.metric, sorted(known))
    return (_GridTopic if wanted.page == "grid" else _ClusterTopic)(monitor, wanted)


def _cluster(monitor: Monitor, name: str) -> Cluster:
    clusters = monitor.grid.clusters
    if name not in clusters:
        raise missing("cluster", name, clusters)
    return clusters[name]


def _nodes(clusters: list[Cluster]) -> list[NodeState]:
    return [node for cluster in clusters for node in views.ordered(cluster)]


def _hurried(nodes: list[NodeState]) -> list[tuple[str, str]]:
    return [(node.cluster, node.name) for node in nodes] if len(nodes) <= _MOST_HURRIED else []


class _Base(ABC):
    """The present message for each version that some viewer has."""

    def __init__(self, monitor: Monitor, wanted: Wish) -> None:
        self.monitor = monitor
        self.wanted = wanted
        self.version = 0
        self._texts: dict[int, str] = {}

    def refresh(self) -> None:
        """See Topic."""
        self.version = self.monitor.grid.version
        self._texts.clear()

    def message(self, seen: int) -> str:
        """See Topic."""
        if seen not in self._texts:
            told = {
                "page": self.wanted.page,
                "version": self.version,
                "alerts": len(self.monitor.alerts.active()),
                **self.news(seen),
            }
            self._texts[seen] = to_json(told).decode()
        return self._texts[seen]

    @abstractmethod
    def news(self, seen: int) -> Mapping[str, object]:
        """Return the fields of the message that leads from `seen` to now."""
        ...

    def heat(self, nodes: list[NodeState]) -> Mapping[str, object]:
        """Return the field of the heatmap, when one is wanted."""
        return {"heat": heat_of(nodes, self.wanted.metric)} if self.wanted.metric else {}


class _GridTopic(_Base):
    """The numbers above the first page and its cells."""

    def news(self, seen: int) -> Mapping[str, object]:
        del seen  # it is small: all of it goes
        clusters = views.clusters(self.monitor.grid)
        rows = [views.cluster_row(cluster) for cluster in clusters]
        return {
            **views.grid_row(self.monitor.grid),
            "columns": list(rows[0]) if rows else [],
            "clusters": [list(row.values()) for row in rows],
            **self.heat(_nodes(clusters)),
        }

    def nodes(self) -> list[tuple[str, str]]:
        """See Topic."""
        return _hurried(_nodes(views.clusters(self.monitor.grid)))


class _ClusterTopic(_Base):
    """The rows of a cluster's nodes that changed."""

    def __init__(self, monitor: Monitor, wanted: Wish) -> None:
        super().__init__(monitor, wanted)
        self._rows: dict[str, list[object]] = {}
        self._changed: dict[str, int] = {}
        self._base = monitor.grid.version

    def _here(self) -> Cluster | None:
        return self.monitor.grid.clusters.get(self.wanted.cluster)

    def refresh(self) -> None:
        """See Topic; notes which rows changed."""
        super().refresh()
        cluster = self._here()
        nodes = views.ordered(cluster) if cluster else []
        rows = {node.name: list(views.node_row(node).values()) for node in nodes}
        self._changed = {
            name: self._changed[name] if self._rows.get(name) == row else self.version
            for name, row in rows.items()
        }
        self._rows = rows

    def news(self, seen: int) -> Mapping[str, object]:
        cluster = self._here()
        if cluster is None:
            return {"gone": True}
        full = not self._base <= seen <= self.version
        rows = [row for name, row in self._rows.items() if full or self._changed[name] > seen]
        nodes = views.ordered(cluster)
        return {
            **views.cluster_row(cluster),
            "order": views.order_of(nodes),
            "columns": views.NODE_COLUMNS,
            "rows": rows,
            **self.heat(nodes),
        }

    def nodes(self) -> list[tuple[str, str]]:
        """See Topic."""
        cluster = self._here()
        return _hurried(views.ordered(cluster)) if cluster else []


class _NodeTopic(_Base):
    """The latest values of one node: each is a point more on its chart."""

    def _here(self) -> NodeState | None:
        cluster = self.monitor.grid.clusters.get(self.wanted.cluster)
        return cluster.nodes.get(self.wanted.node) if cluster else None

    def news(self, seen: int) -> Mapping[str, object]:
        del seen
        node = self._here()
        if node is None:
            return {"gone": True}
        values = {name: views.shown(value) for name, value in node.values.items()}
        return {**views.node_row(node), "values": values}

    def nodes(self) -> list[tuple[str, str]]:
        """See Topic."""
        return [(self.wanted.cluster, self.wanted.node)]
