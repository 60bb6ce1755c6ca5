"""The chunks in the file: an hour written, kept resolutions read, the oldest removed."""

from __future__ import annotations

import sqlite3
import struct
from typing import TYPE_CHECKING

from clsh.base.db import DamagedError
from clsh.monitor.chunks.cells import fold
from clsh.monitor.chunks.records import (
    GROUP,
    HOURS,
    MINUTES,
    RAW_TICKS,
    RECORD,
    SILENT,
    SPAN_H,
    TIERS,
    pack,
    pack_raw,
    reduce_hour,
    unpack,
    unpack_raw,
)
from clsh.monitor.stores._format import GROUPS, numbers, row_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clsh.monitor.chunks.records import Tier
    from clsh.monitor.stores._journal import Journal

_AT_ONCE = 16  # rows removed in one step
_BLOCK = 4  # groups reduced in one step
_SLOT = GROUP * RECORD
_TABLES = ("raw", *(tier.table for tier in TIERS))  # the finest first


class Chunks:
    """The tables `raw`, `minutes`, `tens`, `hours` and `flushed` of one file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def ticks_of(self, hour: int) -> int | None:
        """Return how many ticks of an hour are in `raw`, None when it was never flushed."""
        query = "SELECT ticks FROM flushed WHERE hour = ?"
        found = self._db.execute(query, (hour,)).fetchone()
        return found[0] if found else None

    def raw(self, hour: int, group: int) -> dict[int, bytes]:
        """Return the ticks of a group by their milliseconds into the hour."""
        query = "SELECT data FROM raw WHERE id = ?"
        found = self._db.execute(query, (row_id(hour, group),)).fetchone()
        try:
            return unpack_raw(found[0]) if found else {}
        except struct.error as error:
            raise DamagedError(f"an hour of raw ticks is not whole: {error}") from error

    def rows(self, tier: Tier, periods: range, group: int) -> list[bytes]:
        """Return the rows of a group over some periods, all zero where there is none."""
        ids = {row_id(period, group): period for period in periods}
        found: dict[int, bytes] = dict(
            self._db.execute(
                f"SELECT id, data FROM {tier.table}"  # noqa: S608 - a name of ours
                " WHERE id IN (SELECT value FROM json_each(?))",
                (numbers(ids),),
            )
        )
        if any(len(row) != tier.row_bytes for row in found.values()):
            raise DamagedError(f"a row of {tier.table} has not its size")
        return [found.get(number) or bytes(tier.row_bytes) for number in ids]

    def oldest(self, table: str) -> int | None:
        """Return the first period (hour, day or span) in a table."""
        (least,) = self._db.execute(f"SELECT min(id) FROM {table}").fetchone()  # noqa: S608 - a name of ours
        return None if least is None else least >> 16

    def first_hour(self) -> int | None:
        """Return the first hour that is in the chunks in any resolution."""
        hour: int | None
        (hour,) = self._db.execute("SELECT min(hour) FROM flushed").fetchone()
        return hour

    def begins(self, tier: Tier, hour: int) -> bool:
        """Tell whether an hour is the first of its row in a tier."""
        first = hour // tier.hours * tier.hours
        query = "SELECT 1 FROM flushed WHERE hour BETWEEN ? AND ? LIMIT 1"
        return self._db.execute(query, (first, first + tier.hours - 1)).fetchone() is None

    def flush(self, journal: Journal, hour: int, groups: int) -> Iterator[None]:
        """Move an hour from the journal into the chunks, a little at a step.

        May be given up and begun anew at any step. An hour whose raw ticks are gone is joined
        with what is kept in one step, for that must not be done twice.
        """
        ticks = journal.ticks(hour)
        anew = self.ticks_of(hour) != 0
        most = 0
        for part in range(-(-groups // GROUPS)):
            rows = journal.part(ticks, part)
            ends = min(GROUPS, groups - part * GROUPS)
            for place in range(0, ends, _BLOCK):
                block = range(place, min(place + _BLOCK, ends))
                for count in self._flush_block(hour, part, block, rows, anew=anew):
                    most = max(most, count)
                    if anew:
                        yield
        if most:  # else the hour was silent, and nothing is kept of it
            self._db.execute(
                "INSERT OR REPLACE INTO flushed VALUES (?, ?)", (hour, most if anew else 0)
            )
        self._db.execute(
            "DELETE FROM ticks WHERE number IN (SELECT value FROM json_each(?))",
            (numbers(ticks.values()),),
        )
        if not journal.ticks(hour):
            journal.hours.discard(hour)
        yield
        for number in ticks.values():
            journal.drop(number)
            yield

    def _flush_block(
        self, hour: int, part: int, block: range, rows: dict[int, bytes], *, anew: bool
    ) -> Iterator[int]:
        """Write an hour of some groups of a part; yield how many ticks are written at each step."""
        place, width = 4 * GROUP * block.start, 4 * GROUP * len(block)
        own = {ms: row[place : place + width] for ms, row in rows.items()}
        first = part * GROUPS + block.start
        again = bool(self.ticks_of(hour))
        if again:
            own = {**self._raw_rows(hour, range(first, first + len(block))), **own}
        reduced = reduce_hour(own, GROUP * len(block))
        packed = reduced.packed()
        yield 0
        for at in range(len(block)):
            lanes = slice(at * GROUP, (at + 1) * GROUP)
            group = first + at
            if not any(reduced.hour.heard[lanes]) and not (again and self.raw(hour, group)):
                continue
            if anew:
                raw = {ms: row[4 * lanes.start : 4 * lanes.stop] for ms, row in own.items()}
                self._put("raw", row_id(hour, group), pack_raw(raw))
            for tier, records in zip(TIERS, packed, strict=True):
                starts = range(at * _SLOT, len(records), _SLOT * len(block))
                mine = b"".join([records[start : start + _SLOT] for start in starts])
                self._write_tier(tier, hour, group, mine, anew=anew)
            yield len(own)

    def _raw_rows(self, hour: int, groups: range) -> dict[int, bytes]:
        """Return the raw ticks of neighbouring groups as rows of all of them."""
        of_group = [self.raw(hour, group) for group in groups]
        silent = SILENT * GROUP
        times = {ms for rows in of_group for ms in rows}
        return {ms: b"".join([rows.get(ms, silent) for rows in of_group]) for ms in times}

    def _put(self, table: str, number: int, data: bytes) -> None:
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (number, data))  # noqa: S608 - a name of ours

    def _write_tier(self, tier: Tier, hour: int, group: int, records: bytes, *, anew: bool) -> None:
        """Write an hour into its place in a row of a tier, which is made when there is none."""
        period, hour_in_row = divmod(hour, tier.hours)
        number = row_id(period, group)
        if tier is MINUTES and anew:
            self._put(tier.table, number, records)
            return
        try:
            row = self._db.blobopen(tier.table, "data", number)
        except sqlite3.OperationalError:  # there is none yet
            self._db.execute(
                f"INSERT INTO {tier.table} VALUES (?, zeroblob(?))",  # noqa: S608 - a name of ours
                (number, tier.row_bytes),
            )
            row = self._db.blobopen(tier.table, "data", number)
        with row as blob:
            blob.seek(hour_in_row * len(records))
            if not anew:
                records = pack(fold([unpack(blob.read(len(records))), unpack(records)]))
                blob.seek(hour_in_row * len(records))
            blob.write(records)

    def age(self) -> Iterator[None]:
        """Remove what is over the numbers of rows that are kept, a few rows at a step."""
        (ticks,) = self._db.execute("SELECT total(ticks) FROM flushed").fetchone()
        while ticks > RAW_TICKS and (hour := self.oldest("raw")) is not None:
            ticks -= self.ticks_of(hour) or 0
            yield from self.remove("raw", hour)
        for tier in TIERS:
            while (period := self.oldest(tier.table)) is not None:
                (count,) = self._db.execute(
                    "SELECT count(DISTINCT hour / ?) FROM flushed WHERE hour >= ?",
                    (tier.hours, period * tier.hours),
                ).fetchone()
                if count <= tier.kept:
                    break
                yield from self.remove(tier.table, period)

    def remove(self, table: str, period: int) -> Iterator[None]:
        """Remove all up to a period from a table, and all that is as old from the finer ones."""
        hours = {"raw": 1, **{tier.table: tier.hours for tier in TIERS}}
        end = (period + 1) * hours[table]
        self._db.execute("UPDATE flushed SET ticks = 0 WHERE hour < ?", (end,))
        for name, length in hours.items():
            yield from self._remove_rows(name, row_id(end // length, 0))
            if name == table:
                break
        if table == HOURS.table:
            self._db.execute("DELETE FROM flushed WHERE hour < ?", (end,))

    def _remove_rows(self, table: str, before: int) -> Iterator[None]:
        query = (
            f"DELETE FROM {table} WHERE id IN"  # noqa: S608 - a name of ours
            f" (SELECT id FROM {table} WHERE id < ? LIMIT ?)"
        )
        while self._db.execute(query, (before, _AT_ONCE)).rowcount:
            yield

    def remove_oldest(self) -> Iterator[None]:
        """Remove the oldest of the finest detail that there is."""
        for table in _TABLES:
            period = self.oldest(table)
            if period is not None:
                yield from self.remove(table, period)
                return

    def is_empty(self) -> bool:
        """Tell whether there is nothing left to remove."""
        return all(self.oldest(table) is None for table in _TABLES)

    def silent_lanes(self, group: int) -> list[int]:
        """Return the places in a group of which nothing is kept."""
        heard = [False] * GROUP
        spans = self._db.execute("SELECT DISTINCT hour / ? FROM flushed", (SPAN_H,)).fetchall()
        for (span,) in spans:
            (row,) = self.rows(HOURS, range(span, span + 1), group)
            for lane in range(GROUP):
                heard[lane] = heard[lane] or any(unpack(row, lane, GROUP).heard)
        return [lane for lane, was in enumerate(heard) if not was]
