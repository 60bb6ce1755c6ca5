"""The latest values of all nodes as OpenMetrics 1.0, and figures of our own process.

Values of nodes that are not up are left out: they would be old ones under a new time.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.web import views
from clsh.web.answers import Made

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.monitor.grid import NodeState
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

MEDIA = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_MOST_SAMPLES = 500_000
_MOST_FAMILIES = 5_000
_NODES_AT_ONCE = 50
_LEFT_OUT = "clsh_metrics_left_out"
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_:]", re.ASCII)
# These endings have a meaning of their own in OpenMetrics.
_RESERVED = re.compile(r"_(total|created|bucket|count|sum|info|gcount|gsum)$")


class _Families:
    """Samples by family, since a family must stand in one piece."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._owners = {_LEFT_OUT: ""}
        self._count = 0
        self.left_out = 0

    def gauge(
        self, name: str, labels: str, value: float, about: str = "", *, owner: str = ""
    ) -> None:
        """Add a sample; no family has two owners: the nodes' metric of that name, or us ("")."""
        family = _RESERVED.sub(r"_\1_", f"clsh_{_NOT_IN_A_NAME.sub('_', name)}")
        full = self._count >= _MOST_SAMPLES
        if (
            self._owners.setdefault(family, owner) != owner
            or full
            or (family not in self._lines and self._is_full())
        ):
            self.left_out += 1
            return
        lines = self._lines.get(family)
        if lines is None:
            head = f"# TYPE {family} gauge"
            lines = self._lines[family] = [head, f"# HELP {family} {_escaped(about)}"]
            if not about:
                lines.pop()
        lines.append(f"{family}{labels} {_written(value)}")
        self._count += 1

    def _is_full(self) -> bool:
        return len(self._lines) >= _MOST_FAMILIES

    def lines(self) -> Iterable[str]:
        """Yield all lines."""
        for lines in self._lines.values():
            yield from lines


async def metrics(site: Site, _asked: Asked) -> Made:
    """Answer all latest values; lets others have their turn now and then."""
    families = _Families()
    grid = site.monitor.grid
    families.gauge("live_viewers", "", site.live.viewers, "Open live connections")
    families.gauge("grid_version", "", grid.version, "Grows with every change of the grid")
    count = 0
    for cluster in views.clusters(grid):
        inside = _labels(cluster=cluster.name)
        for state, nodes in (("up", cluster.up), ("lost", cluster.lost), ("new", cluster.new)):
            labels = _labels(cluster=cluster.name, state=state)
            families.gauge("nodes", labels, nodes, "Nodes of the cluster in this state")
        if cluster.heard_at is not None:
            families.gauge("heard_seconds", inside, cluster.heard_at, "When it was heard, Unix")
        for node in views.ordered(cluster):
            _add_node(families, node)
            count += 1
            if count % _NODES_AT_ONCE == 0:
                await asyncio.sleep(0)
    own = await asyncio.to_thread(_own, site.control.started)
    left_out = [f"# TYPE {_LEFT_OUT} gauge", f"{_LEFT_OUT} {families.left_out}"]
    return Made("\n".join([*families.lines(), *left_out, *own, "# EOF", ""]).encode(), MEDIA)


def _add_node(families: _Families, node: NodeState) -> None:
    labels = _labels(cluster=node.cluster, node=node.name)
    families.gauge("node_up", labels, node.state == "up", "Whether the node is heard")
    if node.state != "up":
        return
    for name, metric in node.metrics.items():
        value = node.values[name]
        if not isinstance(value, str):
            about = metric.title or metric.description
            told = f"{about} ({metric.units})" if about and metric.units else about
            families.gauge(name, labels, value, told, owner=name)


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return clean.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _written(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if isinstance(value, (bool, int)) else repr(value)


def _own(started: float) -> list[str]:
    """Return the figures of this process, with the names that Prometheus' clients use."""
    times = os.times()
    lines = [
        "# TYPE process_cpu_seconds counter",
        f"process_cpu_seconds_total {times.user + times.system:.3f}",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {started:.3f}",
    ]
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names alone are counted
    except OSError:  # not Linux
        return lines
    return [
        *lines,
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}",
        "# TYPE process_open_fds gauge",
        f"process_open_fds {files}",
    ]
