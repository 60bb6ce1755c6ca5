"""Sums of metrics over nodes: what a cluster and the grid do as a whole. Pure."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from clsh.monitor.model import Sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Beyond it no machine tells anything; ten to the eighth of them still fit into a float32.
LARGEST = 1e30
NODES_UP, NODES_LOST = "nodes.up", "nodes.lost"


def number(value: object) -> float | None:
    """Return a value as a number to be summed, None for what cannot be one (text, NaN, 1e400)."""
    if not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def has_sum(name: str) -> bool:
    """Tell whether a metric has a sum: its name must not be that of another summary line."""
    return not name.endswith(".num") and name not in {NODES_UP, NODES_LOST}


def columns(names: Sequence[str], rows: Iterable[array[float]]) -> dict[str, Sum]:
    """Return the sum of each column over rows that have their values in the order of `names`.

    NaN stands for no value. Sums are exact, so the order of rows does not matter.
    """
    table = array("d")
    for row in rows:
        table.extend(row)
    width = len(names)
    return {name: _column(table[place::width]) for place, name in enumerate(names)}


def _column(values: array[float]) -> Sum:
    total = math.fsum(values)
    if not math.isnan(total):
        return Sum(total, len(values))
    there = [value for value in values if not math.isnan(value)]
    return Sum(math.fsum(there), len(there))


def together(many: Iterable[Mapping[str, Sum]]) -> dict[str, Sum]:
    """Return the sums over several groups of nodes; numbers that no sum can hold are left out."""
    parts: dict[str, list[Sum]] = {}
    for sums in many:
        for name, one in sums.items():
            if number(one.sum) is not None and one.num >= 0:
                parts.setdefault(name, []).append(one)
    return {
        name: Sum(math.fsum(one.sum for one in found), sum(one.num for one in found))
        for name, found in parts.items()
    }
