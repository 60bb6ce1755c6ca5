"""The page of a cluster: its figures, its cells by any metric, and the table of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.catalogue import known
from clsh.web import views
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.figures import table
from clsh.web.pages.figures.heat import heat, legend
from clsh.web.pages.figures.overview import four, of_sums
from clsh.web.pages.figures.troubles import SHOWN, troubles

if TYPE_CHECKING:
    from clsh.monitor.grid import Cluster
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    cluster = monitor.grid.clusters[asked.names["cluster"]]
    nodes = views.ordered(cluster)
    metrics = numeric(cluster)
    metric = asked.query.get("metric", "load_one")
    units = units_of(cluster, metric)
    cells = heat(asked, cluster.name, nodes, metric, units)
    overview = four(
        asked.words,
        (cluster.name, ""),
        of_sums(cluster.sums),
        cluster.sums,
        lambda name: asked.to_metric(cluster.name, name),
    )
    found = table.pick(nodes, asked)
    shown = found if asked.query.get("rows") == "all" else found[: table.ROWS]
    lines = troubles(monitor.alerts.active(), asked, cluster.name)
    values: dict[str, object] = {
        "facts": views.cluster_row(cluster),
        "cells": cells,
        "metric": metric,
        "metrics": metrics,
        "metric_link": asked.to_metric(cluster.name, metric),
        "legend": legend(asked.words, metric, cells.low, cells.high, units),
        "heads": table.heads(asked),
        "rows": table.rows(shown, asked),
        "found": len(found),
        "count": len(nodes),
        "troubles": lines[:SHOWN],
        "sick": [],
        "store_trouble": "",
        "more": max(0, len(lines) - SHOWN),
    }
    return Page(
        "cluster.html",
        values,
        "monitor",
        Watch.of(len(nodes), page="cluster", cluster=cluster.name),
        [Part("say"), Part("alerts"), Part("rows"), *([Part("cells")] if cells.named else [])],
        overview,
        {} if cells.named else {cluster.name: cells.data},
    )


def numeric(cluster: Cluster) -> list[str]:
    """Return the metrics that have a number on some node, in alphabetical order."""
    return sorted(set(cluster.sums) | {"load_one"})


def units_of(cluster: Cluster, metric: str) -> str:
    """Return the units of a metric, as a node of the cluster or else the catalogue has them."""
    for node in cluster.nodes.values():
        if metric in node.metrics:
            return node.metrics[metric].units
    return known(metric).units
