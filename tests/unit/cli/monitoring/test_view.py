"""What each key of `cl top` leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clsh.cli.monitoring.columns import NODES as COLUMNS
from clsh.cli.monitoring.columns import PROCESSES
from clsh.cli.monitoring.view import Place, Sorting, View, press
from tests.unit.cli.monitoring.samples import NODES

HERE = View()
LISTS = View(mode="processes", of=Place("lab", "node1"))


def pressed(view: View, *keys: str) -> View:
    for key in keys:
        new = press(view, key, NODES if view.mode == "nodes" else 40, 10)
        assert new is not None
        view = new
    return view


@pytest.mark.parametrize("view", [HERE, LISTS])
def test_q_ends(view: View) -> None:
    assert press(view, "q", NODES if view.mode == "nodes" else 40, 10) is None


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        (["down"], 1),
        (["j", "j"], 2),
        (["j"] * 9, 2),
        (["up"], 0),
        (["end"], 2),
        (["end", "k"], 1),
        (["end", "home"], 0),
        (["page-down"], 2),
        ([" ", "page-up"], 0),
    ],
)
def test_moving_stays_within_the_rows(keys: list[str], at: int) -> None:
    assert pressed(HERE, *keys).at == at


def test_moving_where_rows_have_gone_or_are_none() -> None:
    assert press(View(at=30), "up", NODES, 10) == View(at=1)
    assert press(View(at=30), "down", [], 10) == View(at=0)


@pytest.mark.parametrize("number", range(1, 10))
def test_a_digit_sorts_by_that_column(number: int) -> None:
    assert pressed(HERE, "r", str(number)).nodes_by == Sorting(number - 1)


def test_sorting_goes_round_the_columns() -> None:
    view = HERE
    seen = set()
    for _ in COLUMNS:
        view = pressed(view, ">")
        seen.add(view.nodes_by.column)
    assert seen == set(range(len(COLUMNS)))
    assert pressed(HERE, "right", "left") == pressed(HERE, "<", ">") == HERE
    assert pressed(HERE, "r").nodes_by.reverse
    assert pressed(LISTS, "9") == LISTS
    assert pressed(LISTS, "8").processes_by.column == len(PROCESSES) - 1
    assert pressed(LISTS, "8").nodes_by == HERE.nodes_by


def test_enter_shows_the_processes_of_the_marked_node_and_n_goes_back() -> None:
    view = pressed(HERE, "down", "enter")
    assert (view.mode, view.of) == ("processes", Place("lab", "node2"))
    for key in ("n", "escape", "backspace", "tab"):
        assert pressed(view, key) == HERE
    assert press(HERE, "enter", [], 10) == HERE
    assert pressed(view, "enter") == view


def test_all_processes() -> None:
    assert pressed(HERE, "p") == pressed(HERE, "tab") == View(mode="processes")
    assert pressed(LISTS, "p").of is None


def test_finding() -> None:
    typing = pressed(HERE, "/", "q", "1", "한", "up", "backspace")
    assert (typing.search, typing.typing) == ("q1", True)
    done = pressed(typing, "enter")
    assert (done.search, done.typing) == ("q1", False)
    assert pressed(done, "escape") == HERE
    assert pressed(typing, "escape") == HERE
    long = pressed(pressed(HERE, "/"), *"x" * 100)
    assert len(long.search) == 64


def test_other_keys_do_nothing() -> None:
    assert pressed(HERE, "Z") == HERE
    assert replace(HERE, at=0) == HERE
