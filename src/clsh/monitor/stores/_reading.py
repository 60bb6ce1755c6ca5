"""Lines read from the embedded store: of which resolution, from chunks and journal alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clsh.monitor.chunks.cells import Cells, fold, joined
from clsh.monitor.chunks.records import (
    GROUP,
    HOUR_S,
    MINUTES,
    SILENT,
    TIERS,
    reduce_hour,
    stack,
    unpack,
)
from clsh.monitor.chunks.steps import carried, line, steps
from clsh.monitor.stores._format import HOUR_MS, PART
from clsh.monitor.stores._journal import picker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.monitor.chunks.records import Tier
    from clsh.monitor.chunks.steps import Steps
    from clsh.monitor.model import Line
    from clsh.monitor.stores._chunks import Chunks
    from clsh.monitor.stores._journal import Journal


class Reader:
    """Answers questions about series by their numbers."""

    def __init__(self, chunks: Chunks, journal: Journal, interval_s: float) -> None:
        self._chunks = chunks
        self._journal = journal
        self._interval_ms = max(1, round(interval_s * 1000))

    def lines(self, ids: Sequence[int], start: float, end: float, points: int) -> list[Line]:
        """Return the line of each number, over the same steps; the numbers are sorted."""
        tier = self._tier(start, (end - start) / max(points, 1))
        if tier is None:
            over = steps(start, end, points, self._interval_ms, self._interval_ms)
            return self._from_ticks(ids, over)
        over = steps(start, end, points, tier.slot_s * 1000, self._interval_ms * 3 // 2)
        return self._from_tier(tier, ids, over)

    def _tier(self, start: float, wanted_s: float) -> Tier | None:
        """Return the resolution that is enough and reaches back to `start`; None is the ticks."""
        first = self._chunks.first_hour()
        if first is None:
            first = min(self._journal.hours, default=0)
        reached = max(math.floor(start / HOUR_S), first)
        enough = max((t.slot_s for t in TIERS if t.slot_s <= wanted_s), default=0)
        if not enough and self._reaches("raw", 1, reached):
            return None
        for tier in TIERS[:-1]:
            if tier.slot_s >= enough and self._reaches(tier.table, tier.hours, reached):
                return tier
        return TIERS[-1]

    def _reaches(self, table: str, hours: int, reached: int) -> bool:
        oldest = self._chunks.oldest(table)
        if oldest is None:  # nothing is flushed, or no such detail is kept
            return self._chunks.first_hour() is None
        return oldest * hours <= reached

    def _from_ticks(self, ids: Sequence[int], over: Steps) -> list[Line]:
        hours = range(over.first // HOUR_MS - 1, -(-over.end // HOUR_MS))
        rows: dict[int, bytes] = {}
        for hour in hours if over.points else ():
            for ms, row in self._hour(ids, hour).items():
                rows[hour * HOUR_MS + ms] = row
        width = len(ids)
        cells = stack(carried(rows, over, self._interval_ms), over.points, width)
        return [line(cells.select(slice(at, None, width)), over) for at in range(width)]

    def _hour(self, ids: Sequence[int], hour: int) -> dict[int, bytes]:
        """Return the ticks of an hour, those that are flushed and those that are not."""
        found: dict[int, bytes] = {}
        if self._chunks.ticks_of(hour):
            found = _joined(ids, GROUP, lambda group: self._chunks.raw(hour, group))
        if hour in self._journal.hours:
            ticks = self._journal.ticks(hour)
            found |= _joined(ids, PART, lambda part: self._journal.part(ticks, part))
        return found

    def _from_tier(self, tier: Tier, ids: Sequence[int], over: Steps) -> list[Line]:
        slot_ms = tier.slot_s * 1000
        row_ms = tier.hours * HOUR_MS
        periods = range(over.first // row_ms, -(-over.end // row_ms))
        begin = periods.start * row_ms
        lines: list[Line | None] = [None] * len(ids)
        fresh = self._fresh(tier, ids, over)
        for group, places in _blocks(ids, GROUP).items():
            records = b"".join(self._chunks.rows(tier, periods, group)) if over.points else b""
            for place in places:
                cells = unpack(records, ids[place] % GROUP, GROUP)
                for hour, (anew, reduced) in fresh.items():
                    at = (hour * HOUR_MS - begin) // slot_ms
                    own = reduced.select(slice(place, None, len(ids)))
                    cells = _put(cells, at, own, anew=anew)
                shown = slice((over.first - begin) // slot_ms, (over.end - begin) // slot_ms)
                lines[place] = line(cells.select(shown), over, over.step // slot_ms)
        return [found for found in lines if found is not None]

    def _fresh(self, tier: Tier, ids: Sequence[int], over: Steps) -> dict[int, tuple[bool, Cells]]:
        """Return the hours that are not all flushed, reduced as a flush would, and if anew."""
        found: dict[int, tuple[bool, Cells]] = {}
        for hour in self._journal.hours:
            if over.first < (hour + 1) * HOUR_MS and hour * HOUR_MS < over.end:
                reduced = reduce_hour(self._hour(ids, hour), len(ids))
                cells = reduced.minutes() if tier is MINUTES else reduced[TIERS.index(tier)]
                found[hour] = self._chunks.ticks_of(hour) != 0, cells
        return found


def _joined(
    ids: Sequence[int], size: int, read: Callable[[int], dict[int, bytes]]
) -> dict[int, bytes]:
    """Return rows of just these numbers, read from rows of `size` neighbours each."""
    pieces: list[tuple[int, Callable[[bytes], bytes], dict[int, bytes]]] = []
    for block, places in _blocks(ids, size).items():
        pick = picker([ids[place] % size for place in places])
        pieces.append((len(places), pick, read(block)))
    times = {ms for _, _, rows in pieces for ms in rows}
    return {
        ms: b"".join(
            [pick(rows[ms]) if ms in rows else SILENT * width for width, pick, rows in pieces]
        )
        for ms in times
    }


def _blocks(ids: Sequence[int], size: int) -> dict[int, list[int]]:
    """Return the places of numbers by the block of `size` neighbours that they are in."""
    found: dict[int, list[int]] = {}
    for place, number in enumerate(ids):
        found.setdefault(number // size, []).append(place)
    return found


def _put(cells: Cells, at: int, own: Cells, *, anew: bool) -> Cells:
    """Return cells with those of one hour replaced, or joined when their ticks are not kept."""
    end = at + own.lanes
    if not anew:
        own = fold([cells.select(slice(at, end)), own])
    return joined([cells.select(slice(at)), own, cells.select(slice(end, None))])
