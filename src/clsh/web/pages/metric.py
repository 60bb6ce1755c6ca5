"""The page of one metric across all nodes of a cluster: cells, one scale for all, the extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.catalogue import known
from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.cluster import numeric, units_of
from clsh.web.pages.figures.charts import Chart, Want, mean, plain
from clsh.web.pages.figures.heat import heat, legend
from clsh.web.pages.node import metric_title
from clsh.web.pages.words import quantity

if TYPE_CHECKING:
    from clsh.monitor.grid import NodeState
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

SHOWN = 48  # charts on a page, unless all are asked for
_MOST = 400


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    words = asked.words
    cluster = monitor.grid.clusters[asked.names["cluster"]]
    metric = asked.names["metric"]
    nodes = views.ordered(cluster)
    units = units_of(cluster, metric)
    definition = next((node.metrics[metric] for node in nodes if metric in node.metrics), None)
    title = metric_title(words, metric, {metric: definition} if definition else {})
    told = [(value, node) for node in nodes if (value := _value(node, metric)) is not None]
    told.sort(key=lambda pair: pair[0])
    cells = heat(asked, cluster.name, nodes, metric, units)
    shown = _sorted(told, nodes, asked)[: _MOST if asked.query.get("rows") == "all" else SHOWN]
    average = Chart(
        "mean",
        words.said("Mean of the nodes that are up"),
        units,
        (Want("", _summary(cluster.name, metric), mean),),
        (sum(value for value, _ in told) / len(told) if told else None,),
        top=100 if units == "%" else None,
    )
    one_each = [
        Chart(
            f"n:{node.name}",
            node.name,
            units,
            (Want(node.name, (Series(cluster.name, node.name, metric),), plain),),
            (_value(node, metric, lost=True),),
            words.tr("lost") if node.state == "lost" else "",
            top=100 if units == "%" else None,
            shared=True,
            narrow=True,
            link=asked.to_node(cluster.name, node.name),
        )
        for node in shown
    ]
    values: dict[str, object] = {
        "cluster_name": cluster.name,
        "cluster_link": asked.to_cluster(cluster.name),
        "title": title,
        "metric": metric,
        "description": (definition or known(metric)).description,
        "ends": [_end(asked, told[place], units) for place in (0, -1)] if told else [],
        "metrics": numeric(cluster),
        "heads": _heads(asked),
        "cells": cells,
        "legend": legend(words, metric, cells.low, cells.high, units),
        "keys": [chart.key for chart in one_each],
        "told": len(told),
        "count": len(nodes),
    }
    return Page(
        "metric.html",
        values,
        "monitor",
        Watch.of(len(nodes), page="cluster", cluster=cluster.name),
        [Part("say"), *([Part("cells")] if cells.named else [])],
        [average, *one_each],
        {} if cells.named else {cluster.name: cells.data},
    )


def _end(asked: Asked, told: tuple[float, NodeState], units: str) -> tuple[str, str, str]:
    value, node = told
    written = " ".join(quantity(value, units)).strip()
    return written, node.name, asked.to_node(node.cluster, node.name)


def _value(node: NodeState, metric: str, *, lost: bool = False) -> float | None:
    value = node.values.get(metric)
    wanted = node.state == "up" or lost
    return value if wanted and isinstance(value, (int, float)) else None


def _summary(cluster: str, metric: str) -> tuple[Series, Series]:
    return Series(cluster, "", metric), Series(cluster, "", f"{metric}.num")


def _sorted(
    told: list[tuple[float, NodeState]], nodes: list[NodeState], asked: Asked
) -> list[NodeState]:
    """Return the nodes, the highest value first unless the address says otherwise."""
    text = asked.query.get("q", "").casefold()
    sort = asked.query.get("sort", "high")
    if sort == "name":
        found = nodes
    else:
        found = [node for _, node in (told if sort == "low" else reversed(told))]
    return [node for node in found if text in node.name.casefold()]


def _heads(asked: Asked) -> list[tuple[str, str, bool]]:
    current = asked.query.get("sort", "high")
    words = asked.words
    orders = {
        "high": words.said("highest first"),
        "low": words.said("lowest first"),
        "name": words.said("by name"),
    }
    return [(text, asked.link(sort=key), key == current) for key, text in orders.items()]
