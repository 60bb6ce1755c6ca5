"""The layout of chunks: groups of 32 series, an hour of ticks, slots of 9-byte records.

docs/design/store.md is the format. Rows are bytes of float32, one for each lane. Machines are
taken to be little-endian, as all that run this are.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from clsh.monitor.chunks.cells import Cells, averages, fold, from_keys, from_values, joined, nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROUP = 32
RECORD = 9
SILENT = b"\0\0\xc0\x7f"  # float32: not a number
HOUR_S = 3600
SPAN_H = 120


class Tier(NamedTuple):
    """A resolution that is kept: its table, its slot, hours in a row, rows kept of a group."""

    table: str
    slot_s: int
    hours: int
    kept: int

    @property
    def slots(self) -> int:
        """How many slots an hour has."""
        return HOUR_S // self.slot_s

    @property
    def row_bytes(self) -> int:
        """The length of a row."""
        return self.hours * self.slots * GROUP * RECORD


MINUTES = Tier("minutes", 60, 1, 169)
TENS = Tier("tens", 600, 24, 32)
HOURS = Tier("hours", 3600, SPAN_H, 74)
TIERS = (MINUTES, TENS, HOURS)

RAW_TICKS = 6000  # 25 hours at 15 s


class Reduced(NamedTuple):
    """An hour of some lanes in the resolutions of `TIERS`, slot after slot.

    `turned` are the minutes, those that are 10 apart beside each other: what is folded into
    tens is then in one piece, and costs a third.
    """

    turned: Cells
    tens: Cells
    hour: Cells

    def minutes(self) -> Cells:
        """Return the minutes in their order."""
        width = self.hour.lanes
        return joined([self.turned.select(slice(at, at + width)) for at in _turned(width)])

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """Return the records of `TIERS`, in order."""
        width = self.hour.lanes * RECORD
        turned = pack(self.turned)
        minutes = b"".join([turned[at : at + width] for at in _turned(width)])
        return minutes, pack(self.tens), pack(self.hour)


def reduce_hour(rows: Mapping[int, bytes], lanes: int) -> Reduced:
    """Return minutes, tens and the hour of rows by their milliseconds into it."""
    minutes = ((ms // 60_000, row) for ms, row in sorted(rows.items()))
    turned = stack(((minute % 10 * 6 + minute // 10, row) for minute, row in minutes), 60, lanes)
    tens = fold(_pieces(turned, 10))
    return Reduced(turned, tens, fold(_pieces(tens, 6)))


def _turned(width: int) -> list[int]:
    """Return where each minute stands among those that are turned."""
    return [(minute % 10 * 6 + minute // 10) * width for minute in range(60)]


def _pieces(cells: Cells, count: int) -> list[Cells]:
    length = cells.lanes // count
    return [cells.select(slice(at * length, (at + 1) * length)) for at in range(count)]


def stack(rows: Iterable[tuple[int, bytes]], slots: int, lanes: int) -> Cells:
    """Return `slots` times `lanes` cells of rows, each with its slot; those of one are folded.

    The first rows of all slots are folded with the second rows of all, and so on, so the work
    is one step for as many rows as the fullest slot has.
    """
    of_slot: list[list[bytes]] = [[] for _ in range(slots)]
    for slot, row in rows:
        of_slot[slot].append(row)
    silent = SILENT * lanes
    depth = max(map(len, of_slot), default=0)
    if not depth:
        return nothing(slots * lanes)
    return fold(
        [
            from_values(b"".join([own[at] if at < len(own) else silent for own in of_slot]))
            for at in range(depth)
        ]
    )


def pack(cells: Cells) -> bytes:
    """Return cells as records."""
    found = bytearray(RECORD * cells.lanes)
    for field, keys in enumerate((averages(cells), cells.low, cells.high)):
        stored = keys.tobytes()
        for byte in range(3):
            found[3 * field + byte :: RECORD] = stored[byte::4]
    return bytes(found)


def unpack(records: bytes, lane: int = 0, lanes: int = 1) -> Cells:
    """Return the cells of one lane of records that have `lanes` of them in each slot."""
    keys = [bytearray(4 * (len(records) // (RECORD * lanes))) for _ in range(3)]
    for field, part in enumerate(keys):
        for byte in range(3):
            part[byte::4] = records[RECORD * lane + 3 * field + byte :: RECORD * lanes]
    return from_keys(*keys)


def pack_raw(rows: Mapping[int, bytes]) -> bytes:
    """Return the raw chunk of a group's rows by their milliseconds into the hour."""
    times = sorted(rows)
    head = struct.pack(f"<H{len(times)}I", len(times), *times)
    return head + b"".join([rows[ms] for ms in times])


def unpack_raw(chunk: bytes) -> dict[int, bytes]:
    """Return a group's rows by their milliseconds into the hour; raises struct.error."""
    (count,) = struct.unpack_from("<H", chunk)
    start, width = 2 + 4 * count, 4 * GROUP
    times = struct.unpack_from(f"<{count}I{count * width}x", chunk, 2)
    return {
        ms: chunk[start + place * width : start + (place + 1) * width]
        for place, ms in enumerate(times)
    }
