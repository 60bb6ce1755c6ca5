"""Answers about time and space: a metric over a range, and over all nodes of a cluster."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.answers import to_long_json
from clsh.web.api.grid import the_cluster, the_node
from clsh.web.asking import RefusedError, missing

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable

    from clsh.monitor.grid import NodeState
    from clsh.monitor.model import Line
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

_MOST_SERIES = 1000
_MOST_VALUES = 400_000
_FARTHEST_S = 10 * 366 * 86400.0


async def range_(site: Site, asked: Asked) -> object:
    """Answer lines over time: of nodes, else of a cluster, else of the grid."""
    start, end = asked.moment("start"), asked.moment("end")
    now = site.monitor.clock.unix()
    if not start < end:
        raise RefusedError(
            400,
            "the range ends before it begins",
            hint="start must be before end",
            parameter="start",
        )
    for name, at in (("start", start), ("end", end)):
        if abs(at - now) > _FARTHEST_S:
            raise RefusedError(
                400,
                f"the range goes farther than ten years from now: {name} is {at:.0f}",
                hint="a year is kept, by the hour",
                parameter=name,
            )
    series = _series(site, asked)
    points = asked.whole("points")
    if len(series) * points > _MOST_VALUES:
        raise RefusedError(
            400,
            f"{len(series)} series of {points} points are too many",
            hint=f"ask for at most {_MOST_VALUES} values at once",
            parameter="points",
        )
    lines = await site.monitor.range(series, start, end, points)
    rows = (_line_row(site, one, line) for one, line in zip(series, lines, strict=True))
    fields = {"start": lines[0].start, "step": lines[0].step_s}
    return await to_long_json(fields, "series", rows, at_once=1)


def _series(site: Site, asked: Asked) -> list[Series]:
    """Return what is asked for; names that nothing is remembered of are lines without values."""
    cluster, names, metrics = asked.text("cluster"), asked.many("node"), asked.many("metric")
    if names and not cluster:
        raise RefusedError(
            400,
            "the parameter 'cluster' is missing",
            hint="nodes are named within a cluster",
            parameter="cluster",
        )
    if cluster:
        the_cluster(site, cluster)
    for name in names:
        the_node(site, cluster, name)
    found = [Series(cluster, name, metric) for name in names or [""] for metric in metrics]
    if len(found) > _MOST_SERIES:
        raise RefusedError(400, f"{len(found)} series are too many", hint=f"ask for {_MOST_SERIES}")
    return found


def _line_row(site: Site, series: Series, line: Line) -> dict[str, object]:
    return {
        **series._asdict(),
        "units": units(site, series),
        "average": _numbers(line.average),
        "low": _numbers(line.low),
        "high": _numbers(line.high),
    }


def _numbers(values: array[float]) -> list[float | None]:
    # Seven digits are what is stored; more would only make the answer longer.
    return [float(f"{one:.7g}") if math.isfinite(one) else None for one in values]


def units(site: Site, series: Series) -> str:
    """Return the units of a series, as the node says them, else the catalogue."""
    from clsh.monitor.catalogue import METRICS

    cluster = site.monitor.grid.clusters.get(series.cluster)
    node = cluster.nodes.get(series.node) if cluster else None
    metric = node.metrics.get(series.metric) if node else None
    metric = metric or METRICS.get(series.metric)
    return metric.units if metric else ""


async def heat(site: Site, asked: Asked) -> object:
    """Answer one byte for each node of a cluster."""
    cluster = the_cluster(site, asked.text("cluster"))
    metric = asked.text("metric")
    nodes = views.ordered(cluster)
    if metric not in known_metrics(nodes):
        raise missing("metric", metric, sorted(known_metrics(nodes)))
    return {
        "version": site.monitor.grid.version,
        "cluster": cluster.name,
        **heat_of(nodes, metric),
        "units": units(site, Series(cluster.name, nodes[0].name if nodes else "", metric)),
    }


def heat_of(nodes: list[NodeState], metric: str) -> dict[str, object]:
    """Return the cells of a heatmap and what their bytes stand for."""
    low, high = views.heat_range(nodes, metric)
    cells = views.heat_bytes(nodes, metric, low, high)
    return {
        "metric": metric,
        "low": low,
        "high": high,
        "order": views.order_of(nodes),
        "cells": base64.b64encode(cells).decode(),
    }


def known_metrics(nodes: Iterable[NodeState]) -> set[str]:
    """Return the names of all metrics that some node has told, and of the load."""
    return {"load_one", *(name for node in nodes for name in node.values)}
