"""The grid as rows for tables: the same numbers for the API, the pages and live updates.

Pure. Shares are of 1, the other units are those of the metrics; what is not known is None.
"""

from __future__ import annotations

import functools
import re
import zlib
from typing import TYPE_CHECKING, cast

from clsh.web.answers import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from clsh.monitor.alerts import Alert
    from clsh.monitor.grid import Cluster, Grid, NodeState
    from clsh.monitor.model import Health, Report, Sum

NODE_COLUMNS = (
    "name", "cluster", "address", "state", "reason", "since", "heard_at", "cores", "load_one",
    "load_share", "cpu_busy", "memory_used", "memory_total", "disk_free_percent",
    "disk_read", "disk_write", "bytes_in", "bytes_out", "boottime",
)  # fmt: skip
SORTS = (*NODE_COLUMNS, *(f"-{name}" for name in NODE_COLUMNS))
STATES = ("up", "lost", "new")
_NO_VALUE, _LOST = 254, 255
_LARGEST = 250
_DIGITS = re.compile(r"(\d+)")


@functools.lru_cache(maxsize=32768)
def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key to sort by: node2 before node10."""
    parts = _DIGITS.split(name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def ordered(cluster: Cluster) -> list[NodeState]:
    """Return the nodes of a cluster in the one order of tables and heatmaps."""
    return [cluster.nodes[name] for name in sorted(cluster.nodes, key=natural)]


def clusters(grid: Grid) -> list[Cluster]:
    """Return the clusters of the grid in their order."""
    return [grid.clusters[name] for name in sorted(grid.clusters, key=natural)]


def node_row(node: NodeState) -> dict[str, object]:
    """Return a node as a row, with the fields of NODE_COLUMNS."""
    value = node.values.get
    return {
        "name": node.name,
        "cluster": node.cluster,
        "address": node.address,
        "state": node.state,
        "reason": node.reason,
        "since": number(node.since),
        "heard_at": number(node.heard_at),
        "cores": number(node.cores),
        "load_one": number(value("load_one")),
        "load_share": number(node.load_share),
        "cpu_busy": number(node.cpu_busy),
        "memory_used": number(node.memory_used),
        "memory_total": number(value("mem_total")),
        "disk_free_percent": number(value("disk_free_percent")),
        "disk_read": number(value("disk_read")),
        "disk_write": number(value("disk_write")),
        "bytes_in": number(value("bytes_in")),
        "bytes_out": number(value("bytes_out")),
        "boottime": number(value("boottime")),
    }


def _totals(sums: Mapping[str, Sum]) -> dict[str, object]:
    def total(name: str) -> float | None:
        return number(sums[name].sum) if name in sums and sums[name].num else None

    def mean(name: str) -> float | None:
        return number(sums[name].sum / sums[name].num) if total(name) is not None else None

    load, cores, idle = total("load_one"), total("cpu_num"), mean("cpu_idle")
    memory, free = total("mem_total"), total("mem_available")
    if free is None and memory is not None:
        parts = (total("mem_free"), total("mem_buffers"), total("mem_cached"))
        free = None if parts[0] is None else sum(part or 0.0 for part in parts)
    return {
        "cores": cores,
        "load_one": load,
        "load_share": load / cores if load is not None and cores else None,
        "cpu_busy": None if idle is None else 100 - idle,
        "memory_used": None if memory is None or free is None else memory - free,
        "memory_total": memory,
    }


def cluster_row(cluster: Cluster) -> dict[str, object]:
    """Return a cluster as a row: its nodes counted, its sums over those that are up."""
    return {
        "name": cluster.name,
        "up": cluster.up,
        "lost": cluster.lost,
        "new": cluster.new,
        "heard_at": number(cluster.heard_at),
        **_totals(cluster.sums),
    }


def grid_row(grid: Grid) -> dict[str, object]:
    """Return the whole grid as a row, with the clusters that others watch for us."""
    return {
        "name": grid.name,
        "version": grid.version,
        "up": grid.up,
        "lost": grid.lost,
        "new": grid.new,
        **_totals(grid.sums),
    }


def report_row(report: Report) -> dict[str, object]:
    """Return a grid or cluster that somebody else watches as a row."""
    return {
        "name": report.name,
        "authority": report.authority,
        "up": report.up,
        "lost": report.down,
        "heard_at": number(report.at),
        **_totals(report.sums),
    }


def health_row(health: Health) -> dict[str, object]:
    """Return how a source fares as a row."""
    return {
        "source": health.source,
        "ok": health.ok,
        "reason": health.reason,
        "at": number(health.at),
    }


def alert_row(alert: Alert) -> dict[str, object]:
    """Return an alert as a row."""
    return {
        "rule": alert.rule,
        "cluster": alert.cluster,
        "node": alert.node,
        "metric": alert.metric,
        "value": shown(alert.value),
        "since": number(alert.since),
        "severity": alert.severity,
        "text": alert.text,
    }


def metric_rows(node: NodeState) -> list[dict[str, object]]:
    """Return all metrics of a node as rows, by group and name; `tn` is in seconds."""
    rows: list[dict[str, object]] = [
        {
            "name": name,
            "value": shown(node.values[name]),
            "units": metric.units,
            "title": metric.title,
            "group": metric.group,
            "type": metric.type,
            "tn": number(node.metric_tn_s(name)),
        }
        for name, metric in node.metrics.items()
    ]
    return sorted(rows, key=lambda row: (str(row["group"]), natural(str(row["name"]))))


def shown(value: object) -> str | float | None:
    """Return a value as JSON can hold it."""
    return value if isinstance(value, str) else number(value)


def chosen(
    nodes: Iterable[NodeState], *, states: Sequence[str] = (), text: str = "", sort: str = ""
) -> list[dict[str, object]]:
    """Return the rows of the nodes that match, in their order or by a column (`-`: downwards).

    `text` is looked for in names, addresses and reasons. What has no value comes last.
    """
    wanted = text.casefold()
    rows = [
        node_row(node)
        for node in nodes
        if (not states or node.state in states)
        and (not wanted or any(wanted in one.casefold() for one in _texts(node)))
    ]
    if sort:
        _sort(rows, sort.removeprefix("-"), downwards=sort.startswith("-"))
    return rows


def _texts(node: NodeState) -> tuple[str, ...]:
    return (node.name, node.address or "", node.reason or "")


def _sort(rows: list[dict[str, object]], column: str, *, downwards: bool) -> None:
    def words(row: dict[str, object]) -> object:
        return natural(str(row[column]))

    def numbers(row: dict[str, object]) -> object:
        return row[column]

    known = [row for row in rows if row[column] is not None]
    unknown = [row for row in rows if row[column] is None]
    key = words if any(isinstance(row[column], str) for row in known) else numbers
    known.sort(key=cast("Callable[[dict[str, object]], float]", key), reverse=downwards)
    rows[:] = known + unknown


def order_of(nodes: Sequence[NodeState]) -> str:
    """Return a short word that changes with the nodes or their order."""
    names = "\n".join(node.name for node in nodes)
    return f"{zlib.crc32(names.encode()):08x}"


def heat_value(node: NodeState, metric: str) -> float | None:
    """Return what a heatmap shows of a node: load as a share of its cores, others as they are."""
    return number(node.load_share if metric == "load_one" else node.values.get(metric))


def heat_range(nodes: Sequence[NodeState], metric: str) -> tuple[float, float]:
    """Return the values of the bytes 0 and 250: fixed for load and per cent, else as found."""
    if metric == "load_one":
        return 0.0, 2.5
    told = next((node for node in nodes if metric in node.values), None)
    if told and told.metrics[metric].units == "%":
        return 0.0, 100.0
    values = [one for node in nodes if node.state == "up" if (one := heat_value(node, metric))]
    return min([0.0, *values]), max([0.0, *values]) or 1.0


def heat_bytes(nodes: Sequence[NodeState], metric: str, low: float, high: float) -> bytes:
    """Return one byte for each node: 0 to 250 between `low` and `high`, 254 no value, 255 lost."""
    scale = _LARGEST / (high - low)
    return bytes(_heat_byte(node, metric, low, scale) for node in nodes)


def _heat_byte(node: NodeState, metric: str, low: float, scale: float) -> int:
    if node.state == "lost":
        return _LOST
    value = heat_value(node, metric)
    if node.state == "new" or value is None:
        return _NO_VALUE
    return max(0, min(_LARGEST, round((value - low) * scale)))
