"""Nodes and processes in the terminal, with a manager and without, over OpenSSH's sshd."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.manager import eventually
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.conftest import Shell

CONFIG = """\
[clusters.lab]
nodes = "node[1-4]"
[shell]
host_keys = "accept-new"
[manager]
listen = "127.0.0.1:0"
[monitor]
interval = 1
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
"""
NODES = ["node1", "node2", "node3", "node4"]


class Watched:
    """A person at the head with a configuration, and perhaps a manager."""

    def __init__(self, shell: Shell, place: Path) -> None:
        self.shell = shell
        self.file = place / "clsh.toml"
        self.file.write_text(CONFIG)
        self.env = {
            "CLSH_CONFIG": str(self.file),
            "XDG_RUNTIME_DIR": str(place / "run"),
            "XDG_STATE_HOME": str(place / "state"),
        }

    def cl(self, line: str) -> tuple[int, str, str]:
        done = self.shell.sh(f"cl {line}", env=self.env)
        return done.returncode, done.stdout, done.stderr

    def rows(self, line: str) -> list[dict[str, object]]:
        return [json.loads(row) for row in self.cl(line)[1].splitlines()]

    def terminal(self, line: str) -> Terminal:
        argv = self.shell.demo.head(str(self.shell.bin / "cl"), *line.split())
        return Terminal(argv, env=self.shell.demo.environment(self.env), columns=80, lines=24)


@contextlib.contextmanager
def hostile(shell: Shell, node: str) -> Iterator[None]:
    """Have a process on the node whose name would clear the screen and change its title."""
    path = r"""/tmp/work$(printf '\033[2J\033]0;evil\007\r\n')"""
    start = f'cp /bin/sleep "{path}."; "{path}." 600 >/dev/null 2>&1 </dev/null & echo $!'
    pid = shell.demo.on(node, start).strip()
    try:
        yield
    finally:
        shell.demo.on(node, f'kill {pid}; rm "{path}."')


@pytest.fixture
def person(shell: Shell, tmp_path: Path) -> Watched:
    return Watched(shell, tmp_path)


@pytest.fixture
def managed(person: Watched) -> Iterator[Watched]:
    status, _, said = person.cl("up")
    assert status == 0, said
    try:
        eventually(lambda: {row["state"] for row in person.rows("nodes --json")} == {"up"}, 30)
        yield person
    finally:
        person.cl("down")


def test_top_and_ps_without_a_manager(person: Watched) -> None:
    status, out, said = person.cl("top --once")
    assert (status, said) == (0, "")
    assert sorted(line.split()[0] for line in out.splitlines()[1:]) == NODES
    (picture,) = person.rows("top -h node[1-2] --once --json")
    assert all(row["cpu"] is not None for row in picture["nodes"])  # type: ignore[attr-defined]  # it is a list
    rows = person.rows("ps --name sshd --json")
    assert {row["node"] for row in rows} == set(NODES)
    with person.shell.demo.killed("node3"):
        status, out, said = person.cl("ps -h node[1-4] --connect-timeout 1 --user root")
        assert status == 3
        assert {line.split()[0] for line in out.splitlines()[1:]} == {"node1", "node2", "node4"}
        assert said.startswith("ERROR: node3 unreachable: ")


def test_top_on_a_terminal_without_a_manager(person: Watched) -> None:
    with person.terminal("top -h node[1-4] --interval 0.5") as top:
        top.until("4 of 4 nodes up")
        top.type("1")
        end = time.monotonic() + 10
        while [line.split()[0] for line in top.screen.display[4:8]] != NODES:
            assert time.monotonic() < end
            top.read(0.05)
        top.type("j\r")
        top.until("processes of node2")
        top.until("sshd")
        top.type("q")
        assert top.finish() == 0


def test_what_to_do_without_a_manager_and_without_nodes(person: Watched) -> None:
    person.file.write_text("")
    status, out, said = person.cl("top")
    assert (status, out) == (2, "")
    assert said.splitlines()[0] == "cl: no manager runs, and no nodes are named"
    for line in ("metrics node1", "alerts", "nodes --state up"):
        assert person.cl(line) == (1, "", "cl: no manager runs\n  start one: cl up\n")
    person.env["LC_ALL"] = "ko_KR.UTF-8"
    assert person.cl("alerts")[2].startswith("cl: 실행 중인 관리자가 없습니다\n")


def test_everything_with_a_manager(managed: Watched) -> None:
    rows = managed.rows("nodes --json")
    assert [row["node"] for row in rows] == NODES
    assert all(row["load"] is not None and row["memory"] for row in rows)
    status, out, _ = managed.cl("top --once --sort node")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[name, "up"] for name in NODES]
    assert status == 0
    assert {row["node"] for row in managed.rows("ps --name sshd --json")} == set(NODES)
    _, out, _ = managed.cl("metrics node1")
    assert re.search(r"^  mem_total +\d+(\.\d)? GB ", out, re.MULTILINE)
    assert {row["name"] for row in managed.rows("metrics node1 --json")} >= {"load_one", "os_name"}
    (line,) = managed.rows("metrics node1 load_one --since 1d --json")
    assert any(line["average"])  # type: ignore[arg-type]  # it is a list
    _, out, _ = managed.cl("metrics lab/node1 load_one --since 10m")
    assert out.startswith("load_one  lab/node1  ")
    assert "last " in out.splitlines()[-1]
    assert managed.cl("alerts")[::2] == (0, "No alerts.\n")
    assert managed.cl("top | cat")[1].count("\n") == 5
    the_terminal(managed)
    lost_and_found(managed)


def the_terminal(managed: Watched) -> None:
    """Look at the nodes and their processes; one of these is not what it seems."""
    with hostile(managed.shell, "node2"), managed.terminal("top --interval 0.5") as top:
        top.until("4 of 4 nodes up")
        top.type("p")
        top.until("sshd")
        top.type("/work\r")
        top.until("only work")
        top.until("/tmp/work")
        assert top.screen.title == ""
        assert b"\x1b]0" not in top.raw
        top.type("\x03")
        assert top.finish() == 0


def lost_and_found(managed: Watched) -> None:
    """One node goes, and comes again."""
    with managed.shell.demo.killed("node4"):
        eventually(lambda: bool(managed.rows("nodes --state lost --json")), 20)
        assert [row["node"] for row in managed.rows("nodes --state lost --json")] == ["node4"]
        eventually(lambda: managed.cl("ps")[::2] != (0, ""), 20)
        status, _, said = managed.cl("ps")
        assert (status, "node4" in said) == (3, True)
        eventually(lambda: "node4" in managed.cl("alerts")[1], 20)
    eventually(lambda: not managed.rows("nodes --state lost --json"), 40)
