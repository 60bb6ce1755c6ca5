"""The picture of `cl top` as lines: they fit, they say what is left out, nothing escapes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clsh.cli.monitoring.columns import NodeRow, node_row
from clsh.cli.monitoring.frame import Picture, draw, nodes, page, processes
from clsh.cli.monitoring.table import width, without_style
from clsh.cli.monitoring.view import Place, Sorting, View
from tests.unit.cli.monitoring.samples import NODES, process

LISTS = [process(pid=n, cpu=n / 2, command=f"work {n}") for n in range(1, 31)]
PICTURE = Picture(1.7e9, NODES, LISTS)
SIZES = [(200, 50), (80, 24), (40, 10), (20, 6), (10, 3), (5, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", [View(), View(mode="processes"), View(typing=True, search="노드")])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("locale", ["C.UTF-8", "ko_KR.UTF-8", "zh_CN.UTF-8"])
def test_it_fits_every_terminal(
    size: tuple[int, int],
    view: View,
    colour: bool,
    locale: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    lines = draw(PICTURE, view, size, colour=colour)
    assert len(lines) == size[1]
    assert all(width(without_style(line)) <= size[0] for line in lines)


def test_nodes_at_80_columns() -> None:
    lines = [without_style(line) for line in draw(PICTURE, View(), (80, 12), colour=False)]
    assert "2 of 3 nodes up  1 lost" in lines[0]
    assert lines[1] == (
        "load 9.50 of 8 cores  cpu 56 %  mem 4.8 GB of 8.0 GB  in 1.0 KB/s out 2.0 KB/s"
    )
    assert lines[3].split() == [
        *("NODE", "STATE", "LOAD", "CPU", "MEM", "USED", "IN/s", "OUT/s", "READ/s", "WRITE/s"),
        "DISK",
    ]
    assert lines[4].split()[:4] == ["node2", "up", "9.00", "99"]
    assert lines[5].split() == [
        *("node1", "up", "0.50", "12", "%", "50", "%", "2.0", "GB", "1.0", "KB", "2.0", "KB"),
        *("0", "B", "977", "KB", "95", "%"),
    ]
    assert lines[6] == "node10   lost  connection lost"
    assert "q quit" in lines[-1]


def test_a_summary_that_does_not_fit_leaves_out_whole_parts() -> None:
    lines = draw(PICTURE, View(mode="processes"), (44, 12), colour=False, interval_s=2)
    assert re.fullmatch(r"cl top  \d\d:\d\d:\d\d  2 of 3 nodes up  1 lost", lines[0])
    assert lines[1] == "load 9.50 of 8 cores  cpu 56 %"


def test_why_a_node_is_lost_is_cut_to_the_screen() -> None:
    lost = NodeRow("lab", "node1", "lost", "a long reason " * 9)
    marked, other = draw(Picture(0, [lost, lost]), View(), (40, 12), colour=True)[4:6]
    assert without_style(marked) == "node1    lost  a long reason a long rea…"
    assert other == "\x1b[31mnode1   \x1b[0m \x1b[31mlost \x1b[0m a long reason a long rea…"


def test_a_wide_terminal_has_more_columns() -> None:
    lines = draw(PICTURE, View(), (200, 12), colour=False)
    assert without_style(lines[3]).split()[-3:] == ["CORES", "TOTAL", "CLUSTER"]


def test_ten_thousand_nodes_show_the_top_and_how_many_more() -> None:
    many = [NodeRow("lab", f"node{n}", "up", load=n) for n in range(10_000)]
    lines = draw(Picture(0, many), View(), (80, 24), colour=False)
    assert without_style(lines[4]).startswith("node9999")
    assert "... and 9,982 more" in lines
    at_end = draw(Picture(0, many), View(at=9_999), (80, 24), colour=False)
    assert any(without_style(line).startswith("node0 ") for line in at_end)


def test_the_marked_row_is_seen_wherever_it_is() -> None:
    view = View(mode="processes")
    for at in range(30):
        lines = draw(PICTURE, replace(view, at=at), (80, 14), colour=False)
        (marked,) = [line for line in lines if line.startswith("\x1b[7m")]
        assert f"work {30 - at}" in marked
    assert page(14) == 8


def test_processes_of_one_node_and_who_is_silent() -> None:
    view = View(mode="processes", of=Place("lab", "node1"))
    lines = draw(replace(PICTURE, silent={"node2": "gone"}), view, (120, 12), colour=False)
    assert "processes of node1  without: node2" in lines[0]
    assert (
        "processes of all nodes" in draw(PICTURE, View(mode="processes"), (80, 9), colour=False)[0]
    )


def test_searching_sorting_and_nothing_to_show() -> None:
    assert [row.node for row in nodes(PICTURE, View(search="NODE1"))] == ["node1", "node10"]
    assert [row.node for row in nodes(PICTURE, View(nodes_by=Sorting(0, reverse=True)))] == [
        *("node10", "node2", "node1"),
    ]
    view = View(mode="processes", search="work 7")
    assert [row.pid for row in processes(PICTURE, view)] == [7]
    assert "nothing to show" in draw(PICTURE, View(search="zzz"), (80, 9), colour=False)
    assert "nothing heard yet" in draw(Picture(0, ()), View(), (80, 9), colour=False)
    assert processes(Picture(0, ()), View(mode="processes")) == []
    keys = draw(PICTURE, View(search="a\x1b[2J"), (80, 9), colour=False)[-1]
    assert keys.startswith("only a ")


def test_what_is_wrong_takes_the_place_of_the_sums() -> None:
    lines = draw(replace(PICTURE, trouble="no\x1b[2J manager"), View(), (80, 9), colour=True)
    assert lines[1] == "\x1b[31mno manager\x1b[0m"


def test_colours_say_something_only() -> None:
    lines = draw(PICTURE, View(at=99), (80, 12), colour=True)
    hot = lines[4]
    assert "\x1b[35m  9.00\x1b[0m" in hot
    assert "\x1b[31m 99 %\x1b[0m" in hot
    assert "\x1b[35m 80 %\x1b[0m" in hot
    plain = draw(PICTURE, View(at=99), (80, 12), colour=False)
    assert not any("\x1b[3" in line for line in plain)


EVIL = ["\x1b]0;evil\x07", "a\rb", "\x1b[2J", "\x9b31m", "x\ny", "\x1bP1;2q\x1b\\", "‮x"]


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_that_a_node_names_acts_on_the_terminal(evil: str) -> None:
    rows = [NodeRow(evil, f"n{evil}", state, evil) for state in ("up", "lost", evil)]
    picture = Picture(0, rows, [replace(process(command=evil), user=evil, node=evil)], {evil: evil})
    for view in (View(), View(mode="processes", of=Place(evil, evil)), View(at=1)):
        for line in draw(picture, view, (150, 9), colour=True):
            assert without_style(line).isprintable()


def test_a_row_of_ganglias_metrics_has_no_mem_available() -> None:
    row = node_row("c", "n", "up", "", {"mem_total": 100.0, "mem_free": 20.0, "mem_cached": 30.0})
    assert (row.memory_used, row.memory, row.cpu) == (50.0, 50.0, None)
    row = node_row("c", "n", "up", "", {"mem_total": 100.0, "cpu_idle": 90.0, "load_one": "x"})
    assert (row.memory, row.cpu, row.load) == (None, 10.0, None)
    row = node_row("c", "n", "up", "", {"mem_total": 100.0, "mem_available": 25.0})
    assert row.memory == 75.0
