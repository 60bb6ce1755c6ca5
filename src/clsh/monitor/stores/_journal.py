"""The newest ticks, whole, until their hour is flushed; and the numbers of the series."""

from __future__ import annotations

import heapq
import struct
from array import array
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from clsh.base.db import DamagedError
from clsh.monitor.chunks.records import GROUP, SILENT
from clsh.monitor.model import Layout, Series, Tick
from clsh.monitor.store import StoreFullError
from clsh.monitor.stores._format import HOUR_MS, PART, numbers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

MOST = GROUP << 16  # series: the number of a group has 16 bits

_NAN = float("nan")


class Names:
    """The numbers of the series; kept in memory, `load` makes it what the file has."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.numbers: dict[Series, int] = {}
        self.end = 0
        self._free: list[int] = []
        self.load()

    def load(self) -> None:
        """Read all names anew, as after a transaction that was undone."""
        rows = self._db.execute("SELECT cluster, node, metric, id FROM series")
        self.numbers = {Series(*name): number for *name, number in rows}
        self.end = max(self.numbers.values(), default=-1) + 1
        self._free = sorted(set(range(self.end)) - set(self.numbers.values()))

    def ids(self, series: Sequence[Series]) -> array[int]:
        """Return the numbers of series, in order; those that have none get one."""
        new = [name for name in series if name not in self.numbers]
        if len(self.numbers) + len(new) > MOST:
            raise StoreFullError(
                f"there are more than {MOST:,} series", hint="watch fewer metrics, or fewer nodes"
            )
        for name in new:
            self.numbers[name] = heapq.heappop(self._free) if self._free else self.end
            self.end = max(self.end, self.numbers[name] + 1)
        self._db.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?)", ((self.numbers[name], *name) for name in new)
        )
        return array("I", map(self.numbers.__getitem__, series))

    def forget(self, gone: Iterable[int]) -> None:
        """Free the numbers of series of which nothing is kept."""
        self._db.executemany("DELETE FROM series WHERE id = ?", ((number,) for number in gone))
        self.load()


class Journal:
    """The ticks that are not yet flushed, as rows of float32 in the order of the numbers."""

    def __init__(self, db: sqlite3.Connection, names: Names) -> None:
        self._db = db
        self._names = names
        self._layout: Layout | None = None
        self._layout_id = 0
        self._arrange: Callable[[array[float]], Iterable[float]] = iter
        self._width = 0
        self.load()

    def load(self) -> None:
        """Take the state from the file, as after a transaction that was undone."""
        self._layout = None
        rows = self._db.execute("SELECT DISTINCT ms / ? FROM ticks", (HOUR_MS,))
        self.hours = {hour for (hour,) in rows}
        newest: tuple[int, int] | None = self._db.execute(
            "SELECT number, ms / ? FROM ticks ORDER BY number DESC LIMIT 1", (HOUR_MS,)
        ).fetchone()
        self.last_number, self.last_hour = newest or (0, 0)

    def append(self, tick: Tick) -> int:
        """Write a tick down, within a transaction; return how many bytes that were."""
        if tick.layout is not self._layout:
            self._arrange_for(tick.layout)
        ms = _ms(tick)
        number = self.last_number + 1
        replaced = self._db.execute("SELECT number FROM ticks WHERE ms = ?", (ms,)).fetchone()
        if replaced:
            self.drop(replaced[0])
        self._db.execute("INSERT INTO ticks VALUES (?, ?, ?)", (number, ms, self._layout_id))
        row = self._packed(tick.values)
        self._db.executemany(
            "INSERT INTO journal VALUES (?, ?)",
            (
                (number << 12 | part, row[at : at + 4 * PART])
                for part, at in enumerate(range(0, len(row), 4 * PART))
            ),
        )
        self.last_number, self.last_hour = number, ms // HOUR_MS
        self.hours.add(self.last_hour)
        return len(row)

    def drop(self, number: int) -> None:
        """Take a tick out."""
        self._db.execute("DELETE FROM ticks WHERE number = ?", (number,))
        self._db.execute(
            "DELETE FROM journal WHERE id BETWEEN ? AND ?", (number << 12, number << 12 | 0xFFF)
        )

    def give_up(self, hour: int) -> Iterator[None]:
        """Remove an hour, a tick at a step."""
        for number in self.ticks(hour).values():
            self.drop(number)
            yield
        if not self.ticks(hour):
            self.hours.discard(hour)

    def ticks(self, hour: int) -> dict[int, int]:
        """Return the numbers of the ticks of an hour by their milliseconds into it."""
        rows = self._db.execute(
            "SELECT ms, number FROM ticks WHERE ms BETWEEN ? AND ? ORDER BY ms",
            (hour * HOUR_MS, (hour + 1) * HOUR_MS - 1),
        )
        return {ms - hour * HOUR_MS: number for ms, number in rows}

    def part(self, ticks: dict[int, int], part: int) -> dict[int, bytes]:
        """Return full rows of the numbers from `part * PART` on, by moment; all silent, too."""
        rows: dict[int, bytes] = dict(
            self._db.execute(
                "SELECT id >> 12, data FROM journal"
                " WHERE id IN (SELECT value << 12 | ? FROM json_each(?))",
                (part, numbers(ticks.values())),
            )
        )
        return {
            ms: row + SILENT * (PART - len(row) // 4)
            for ms, row in ((ms, rows.get(number, b"")) for ms, number in ticks.items())
        }

    def newest(self) -> Tick | None:
        """Return the tick that was stored last."""
        found = self._db.execute(
            "SELECT number, ms, ids FROM ticks JOIN layouts ON layouts.id = ticks.layout"
            " ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if found is None:
            return None
        number, ms, stored = found
        ids = _from_little("I", stored)
        row = self._db.execute(
            "SELECT data FROM journal WHERE id BETWEEN ? AND ? ORDER BY id",
            (number << 12, number << 12 | 0xFFF),
        )
        values = _from_little("f", b"".join(data for (data,) in row))
        names = {number: name for name, number in self._names.numbers.items()}
        try:
            layout = Layout(tuple(names[number] for number in ids))
            return Tick(ms / 1000, layout, array("d", [values[number] for number in ids]))
        except LookupError as error:
            raise DamagedError("a tick has not all of its values") from error

    def clean(self) -> None:
        """Remove layouts without ticks, and values whose tick went when the process died."""
        self._db.execute("DELETE FROM layouts WHERE id NOT IN (SELECT layout FROM ticks)")
        self._db.execute("DELETE FROM journal WHERE id >> 12 NOT IN (SELECT number FROM ticks)")
        self._layout = None

    def in_use(self) -> set[int]:
        """Return the numbers of all series in the layouts of the journal."""
        layouts = self._db.execute("SELECT ids FROM layouts")
        return {number for (ids,) in layouts for number in _from_little("I", ids)}

    def _arrange_for(self, layout: Layout) -> None:
        """Prepare how values of a layout are brought into the order of the numbers."""
        ids = self._names.ids(layout.series)
        stored = ids.tobytes()
        known = self._db.execute("SELECT id FROM layouts WHERE ids = ?", (stored,)).fetchone()
        if known is None:
            query = "INSERT INTO layouts(ids) VALUES (?) RETURNING id"
            known = self._db.execute(query, (stored,)).fetchone()
        self._layout_id = known[0]
        self._width = max(ids, default=-1) + 1
        if ids == array("I", range(len(ids))):
            self._arrange = iter
        else:
            where = dict(zip(ids, range(len(ids)), strict=True))
            pick: Any = itemgetter(*(where.get(number, len(ids)) for number in range(self._width)))
            self._arrange = lambda values: pick([*values, _NAN])
        self._layout = layout

    def _packed(self, values: array[float]) -> bytes:
        arranged = self._arrange(values)
        try:
            return struct.pack(f"<{self._width}f", *arranged)
        except OverflowError:  # beyond float32: kept as infinite, which counts as not heard
            return array("f", self._arrange(values)).tobytes()


def hour_of(tick: Tick) -> int:
    """Return the hour of a tick, counted from 1970."""
    return _ms(tick) // HOUR_MS


def _ms(tick: Tick) -> int:
    return round(tick.at * 1000)


def _from_little(kind: str, stored: bytes) -> array[Any]:
    found: array[Any] = array(kind)
    found.frombytes(stored)
    return found


def picker(lanes: Sequence[int]) -> Callable[[bytes], bytes]:
    """Return what takes some values out of a row of float32."""
    first, last = lanes[0], lanes[-1]
    if list(lanes) == list(range(first, last + 1)):
        return itemgetter(slice(4 * first, 4 * last + 4))
    pick: Any = itemgetter(*lanes)
    pack = struct.Struct(f"{len(lanes)}f").pack
    return lambda row: pack(*pick(memoryview(row).cast("f")))
