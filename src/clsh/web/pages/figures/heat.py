"""Heatmaps: the cells of a cluster, and the legend that says what the five steps are."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from clsh.web import views
from clsh.web.pages.figures.overview import memory_used, of_values
from clsh.web.pages.words import quantity, short, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.monitor.grid import NodeState
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.words import Words

ROOMY = 12  # so few nodes have cells that say all that the table says of them
NAMED = 64  # cells up to this number are large and carry their names
_LARGEST = 250
_NO_VALUE, _LOST = 254, 255
# The byte of each step's upper end; load is a share of the cores, 100 being all of them.
_LOAD_STEPS = (25, 50, 75, 100)
_FIFTHS = (50, 100, 150, 200)


@dataclass(frozen=True, slots=True)
class Cell:
    """A node in the heatmap; `level` is the class that colours it."""

    name: str
    link: str
    level: str
    text: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Heat:
    """The heatmap of a cluster; `data` is a byte for each node in base64."""

    cluster: str
    cells: Sequence[Cell]
    data: str
    steps: tuple[int, ...]
    low: float
    high: float
    units: str

    @property
    def named(self) -> bool:
        """Whether the cells are large enough for their names."""
        return len(self.cells) <= NAMED

    @property
    def roomy(self) -> bool:
        """Whether the cells say more than one figure."""
        return any(cell.more for cell in self.cells)


def heat(asked: Asked, cluster: str, nodes: Sequence[NodeState], metric: str, units: str) -> Heat:
    """Return the heatmap of a cluster by a metric."""
    low, high = views.heat_range(nodes, metric)
    data = views.heat_bytes(nodes, metric, low, high)
    steps = steps_of(metric)
    cells = [
        Cell(
            node.name,
            asked.to_node(cluster, node.name),
            level(byte, steps),
            asked.words.said("lost") if byte == _LOST else _text(node, metric),
        )
        for node, byte in zip(nodes, data, strict=True)
    ]
    return Heat(cluster, cells, base64.b64encode(data).decode(), steps, low, high, units)


def roomy(heat_: Heat, nodes: Sequence[NodeState], words: Words) -> Heat:
    """Return the heatmap by load with all that matters of each node, when they are few."""
    if len(nodes) > ROOMY:
        return heat_
    pairs = zip(heat_.cells, nodes, strict=True)
    return replace(heat_, cells=[_with_more(cell, node, words) for cell, node in pairs])


def _with_more(cell: Cell, node: NodeState, words: Words) -> Cell:
    if node.state != "up":
        return replace(cell, more=visible(node.reason))
    find = of_values(node.values)
    cores, idle = find("cpu_num"), find("cpu_idle")
    used, total = memory_used(find, node.values), find("mem_total")
    more = [words.tr("CPU {percent} %", percent=round(100 - idle))] if idle is not None else []
    if used is not None and total:
        more.append(words.tr("memory {percent} %", percent=round(100 * used / total)))
    of = words.tr("of {n} cores", n=f"{cores:,.0f}") if cores and cell.text else ""
    return replace(cell, text=f"{cell.text} {of}".strip(), more=", ".join(more))


def steps_of(metric: str) -> tuple[int, ...]:
    """Return the byte at which each step but the last ends."""
    return _LOAD_STEPS if metric == "load_one" else _FIFTHS


def level(byte: int, steps: Sequence[int]) -> str:
    """Return the class of a cell."""
    if byte == _LOST:
        return "lost"
    return "none" if byte == _NO_VALUE else f"l{sum(byte > step for step in steps)}"


def legend(words: Words, metric: str, low: float, high: float, units: str) -> list[tuple[str, str]]:
    """Return class and words of each step."""
    if metric == "load_one":
        steps = [words.tr("load under 25 % of the cores"), "25-50", "50-75", "75-100"]
        steps.append(words.tr("over 100 %"))
    else:
        ends = [low + (high - low) * step / 5 for step in range(6)]
        spans = pairwise(ends)
        steps = [f"{short(start, units, high)} - {short(end, units, high)}" for start, end in spans]
        unit = quantity(high, units)[1]
        if unit and unit not in steps[-1]:
            steps[-1] += f" {unit}"
    named = [(f"l{place}", text) for place, text in enumerate(steps)]
    return [*named, ("none", words.tr("no value yet")), ("lost", words.tr("lost"))]


def _text(node: NodeState, metric: str) -> str:
    value = node.values.get(metric)
    if not isinstance(value, (int, float)):
        return ""
    found = node.metrics.get(metric)
    return " ".join(quantity(value, found.units if found else "")).strip()
