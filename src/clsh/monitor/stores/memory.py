"""A store that lasts as long as the process, and that can be told to fail.

It keeps ticks whole, drops the oldest when `limit` is reached, and is what tests of other
rooms use: set `full` or `away` to see them refused.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from clsh.monitor.chunks.cells import nothing
from clsh.monitor.chunks.records import SILENT, stack
from clsh.monitor.chunks.steps import carried, line, steps
from clsh.monitor.model import Tick
from clsh.monitor.store import StoreError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.monitor.model import Layout, Line, Series
    from clsh.monitor.store import Store, StoreContext


def build(context: StoreContext) -> Store:
    """Make an empty store."""
    return MemoryStore(context)


class MemoryStore:
    """See `clsh.monitor.store.Store`; `full` refuses ticks, `away` everything."""

    def __init__(self, context: StoreContext) -> None:
        self._limit = context.limit
        self._interval_ms = max(1, round(context.interval_s * 1000))
        self._ticks: dict[int, tuple[Layout, array[float]]] = {}
        self._last: Tick | None = None
        self._size = 0
        self.full = False
        self.away = False

    def append(self, tick: Tick) -> None:
        """See Store.append."""
        self._here()
        values = array("f", tick.values)
        size = len(values) * values.itemsize
        if self.full or size > self._limit:
            raise StoreFullError("the store in memory is full")
        ms = round(tick.at * 1000)
        self._drop(ms)
        self._ticks[ms] = tick.layout, values
        self._size += size
        self._last = Tick(ms / 1000, tick.layout, array("d", values))
        while self._size > self._limit:
            self._drop(min(self._ticks))

    def range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        """See Store.range."""
        self._here()
        over = steps(start, end, points, self._interval_ms, self._interval_ms)
        if not over.points:
            return [line(nothing(0), over) for _ in series]
        rows = {
            ms: b"".join([_value(layout, values, name) for name in series])
            for ms, (layout, values) in self._ticks.items()
            if over.first - self._interval_ms <= ms < over.end
        }
        width = len(series)
        cells = stack(carried(rows, over, self._interval_ms), over.points, width)
        return [line(cells.select(slice(at, None, width)), over) for at in range(width)]

    def latest(self) -> Tick | None:
        """See Store.latest: the tick that was stored last."""
        self._here()
        return self._last

    def known(self) -> list[Series]:
        """See Store.known."""
        self._here()
        layouts = {id(layout): layout for layout, _ in self._ticks.values()}
        return list({name for layout in layouts.values() for name in layout.series})

    def trouble(self) -> str:
        """See Store.trouble."""
        return "the store in memory is away" if self.away else ""

    def size(self) -> int:
        """See Store.size: nothing is on disk, these are the bytes in memory."""
        return self._size

    def close(self) -> None:
        """See Store.close."""
        self._ticks.clear()

    def _here(self) -> None:
        if self.away:
            raise StoreError(self.trouble())

    def _drop(self, ms: int) -> None:
        if ms in self._ticks:
            _, values = self._ticks.pop(ms)
            self._size -= len(values) * values.itemsize


def _value(layout: Layout, values: array[float], name: Series) -> bytes:
    """Return one value of a tick as float32."""
    place = layout.index.get(name)
    return SILENT if place is None else values[place : place + 1].tobytes()
