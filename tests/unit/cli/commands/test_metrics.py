"""`cl metrics`: values, charts, and times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, UsageError
from clsh.cli.commands.metrics import _moment
from clsh.cli.main import main
from tests.unit.cli.monitoring.manager import RANGE, ROW

if TYPE_CHECKING:
    from tests.unit.cli.monitoring.manager import FakeManager


def test_the_values_by_group(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "node1"]) == 0
    assert capsys.readouterr().out == (
        "cpu\n  cpu_idle  88 %    CPU idle\nmemory\n  mem_free  1.0 GB  -\n  os_name   Linux   -\n"
    )


def test_the_values_as_json(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "lab/node1", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["value"] for row in rows] == [88.0, 2.0**30, "Li\x1b[2Jnux"]


def test_a_chart(
    manager: FakeManager, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    assert main(["metrics", "node1", "load_one", "--since", "1d"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("load_one  node1  2023-11-1")
    assert len(lines) == 18
    assert all(len(line) <= 60 for line in lines)
    assert lines[-1] == "last 3   average 2   lowest 0.50   highest 4"
    asked = dict(manager.asked)["/api/v1/range"]
    assert asked == {
        "metric": ["load_one"],
        "cluster": ["lab"],
        "node": ["node1"],
        "start": ["-1d"],
        "end": ["now"],
        "points": ["96"],
    }


@pytest.mark.parametrize("terminal", ["linux", "dumb"])
def test_a_terminal_without_braille(
    terminal: str,
    manager: FakeManager,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", terminal)
    assert main(["metrics", "node1", "load_one"]) == 0
    chart = capsys.readouterr().out
    assert chart.isascii()
    assert "*" in chart
    assert ":" in chart


def test_a_chart_as_json(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "node1", "load_one", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["start"], told["step"], told["average"]) == (1.7e9, 60.0, [1.0, None, 3.0])


def test_nothing_known_in_that_time(manager: FakeManager) -> None:
    empty: list[None] = [None, None]
    series = {"units": "%", "average": empty, "low": empty, "high": empty}
    manager.answers["/api/v1/range"] = RANGE | {"series": [series]}
    with pytest.raises(ClshError, match="nothing is known of 'x' of 'node1'"):
        main(["metrics", "node1", "x"])
    manager.answers["/api/v1/range"] = RANGE | {"series": []}
    with pytest.raises(ClshError, match="no metric 'x' of node1"):
        main(["metrics", "node1", "x"])


def test_a_node_that_nobody_knows(manager: FakeManager) -> None:
    with pytest.raises(ClshError, match="knows no node 'nod1'") as error:
        main(["metrics", "nod1"])
    assert "node1" in error.value.hint


def test_a_node_of_two_clusters(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
    manager.answers["/api/v1/nodes"] = {"nodes": [ROW, ROW | {"cluster": "web"}]}
    with pytest.raises(UsageError, match="several clusters") as error:
        main(["metrics", "node1"])
    assert error.value.hint == "write one of: lab/node1, web/node1"
    assert main(["metrics", "lab/node1"]) == 0


@pytest.mark.parametrize(
    ("text", "asked"),
    [("now", "now"), ("1d", "-1d"), ("-30m", "-30m"), ("1700000000", "1700000000")],
)
def test_times(text: str, asked: str) -> None:
    assert _moment("--since", text) == asked


def test_dates() -> None:
    assert _moment("--since", "2023-11-14T22:13:20+00:00") == "1700000000"
    assert int(_moment("--until", "2023-11-14")) == pytest.approx(1.7e9, abs=2 * 86400)


@pytest.mark.parametrize("text", ["yesterday", "5", "1 d", "", "0001-01-01"])
def test_bad_times(text: str) -> None:
    with pytest.raises(UsageError, match="--since cannot be"):
        main(["metrics", "node1", "--since", text])
