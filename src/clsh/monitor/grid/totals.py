"""The summary lines of a cluster or of the grid, and the last hour of them."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from clsh.monitor.grid.history import History
from clsh.monitor.model import Series
from clsh.monitor.summary import NODES_LOST, NODES_UP, has_sum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.grid.world import World
    from clsh.monitor.model import Sum

MOST_SUMS = 2000


class Totals:
    """For each metric a line of sums and one of how many nodes are in it, and two of nodes.

    A line stays when nobody is up to be summed, so that the layout stays.
    """

    def __init__(self, world: World, cluster: str) -> None:
        self._world = world
        self._cluster = cluster
        self._sums: tuple[str, ...] = ()
        self._names: tuple[str, ...] = (NODES_UP, NODES_LOST)
        self._history = History(world.moments.size, len(self._names))
        self.series = self._lines()

    def write(self, place: int, sums: Mapping[str, Sum], up: int, lost: int) -> array[float]:
        """Write the row of a tick and return it."""
        if not sums.keys() <= set(self._sums):
            self._widen(sums)
        row = array("d")
        for name in self._sums:
            one = sums.get(name)
            row.append(one.sum if one and one.num else math.nan)
            row.append(one.num if one else 0)
        row.append(up)
        row.append(lost)
        self._history.write(place, row)
        return row

    def column(self, metric: str) -> array[float] | None:
        """Return the values of a line by the places of the ticks."""
        if metric not in self._names:
            return None
        return self._history.column(self._names.index(metric))

    def _widen(self, sums: Mapping[str, Sum]) -> None:
        wanted = [name for name in sums if name not in self._sums and has_sum(name)]
        kept = tuple(sorted((*self._sums, *wanted[: MOST_SUMS - len(self._sums)])))
        if kept == self._sums:
            return
        self._sums = kept
        before = self._names
        pairs = ((name, f"{name}.num") for name in self._sums)
        self._names = (*(name for pair in pairs for name in pair), NODES_UP, NODES_LOST)
        self._history = self._history.reshaped(before, self._names)
        self.series = self._lines()
        self._world.lay_out_anew()

    def _lines(self) -> tuple[Series, ...]:
        return tuple(Series(self._cluster, "", name) for name in self._names)
