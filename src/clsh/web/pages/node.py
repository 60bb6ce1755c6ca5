"""The page of a node: what it is, how it fares, a chart of every metric, strings in a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from clsh.monitor.catalogue import METRICS, known
from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.figures.charts import Chart, Want, plain
from clsh.web.pages.figures.overview import four, of_values
from clsh.web.pages.figures.troubles import SHOWN, troubles
from clsh.web.pages.words import quantity, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.monitor.grid import NodeState
    from clsh.monitor.model import Metric, Value
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.words import Words

# The groups in the order of the page; those of others follow by name, those without come last.
_GROUPS = ("load", "cpu", "memory", "network", "disk", "process", "gpu", "system")
# A full scale is the truth for these; others grow to what was seen.
_CAPACITIES = {
    "mem_free": "mem_total",
    "mem_available": "mem_total",
    "swap_free": "swap_total",
    "disk_free": "disk_total",
    **{f"load_{part}": "cpu_num" for part in ("one", "five", "fifteen")},
}
# Shares that are near to the whole now and then; the others would be flat lines at the bottom.
_WHOLES = ("_idle", "_user", "_percent", "_util")
_PLACES = {name: place for place, name in enumerate(METRICS)}


@dataclass(frozen=True, slots=True)
class Group:
    """Charts that stand together."""

    title: str
    keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the table: what does not change, or is no number."""

    title: str
    name: str
    text: str
    unit: str
    told: str


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    cluster = monitor.grid.clusters[asked.names["cluster"]]
    node = cluster.nodes[asked.names["node"]]
    place = (cluster.name, node.name)
    overview = four(
        asked.words,
        place,
        of_values(node.values),
        node.values,
        lambda name: asked.to_metric(cluster.name, name),
    )
    grouped = _charts(asked, node)
    alerts = [
        alert
        for alert in monitor.alerts.active()
        # That it is silent is the page's first sentence.
        if (alert.cluster, alert.node) == place and (alert.metric or node.state != "lost")
    ]
    find = of_values(node.values)
    boot = find("boottime")
    values: dict[str, object] = {
        "node": node,
        "cluster_name": cluster.name,
        "cluster_link": asked.to_cluster(cluster.name),
        "processes_link": asked.link("/processes", cluster=cluster.name, node=node.name),
        "compare_link": asked.link("/compare", node=f"{cluster.name}/{node.name}"),
        "up_s": None if boot is None else asked.words.now - boot,
        "memory": quantity(find("mem_total") or 0.0, "bytes"),
        "troubles": troubles(alerts, asked)[:SHOWN],
        "sick": [],
        "store_trouble": "",
        "more": max(0, len(alerts) - SHOWN),
        "groups": [
            Group(group_title(asked.words, name), [chart.key for chart in charts])
            for name, charts in grouped.items()
        ],
        "table": _facts(asked.words, node),
    }
    return Page(
        "node.html",
        values,
        "monitor",
        Watch.of(1, page="node", cluster=cluster.name, node=node.name),
        [Part("say"), Part("alerts"), Part("table")],
        [*overview, *(chart for charts in grouped.values() for chart in charts)],
    )


def group_title(words: Words, name: str) -> str:
    """Return what a group of metrics is called."""
    titles = {
        "load": words.said("Load"),
        "cpu": words.said("CPU"),
        "memory": words.said("Memory"),
        "network": words.said("Network"),
        "disk": words.said("Disk"),
        "process": words.said("Processes"),
        "gpu": words.said("GPU"),
        "system": words.said("System"),
        "": words.said("Other"),
    }
    return titles.get(name, name)


def metric_title(words: Words, name: str, metrics: Mapping[str, Metric]) -> str:
    """Return what a metric is called by whoever told it, its name when nobody says."""
    metric = metrics.get(name) or known(name)
    return words.said(metric.title) if metric.title else name


def _charts(asked: Asked, node: NodeState) -> dict[str, list[Chart]]:
    groups: dict[str, list[Chart]] = {}
    for name in sorted(node.values, key=_order):
        value = node.values[name]
        metric = node.metrics.get(name) or known(name)
        if is_chart(value, metric):
            groups.setdefault(metric.group, []).append(_chart(asked, node, name, metric, value))
    order = [name for name in _GROUPS if name in groups]
    order += sorted(groups.keys() - {*_GROUPS, ""}) + [""] * ("" in groups)
    return {name: groups[name] for name in order}


def _order(name: str) -> tuple[object, ...]:
    """Return the key by which metrics stand as in the catalogue, others after them by name."""
    return _PLACES.get(name, len(_PLACES)), views.natural(name)


def is_chart(value: Value, metric: Metric) -> bool:
    """Tell whether a metric changes and is a number, so that a chart says something."""
    if metric.slope == "zero" or metric.type in {"string", "timestamp"} or metric.name == "uptime":
        return False
    return not isinstance(value, str)


def _chart(asked: Asked, node: NodeState, name: str, metric: Metric, value: Value) -> Chart:
    capacity = node.values.get(_CAPACITIES.get(name, ""))
    number = value if isinstance(value, (int, float)) else None
    return Chart(
        f"m:{name}",
        metric_title(asked.words, name, node.metrics),
        metric.units,
        (Want(name, (Series(node.cluster, node.name, name),), plain),),
        (number,),
        name=name,
        narrow=True,
        capacity=capacity if isinstance(capacity, (int, float)) and capacity > 0 else None,
        top=100 if metric.units == "%" and name.endswith(_WHOLES) else None,
        link=asked.to_metric(node.cluster, name),
    )


def _facts(words: Words, node: NodeState) -> list[Fact]:
    facts: list[Fact] = []
    for name in sorted(node.values, key=_order):
        value = node.values[name]
        metric = node.metrics.get(name) or known(name)
        if is_chart(value, metric):
            continue
        text, unit = _written(words, name, value, metric)
        told = words.ago(words.now - node.metric_tn_s(name))
        facts.append(Fact(metric_title(words, name, node.metrics), name, text, unit, told))
    return facts


def _written(words: Words, name: str, value: Value, metric: Metric) -> tuple[str, str]:
    if isinstance(value, str):
        return visible(value), metric.units
    if metric.type == "timestamp" and 0 < value < 1e11:
        return datetime.fromtimestamp(value, words.zone).strftime("%Y-%m-%d %H:%M:%S"), ""
    if name == "uptime":
        return words.duration(value), ""
    return quantity(value, metric.units)
