"""What the scheduler of jobs is told of the nodes, out of what the monitor knows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.nodes.model import NodeLoad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.grid import Grid
    from clsh.monitor.model import Value


def of(grid: Grid, now: float) -> dict[str, NodeLoad]:
    """Return the load of each node that is up and told one, by its name; `now` in Unix seconds."""
    return {
        str(node.name): _load(node.values, now - (node.heard_at or now))
        for cluster in grid.clusters.values()
        for node in cluster.nodes.values()
        if node.state == "up" and "load_one" in node.values
    }


def _load(values: Mapping[str, Value], age_s: float) -> NodeLoad:
    return NodeLoad(
        _number(values, "load_one"),
        _number(values, "proc_run"),
        _number(values, "cpu_num") or 1.0,
        _number(values, "mem_available") or _number(values, "mem_free"),
        _number(values, "mem_total"),
        max(0.0, age_s),
    )


def _number(values: Mapping[str, Value], name: str) -> float:
    value = values.get(name, 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0
