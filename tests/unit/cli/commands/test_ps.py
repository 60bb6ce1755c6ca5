"""`cl ps`, asked of a manager and over SSH."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.cli.main import main

if TYPE_CHECKING:
    from tests.unit.cli.monitoring.manager import FakeManager

CL = str(Path(sys.executable).with_name("cl"))


def test_the_busiest_first_and_the_silent_node_on_stderr(
    manager: FakeManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ps"]) == 3
    printed = capsys.readouterr()
    assert printed.out == (
        "NODE   PID  USER   STATE  CPU%     RSS  THREADS  COMMAND\n"
        "node1    8  alice  S      99.0  1.0 MB        2  노드 work\n"
        "node1    7  alice  S       3.5  1.0 MB        2  work\n"
    )
    assert printed.err == (
        "ERROR: node2 unreachable: connection lost\ncl: nothing from 1 of 2 nodes\n"
    )


@pytest.mark.parametrize(
    ("options", "pids"),
    [
        (["--name", "노드"], [8]),
        (["--name", "WORK", "--sort", "pid"], [8, 7]),
        (["--sort", "pid", "-r"], [7, 8]),
        (["--user", "alice"], [8, 7]),
        (["--user", "ali"], []),
    ],
)
def test_narrowed_and_sorted_as_json(
    options: list[str],
    pids: list[int],
    manager: FakeManager,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ps", "--json", *options]) == 3
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["pid"] for row in rows] == pids
    if 7 in pids:
        assert rows[pids.index(7)]["command"] == "work\x1b]0;evil\x07"
        assert rows[pids.index(7)]["rss"] == 2**20


def test_without_silent_nodes_all_is_well(
    manager: FakeManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.answers["/api/v1/processes"] = {"processes": [], "silent": []}
    assert main(["ps"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "NODE  PID  USER  STATE  CPU%  RSS  THREADS  COMMAND"
    ]


def test_the_manager_is_asked_for_a_user_only(manager: FakeManager) -> None:
    main(["ps", "--user", "bob"])
    assert manager.asked[-1] == ("/api/v1/processes", {"user": ["bob"]})


def test_a_column_that_is_not_there(manager: FakeManager) -> None:
    with pytest.raises(UsageError, match="no column 'load'"):
        main(["ps", "--sort", "load"])


def test_names_that_no_node_set_can_have_are_shown_safely(
    manager: FakeManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.answers["/api/v1/processes"] = {
        "processes": [],
        "silent": [{"node": name, "reason": "x\ry"} for name in ("a[", "b\x1b[2J,c")],
    }
    assert main(["ps"]) == 3
    said = capsys.readouterr().err
    assert "a[" in said
    assert said.replace("\n", "").isprintable()


def test_help_says_what_minus_h_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ps", "--help"])
    told = capsys.readouterr().out
    assert "-h LIST, --hosts LIST" in told
    assert "\n  --help" in told


def test_over_ssh_a_node_that_cannot_be_reached_is_named() -> None:
    words = [
        CL,
        "ps",
        "-h",
        "local://,127.0.0.1:1",
        "--transport",
        "asyncssh",
        "--sort",
        "pid",
        "-r",
    ]
    printed = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    assert printed.returncode == 3
    rows = [json.loads(line) for line in printed.stdout.splitlines()]
    assert (rows[0]["node"], rows[0]["pid"]) == ("local", 1)
    assert "ERROR: 127.0.0.1 unreachable: " in printed.stderr
    assert printed.stderr.endswith("cl: nothing from 1 of 2 nodes\n")
