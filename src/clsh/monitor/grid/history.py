"""The last hour in memory: one row of float32 for each tick, in a ring. Pure.

All rings of a grid turn together, so the moments of the ticks are kept once. A day's
jump of the clock only shortens what can be shown: moments that are not in order are left out.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPAN_S = 3600.0
MOST_TICKS = 720  # an hour at 5 s; at shorter intervals memory goes back less far

_NAN = math.nan


def ring_size(interval_s: float) -> int:
    """Return how many ticks are kept: a little over an hour of them, as far as they are few."""
    return min(math.ceil(SPAN_S / interval_s) + 2, MOST_TICKS)


class Moments:
    """When the ticks were: Unix seconds, by their place in the rings."""

    __slots__ = ("_at", "_count", "_window")

    def __init__(self, size: int) -> None:
        self._at = array("d", bytes(8 * size))
        self._count = 0
        self._window: list[tuple[int, float]] = []

    @property
    def size(self) -> int:
        """How many ticks are kept."""
        return len(self._at)

    def push(self, at: float) -> int:
        """Begin a tick and return its place in the rings."""
        place = self._count % self.size
        self._at[place] = at
        self._count += 1
        self._window = self._in_order()
        return place

    def window(self) -> Sequence[tuple[int, float]]:
        """Return place and moment of the ticks of the last hour, the newest last."""
        return self._window

    def _in_order(self) -> list[tuple[int, float]]:
        newest = self._at[(self._count - 1) % self.size]
        found: list[tuple[int, float]] = []
        for back in range(1, min(self._count, self.size) + 1):
            place = (self._count - back) % self.size
            at = self._at[place]
            if (found and at >= found[-1][1]) or at < newest - SPAN_S:
                break
            found.append((place, at))
        found.reverse()
        return found


class Shape:
    """The names of the numbers that a node tells, in their order; nodes alike share one."""

    __slots__ = ("__weakref__", "index", "names", "nothing")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.index = {name: place for place, name in enumerate(names)}
        self.nothing = array("d", [_NAN]) * len(names)


class Shapes:
    """The shapes in use, each once."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[str, ...], Shape] = WeakValueDictionary()

    def of(self, names: Iterable[str]) -> Shape:
        """Return the shape with exactly these names."""
        key = tuple(sorted(names))
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = Shape(key)
        return shape


class History:
    """The rows of one node, or of one summary."""

    __slots__ = ("_cells", "_size", "_width")

    def __init__(self, size: int, width: int) -> None:
        self._size = size
        self._width = width
        self._cells = array("f", [_NAN]) * (size * width)

    def write(self, place: int, row: array[float]) -> None:
        """Put the row of a tick in its place."""
        begin = place * self._width
        self._cells[begin : begin + self._width] = array("f", row)

    def column(self, number: int) -> array[float]:
        """Return one value of each row, by the place of the tick."""
        return self._cells[number :: self._width]

    def reshaped(self, old: Sequence[str], new: Sequence[str]) -> History:
        """Return the same rows with other columns; what was not there is NaN."""
        fresh = History(self._size, len(new))
        before = {name: number for number, name in enumerate(old)}
        for number, name in enumerate(new):
            if name in before:
                fresh._cells[number :: fresh._width] = self.column(before[name])
        return fresh
