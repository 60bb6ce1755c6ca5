"""Where a task runs and how its nodes fare: their names, why these, and charts over its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.model import Series
from clsh.web import views
from clsh.web.pages.figures.charts import Chart, Want, busy, less, plain
from clsh.web.pages.figures.overview import memory_parts, memory_used, of_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.jobs.model import Task
    from clsh.monitor.grid import Grid, NodeState
    from clsh.web.pages.asked import Asked

MOST_NODES = 8  # as many as there are colours that can be told apart
_SHOWN = 64


def nodes(grid: Grid, task: Task) -> list[NodeState]:
    """Return the nodes of a task that monitoring knows, the first ones of many."""
    found = (_find(grid, place.node) for place in task.places[:_SHOWN])
    return [node for node in found if node][:MOST_NODES]


def places(asked: Asked, grid: Grid, task: Task) -> list[tuple[str, str, int]]:
    """Return name, address and ranks of each node of a task; "" where monitoring has none."""
    found: list[tuple[str, str, int]] = []
    for place in task.places[:_SHOWN]:
        node = _find(grid, place.node)
        link = asked.to_node(node.cluster, node.name) if node else ""
        found.append((place.node, link, place.ranks))
    return found


def _find(grid: Grid, name: str) -> NodeState | None:
    return next((one.nodes[name] for one in views.clusters(grid) if name in one.nodes), None)


def charts(asked: Asked, shown: list[NodeState], *, now: bool) -> list[Chart]:
    """Return load, CPU, memory and network, with a line for each node.

    With `now` the titles have the values of this moment, which are the task's while it runs.
    """
    words = asked.words
    cores = shown[0].cores or 0 if len(shown) == 1 else 0

    def one(node: NodeState, *names: str) -> tuple[Series, ...]:
        return tuple(Series(node.cluster, node.name, name) for name in names)

    def values(of: Callable[[NodeState], float | None]) -> tuple[float | None, ...]:
        return tuple(of(node) for node in shown) if now else ()

    if not shown:
        return []
    return [
        Chart(
            "load",
            words.said("Load"),
            "",
            tuple(Want(node.name, one(node, "load_one"), plain) for node in shown),
            values(lambda node: of_values(node.values)("load_one")),
            words.tr("of {n} cores", n=f"{cores:,}") if cores and now else "",
            cores or None,
        ),
        Chart(
            "cpu",
            words.said("CPU"),
            "%",
            tuple(Want(node.name, one(node, "cpu_idle"), busy) for node in shown),
            values(lambda node: node.cpu_busy),
            top=100,
        ),
        Chart(
            "memory",
            words.said("Memory"),
            "bytes",
            tuple(Want(node.name, one(node, *memory_parts(node.values)), less) for node in shown),
            values(lambda node: memory_used(of_values(node.values), node.values)),
        ),
        Chart(
            "network",
            words.said("Network in"),
            "bytes/s",
            tuple(Want(node.name, one(node, "bytes_in"), plain) for node in shown),
            values(lambda node: of_values(node.values)("bytes_in")),
        ),
    ]
