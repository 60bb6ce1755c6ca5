"""Write the grid as the XML of gmond and gmetad, and find what a gmetad's query asks for.

Metrics that gmond has, too, are told in its units, so that graphs made for Ganglia fit. A
document is made piece by piece (one host, one summary), for the event loop to go on in
between.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from clsh.monitor import catalogue
from clsh.monitor.ganglia import units
from clsh.monitor.ganglia.markup import END, encoded, escaped, header, number, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clsh.monitor.grid import Cluster, Grid, NodeState
    from clsh.monitor.model import Metric, Report, Sum, Value


class Query(NamedTuple):
    """What is asked for: nothing named is the whole grid."""

    cluster: str = ""
    node: str = ""
    metric: str = ""
    summary: bool = False


ALL = Query()


def query(line: str) -> Query | None:
    """Return what a line asks for, `/cluster/host/metric?filter=summary` or less of it.

    None for what is no path. Names may be percent-encoded.
    """
    path, _, options = line.strip().partition("?")
    if not path.startswith("/"):
        return None
    names = [unquote(name) for name in path.split("/") if name]
    cluster, node, metric = (*names, "", "", "")[:3]
    return Query(cluster, node, metric, "filter=summary" in options.split("&"))


def gmond(grid: Grid, now: float) -> Iterator[bytes]:
    """Give the first cluster of the grid as its gmond does."""
    yield header("gmond")
    for cluster in list(grid.clusters.values())[:1]:
        yield from _cluster(cluster, ALL, at=now)
    yield END


def gmetad(grid: Grid, authority: str, now: float, asked: Query = ALL) -> Iterator[bytes]:
    """Give what is asked for of the grid as a gmetad does.

    What is not there is left out: then the answer is a GRID that holds nothing.
    """
    yield header("gmetad")
    yield _open_grid(grid.name, authority, now)
    clusters, reports = list(grid.clusters.values()), list(grid.reports.values())
    if asked.cluster:
        clusters = [cluster for cluster in clusters if cluster.name == asked.cluster]
        reports = [] if clusters else [one for one in reports if one.name == asked.cluster]
    elif asked.summary:
        yield _summary(grid.up, grid.lost, grid.sums, _defined(clusters, reports))
    for cluster in clusters:
        yield from _cluster(cluster, asked, at=cluster.heard_at or 0)
    for report in reports:
        begin = _open_grid(report.name, report.authority, report.at)
        yield begin + _summary(report.up, report.down, report.sums, report.metrics) + _GRID_END
    yield _GRID_END
    yield END


_GRID_END = b"</GRID>\n"


def _open_grid(name: str, authority: str, at: float) -> bytes:
    return encoded(
        f'<GRID NAME="{escaped(name)}" AUTHORITY="{escaped(authority)}" LOCALTIME="{whole(at)}">\n'
    )


def _cluster(cluster: Cluster, asked: Query, *, at: float) -> Iterator[bytes]:
    yield encoded(
        f'<CLUSTER NAME="{escaped(cluster.name)}" LOCALTIME="{whole(at)}" '
        'OWNER="unspecified" LATLONG="unspecified" URL="unspecified">\n'
    )
    nodes = list(cluster.nodes.values())
    if asked.summary and not asked.node:
        yield _summary(cluster.up, cluster.lost, cluster.sums, _defined([cluster]))
    else:
        for node in nodes:
            if node.state != "new" and asked.node in {"", node.name}:
                yield encoded("".join(_host(node, asked)))
    yield b"</CLUSTER>\n"


def _host(node: NodeState, asked: Query) -> Iterator[str]:
    """Give a host. Readers go by TN: ours is such that they take for down what is lost here."""
    tmax_s = max(1, math.ceil(node.tmax_s))
    down_s = 4 * tmax_s
    tn_s = whole(node.tn_s())
    tn_s = max(tn_s, down_s) if node.state == "lost" else min(tn_s, down_s - 1)
    yield (
        f'<HOST NAME="{escaped(node.name)}" IP="{escaped(node.address)}" '
        f'REPORTED="{whole(node.heard_at or 0)}" TN="{tn_s}" TMAX="{whole(tmax_s)}" '
        f'DMAX="{whole(node.dmax_s)}" LOCATION="unspecified" GMOND_STARTED="0" TAGS="">\n'
    )
    if not asked.summary:
        metrics = node.metrics
        for name, value in node.values.items():
            if asked.metric in {"", name}:
                parts = _parts(metrics.get(name) or catalogue.known(name), isinstance(value, str))
                text = _value(value, parts.factor)
                if text is not None:
                    tn_s = whole(node.metric_tn_s(name))
                    yield f'{parts.head} VAL="{text}" TN="{tn_s}"{parts.tail}'
    yield "</HOST>\n"


def _value(value: Value, factor: float) -> str | None:
    return escaped(value) if isinstance(value, str) else number(value / factor)


class _Parts(NamedTuple):
    """What of a METRIC element is the same for every node, and bytes in one of its units."""

    head: str
    tail: str
    factor: float


@functools.lru_cache(maxsize=4096)
def _parts(metric: Metric, text: bool) -> _Parts:
    wire = units.wire(metric.name)
    type_, shown, factor = (wire or units.Wire(metric.type, metric.units))[:3]
    if text or type_ == "string":
        type_ = "string" if text else "double"
    head = f'<METRIC NAME="{escaped(metric.name)}" TYPE="{type_}" UNITS="{escaped(shown)}"'
    described = {
        "GROUP": metric.group,
        "DESC": metric.description or metric.title,
        "TITLE": metric.title,
    }
    extra = "".join(
        f'<EXTRA_ELEMENT NAME="{key}" VAL="{escaped(value)}"/>\n'
        for key, value in described.items()
        if value
    )
    tail = (
        f' TMAX="{whole(metric.tmax_s)}" DMAX="{whole(metric.dmax_s)}" SLOPE="{metric.slope}" '
        f'SOURCE="gmond">\n<EXTRA_DATA>\n{extra}</EXTRA_DATA>\n</METRIC>\n'
    )
    return _Parts(head, tail, factor)


def _defined(clusters: Iterable[Cluster], reports: Iterable[Report] = ()) -> dict[str, Metric]:
    """Return the definitions that nodes and reports have given."""
    found: dict[str, Metric] = {}
    for cluster in clusters:
        for node in cluster.nodes.values():
            found.update(node.metrics)
    for report in reports:
        found.update(report.metrics)
    return found


def _summary(up: int, down: int, sums: Mapping[str, Sum], metrics: Mapping[str, Metric]) -> bytes:
    """Return HOSTS and METRICS. A sum is a double whatever its metric is, as gmetad has it."""
    lines = [f'<HOSTS UP="{up}" DOWN="{down}" SOURCE="gmetad"/>\n']
    for name, total in sums.items():
        metric = metrics.get(name) or catalogue.known(name)
        wire = units.wire(name)
        shown, factor = (wire.units, wire.factor) if wire else (metric.units, 1.0)
        if (text := number(total.sum / factor)) is not None:
            lines.append(
                f'<METRICS NAME="{escaped(name)}" SUM="{text}" NUM="{total.num}" TYPE="double" '
                f'UNITS="{escaped(shown)}" SLOPE="{metric.slope}" SOURCE="gmond">\n'
                "<EXTRA_DATA>\n</EXTRA_DATA>\n</METRICS>\n"
            )
    return encoded("".join(lines))
