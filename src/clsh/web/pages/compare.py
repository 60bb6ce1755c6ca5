"""The page that compares nodes: one chart for each metric, one line in it for each node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.catalogue import known
from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.pages.asked import Page, Watch
from clsh.web.pages.figures.charts import Chart, Want, plain
from clsh.web.pages.node import metric_title

if TYPE_CHECKING:
    from clsh.monitor.grid import NodeState
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

MOST_NODES = 8  # as many as there are colours that can be told apart
MOST_METRICS = 12
USUAL = ("load_one", "cpu_idle", "mem_free", "bytes_in")


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    wanted = [name for entry in asked.lists.get("node", ()) for name in entry.split(",")]
    found = [(name, _find(monitor, name.strip())) for name in dict.fromkeys(wanted) if name.strip()]
    nodes = list(dict.fromkeys(node for _, node in found if node))[:MOST_NODES]
    metrics = list(dict.fromkeys(asked.lists.get("metric", USUAL)))[:MOST_METRICS]
    charts = [_chart(asked, nodes, metric) for metric in metrics] if nodes else []
    cluster = next((one for one in views.clusters(monitor.grid) if one.nodes), None)
    values: dict[str, object] = {
        "nodes": [(node.name, asked.to_node(node.cluster, node.name)) for node in nodes],
        "unknown": [name[:100] for name, node in found if node is None],
        "left_out": max(0, sum(node is not None for _, node in found) - MOST_NODES),
        "most": MOST_NODES,
        "field": ", ".join(f"{node.cluster}/{node.name}" for node in nodes),
        "metrics": sorted(set(cluster.sums) | set(metrics)) if cluster else metrics,
        "chosen": metrics,
        "keys": [chart.key for chart in charts],
        "example": _example(monitor),
    }
    return Page("compare.html", values, "compare", Watch({"page": "grid"}, 1.0), (), charts)


def _find(monitor: Monitor, name: str) -> NodeState | None:
    """Return the node named `cluster/node`, or `node` alone where one cluster has it."""
    cluster, slash, node = name.rpartition("/")
    clusters = monitor.grid.clusters
    if slash:
        return clusters[cluster].nodes.get(node) if cluster in clusters else None
    return next((one.nodes[node] for one in clusters.values() if node in one.nodes), None)


def _chart(asked: Asked, nodes: list[NodeState], metric: str) -> Chart:
    definition = next((node.metrics[metric] for node in nodes if metric in node.metrics), None)
    units = (definition or known(metric)).units
    values = [node.values.get(metric) for node in nodes]
    return Chart(
        f"m:{metric}",
        metric_title(asked.words, metric, {metric: definition} if definition else {}),
        units,
        tuple(Want(node.name, (Series(node.cluster, node.name, metric),), plain) for node in nodes),
        tuple(value if isinstance(value, (int, float)) else None for value in values),
        name=metric,
        top=100 if units == "%" else None,
        link=asked.to_metric(nodes[0].cluster, metric),
    )


def _example(monitor: Monitor) -> str:
    names = [
        f"{cluster.name}/{node.name}"
        for cluster in views.clusters(monitor.grid)
        for node in views.ordered(cluster)[:2]
    ]
    return ", ".join(names[:2])
