"""Tables: what a node sent cannot act on the terminal, and columns stand below each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.base.errors import UsageError
from clsh.cli.monitoring import columns
from clsh.cli.monitoring.table import (
    Column,
    column_named,
    cut,
    fit,
    lines,
    ordered,
    plain,
    styled,
    width,
    without_style,
)
from tests.unit.cli.monitoring.samples import NODES, process

Pair = tuple[str, float | None]
NAME: Column[Pair] = Column("name", "NAME", lambda row: row[0], number=False)
SIZE: Column[Pair] = Column("size", "SIZE", lambda row: row[1], lambda value: f"{value:.0f}")


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07",
        "a\rb",
        "a\nb",
        "\x1b[31mred",
        "\x9b2J",
        "‮evil",
        "\t",
        "\udc9b1m",
        "a\x00b",
        "\u2028",
    ],
)
def test_a_cell_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable() or not shown
    assert width(shown) == sum(map(width, shown))


@given(st.text())
def test_any_text_is_safe(text: str) -> None:
    assert plain(text).isprintable()


def test_a_korean_character_is_two_places_wide() -> None:
    assert width("노드1") == 5
    assert fit("노드1", 7) == "노드1  "
    assert fit("노드1", 7, right=True) == "  노드1"


@given(st.text(alphabet="ab한글中e\u0301"), st.integers(1, 9))
def test_a_cut_text_has_its_width(text: str, places: int) -> None:
    assert width(cut(text, places)) <= places
    assert width(fit(text, places)) == places


def test_a_cut_shows_that_it_is_one() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
    assert cut("abcd", 0) == ""


def test_columns_are_aligned_by_display_width() -> None:
    assert lines([NAME, SIZE], [("노드", 5.0), ("node10", 123456.0), ("x", None)]) == [
        "NAME      SIZE",
        "노드         5",
        "node10  123456",
        "x            -",
    ]


def test_no_line_is_wider_than_the_terminal() -> None:
    rows = [("한글" * 20, 1.0), ("b", 2.0)]
    for places in (5, 10, 30):
        assert all(width(line) <= places for line in lines([SIZE, NAME], rows, places))
        assert all(width(line) <= places for line in lines([NAME, SIZE], rows, places))


@pytest.mark.parametrize("colour", [False, True])
def test_numbers_at_the_right_are_left_out_first(colour: bool) -> None:
    shown = [without_style(line) for line in lines(columns.NODES, NODES, 60, colour=colour)]
    head = ["NODE", "STATE", "LOAD", "CPU", "MEM", "USED", "IN/s", "CLUSTER"]
    assert shown[0].split() == head
    assert all(width(line) <= 60 for line in shown)
    assert shown[1].endswith("lab")
    processes = lines(columns.PROCESSES, [process(command="x" * 99)], 50)
    assert processes[0].split() == ["NODE", "PID", "USER", "STATE", "CPU%", "RSS", "COMMAND"]
    assert processes[1].endswith("xx…")


def test_an_empty_table_is_its_head() -> None:
    assert lines([NAME, SIZE], []) == ["NAME  SIZE"]


def test_colours() -> None:
    red: Column[Pair] = Column(
        "name", "NAME", lambda row: row[0], number=False, style=lambda _: "31"
    )
    assert lines([red], [("a", 1.0)], colour=True) == ["NAME", "\x1b[31ma   \x1b[0m"]
    assert without_style(styled("a", "1")) == "a"
    narrow = lines([red, SIZE], [("abc", 1.0)], 9, colour=True)
    assert [width(without_style(line)) for line in narrow] == [9, 9]


def test_numbers_begin_with_the_largest_and_names_with_the_first() -> None:
    rows: list[Pair] = [("node10", 1.0), ("node2", None), ("a", 3.0)]
    assert [row[0] for row in ordered(rows, NAME)] == ["a", "node2", "node10"]
    assert [row[0] for row in ordered(rows, NAME, reverse=True)] == ["node10", "node2", "a"]
    assert [row[1] for row in ordered(rows, SIZE)] == [3.0, 1.0, None]
    assert [row[1] for row in ordered(rows, SIZE, reverse=True)] == [1.0, 3.0, None]


@given(st.lists(st.text(alphabet="a1٣²-")))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert sorted(names) == sorted(row[0] for row in ordered([(n, 0.0) for n in names], NAME))


def test_a_column_is_found_by_name_or_head() -> None:
    assert column_named([NAME, SIZE], "size") == column_named([NAME, SIZE], "SIZE") == 1
    with pytest.raises(UsageError, match="no column 'nope'") as error:
        column_named([NAME, SIZE], "nope")
    assert error.value.hint == "one of: name, size"
