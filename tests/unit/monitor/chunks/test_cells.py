from __future__ import annotations

import math
import struct
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.monitor.chunks.cells import Cells, fold, from_values, joined, nothing, to_floats
from clsh.monitor.chunks.records import pack, unpack

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
MOST = 3.4027e38
FINE = 2**-15  # of a value: what 16 significant bits leave


def row(*values: float) -> bytes:
    return array("f", values).tobytes()


def shown(cells: Cells) -> list[tuple[float, float, float]]:
    return list(zip(*to_floats(cells), strict=True))


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=40))
def test_a_value_is_its_own_average_and_its_band_holds_it(values: list[float]) -> None:
    for value, (average, low, high) in zip(values, shown(from_values(row(*values))), strict=True):
        if not abs(value) < MOST:
            assert math.isnan(average)
            assert math.isnan(low)
            assert math.isnan(high)
        else:
            assert average == value
            assert low <= value <= high
            assert high - low <= abs(value) * FINE + 1e-40


@settings(deadline=None)
@given(st.lists(st.lists(FLOATS, min_size=7, max_size=7), min_size=1, max_size=70))
def test_folding_is_what_a_loop_would_do(rows: list[list[float]]) -> None:
    found = shown(fold([from_values(row(*values)) for values in rows]))
    for lane, (average, low, high) in enumerate(found):
        values = [values[lane] for values in rows if abs(values[lane]) < MOST]
        if not values:
            assert math.isnan(average)
            continue
        size = max(map(abs, values))
        assert average == pytest.approx(sum(values) / len(values), abs=size * 1e-12 + 1e-45)
        assert low == pytest.approx(min(values), abs=size * FINE + 1e-40)
        assert low <= min(values)
        assert high >= max(values)
        assert high == pytest.approx(max(values), abs=size * FINE + 1e-40)


@settings(deadline=None)
@given(st.lists(st.lists(FLOATS, min_size=4, max_size=4), min_size=1, max_size=4))
def test_stored_cells_come_back(rows: list[list[float]]) -> None:
    cells = fold([from_values(row(*values)) for values in rows])
    records = pack(cells)
    assert len(records) == 9 * 4
    for lane in range(4):
        one = unpack(records, lane, 4)
        (average, low, high), exact = shown(one)[0], shown(cells)[lane]
        assert (math.isnan(average), math.isnan(low)) == (math.isnan(exact[0]),) * 2
        if not math.isnan(average):
            assert (low, high) == exact[1:]
            assert abs(average - exact[0]) <= abs(exact[0]) * FINE + 1e-40


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 100.0, 65535.0, -65535.0, 0.5, 2.0**100])
def test_round_values_are_exact(value: float) -> None:
    records = pack(fold([from_values(row(value))] * 3))
    assert shown(unpack(records)) == [(value, value, value)]


def test_nothing_is_zeros() -> None:
    assert pack(nothing(3)) == bytes(27)
    assert all(math.isnan(v) for lane in shown(unpack(bytes(27))) for v in lane)
    assert pack(from_values(row(float("nan")))) == bytes(9)


def test_any_pattern_of_bits_is_taken() -> None:
    """A NaN with all bits set may not spill into its neighbour."""
    odd = struct.pack("<4I", 0xFFFFFFFF, 0x7FFFFFFF, 0xFF800000, 0x80000000)
    cells = from_values(odd + row(5.0))
    assert list(cells.heard) == [0, 0, 0, 1, 1]
    assert shown(cells)[3:] == [(0, 0, 0), (5, 5, 5)]


def test_lanes_are_cut_and_joined() -> None:
    cells = from_values(row(*range(6)))
    halves = [fold([cells]).select(slice(3)), cells.select(slice(3, None))]
    assert shown(joined(halves)) == shown(cells)
    assert [list(part.mean) for part in cells.every(3)] == [[0, 3], [1, 4], [2, 5]]


def test_thousands_of_parts_are_no_recursion() -> None:
    assert fold([from_values(row(1.0))] * 40_000).mean[0] == 1
