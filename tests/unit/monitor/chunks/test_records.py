from __future__ import annotations

from array import array

from clsh.monitor.chunks.cells import to_floats
from clsh.monitor.chunks.records import (
    GROUP,
    TIERS,
    pack_raw,
    reduce_hour,
    stack,
    unpack,
    unpack_raw,
)


def row(*values: float) -> bytes:
    return array("f", values).tobytes()


def test_an_hour_is_reduced_in_all_resolutions() -> None:
    rows = {second * 1000: row(second, -second) for second in range(0, 3600, 15)}
    reduced = reduce_hour(rows, 2)
    minutes, tens, hour = (to_floats(c) for c in (reduced.minutes(), reduced.tens, reduced.hour))
    assert [len(part[0]) for part in (minutes, tens, hour)] == [120, 12, 2]
    assert list(minutes[0][::2]) == [60 * m + 22.5 for m in range(60)]
    assert list(minutes[0][1::2]) == [-60 * m - 22.5 for m in range(60)]
    assert (tens[0][2], tens[1][2], tens[2][2]) == (600 + 292.5, 600, 1185)
    assert [part[1] for part in hour] == [-1792.5, -3585, 0]


def test_packed_minutes_are_in_order() -> None:
    rows = {minute * 60_000: row(minute, 7) for minute in range(60)}
    reduced = reduce_hour(rows, 2)
    packed = reduced.packed()
    assert [len(part) for part in packed] == [9 * 2 * tier.slots for tier in TIERS]
    assert list(unpack(packed[0], 0, 2).mean) == list(range(60))
    assert unpack(packed[0], 0, 1).mean == reduced.minutes().mean


def test_an_average_is_the_mean_of_its_parts_not_of_all_ticks() -> None:
    rows = {0: row(0), 60_000: row(10), 75_000: row(10), 90_000: row(10)}
    assert reduce_hour(rows, 1).hour.mean[0] == 5


def test_a_silent_hour() -> None:
    assert not any(reduce_hour({}, 3).hour.heard)
    assert stack([], 0, 3).lanes == 0


def test_a_raw_chunk_comes_back() -> None:
    rows = {ms: row(*range(ms, ms + GROUP)) for ms in (1500, 3_599_999, 0)}
    assert unpack_raw(pack_raw(rows)) == rows
    assert unpack_raw(pack_raw({})) == {}


def test_the_rows_of_a_series_are_as_long_as_the_format_says() -> None:
    a_series = [tier.row_bytes // GROUP for tier in TIERS]
    assert a_series == [540, 1296, 1080]
    kept = sum(tier.kept * size for tier, size in zip(TIERS, a_series, strict=True))
    assert kept + 6000 * 4 < 240_000
