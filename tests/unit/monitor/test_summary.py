from __future__ import annotations

import math
from array import array

import pytest

from clsh.monitor import summary
from clsh.monitor.model import Sum

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1.1e30, float("1e400"), 10**400, "1", None])
def test_what_is_no_number(value: object) -> None:
    assert summary.number(value) is None


@pytest.mark.parametrize("value", [0, -1, 2.5, 1e30, 2**64])
def test_what_is_a_number(value: float) -> None:
    assert summary.number(value) == float(value)


def test_columns_are_summed_without_what_is_not_there() -> None:
    rows = [array("d", [1, 10, NAN]), array("d", [2, NAN, NAN]), array("d", [3, 30, NAN])]
    found = summary.columns(("a", "b", "c"), rows)
    assert found == {"a": Sum(6, 3), "b": Sum(40, 2), "c": Sum(0, 0)}


def test_the_order_of_rows_does_not_matter() -> None:
    values = [1e16, 1.0, -1e16, 1e-9]
    for order in (values, values[::-1]):
        rows = [array("d", [value]) for value in order]
        assert summary.columns(("a",), rows)["a"].sum == 1.000000001


def test_sums_of_groups_come_together_without_hostile_numbers() -> None:
    groups = [{"a": Sum(1, 1)}, {"a": Sum(2, 3), "b": Sum(INF, 1)}, {"a": Sum(NAN, 1)}]
    assert summary.together([*groups, {"b": Sum(5, -2)}]) == {"a": Sum(3, 4)}


def test_names_of_summary_lines_have_no_sums() -> None:
    assert [summary.has_sum(name) for name in ("a", "a.num", "nodes.up", "nodes.lost")] == [
        True, False, False, False,
    ]  # fmt: skip
