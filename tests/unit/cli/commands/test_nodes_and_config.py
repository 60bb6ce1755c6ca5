"""`cl nodes` and `cl config show`, as a user calls them."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, UsageError
from clsh.cli.client import NoManagerError
from clsh.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.monitoring.manager import FakeManager

LAB = """\
default = "web"

[groups]
web = "web[1-2]"
db = ["db:22", "web2"]

[nodes.web2]
address = "10.0.0.2"
port = 2222

[clusters.big.groups]
all = "n1,podman://box"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my.toml"
    path.write_text(LAB)
    monkeypatch.setenv("CLSH_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("file")
class TestNodes:
    def test_all_in_a_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["nodes"]) == 0
        assert capsys.readouterr().out == (
            "NODE  CLUSTER  GROUPS   USER  PORT  TRANSPORT  ADDRESS\n"
            "n1    big      big:all  -     -     auto       n1\n"
            "box   big      big:all  -     -     podman     box\n"
            "web1  -        web      -     -     auto       web1\n"
            "web2  -        web,db   -     2222  auto       10.0.0.2\n"
            "db    -        db       -     22    auto       db\n"
        )

    def test_a_set_as_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["nodes", "--json", "alice@web2,other"]) == 0
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
            {
                "node": "web2",
                "cluster": None,
                "groups": ["web", "db"],
                "user": "alice",
                "port": 2222,
                "transport": "auto",
                "address": "10.0.0.2",
            },
            {
                "node": "other",
                "cluster": None,
                "groups": [],
                "user": None,
                "port": None,
                "transport": "auto",
                "address": "other",
            },
        ]

    def test_with_a_manager(self, manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> None:
        manager.answers["/api/v1/nodes"] = {
            "nodes": [
                {"name": "n1", "cluster": "big", "state": "up", "load_one": 0.5, "memory_used": 1,
                 "memory_total": 4},
                {"name": "web1", "cluster": "grid", "state": "lost"},
                {"name": "other\x1b[2J", "cluster": "gmond", "state": "up"},
            ]
        }  # fmt: skip
        assert main(["nodes"]) == 0
        assert capsys.readouterr().out == (
            "NODE   STATE  LOAD  MEMORY  CLUSTER  GROUPS   USER  PORT  TRANSPORT  ADDRESS\n"
            "n1     up     0.50  25 %    big      big:all  -     -     auto       n1\n"
            "box    -      -     -       big      big:all  -     -     podman     box\n"
            "web1   lost   -     -       -        web      -     -     auto       web1\n"
            "web2   -      -     -       -        web,db   -     2222  auto       10.0.0.2\n"
            "db     -      -     -       -        db       -     22    auto       db\n"
            "other  up     -     -       gmond    -        -     -     -          -\n"
        )
        assert main(["nodes", "--state", "lost", "--json", "web[1-2]"]) == 0
        (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (row["node"], row["state"], row["load"], row["memory"]) == (
            "web1",
            "lost",
            None,
            None,
        )

    def test_a_manager_that_does_not_answer(
        self, manager: FakeManager, capsys: pytest.CaptureFixture[str]
    ) -> None:
        del manager.answers["/api/v1/nodes"]
        assert main(["nodes", "n1"]) == 0
        printed = capsys.readouterr()
        assert printed.out.split()[:2] == ["NODE", "CLUSTER"]
        assert printed.err == "no /api/v1/nodes\n"
        with pytest.raises(ClshError, match="no /api/v1/nodes"):
            main(["nodes", "--state", "up"])

    def test_a_state_needs_a_manager(self) -> None:
        with pytest.raises(NoManagerError):
            main(["nodes", "--state", "lost"])

    def test_a_bad_set(self) -> None:
        with pytest.raises(UsageError, match="no group 'nope'"):
            main(["nodes", "@nope"])


def test_nodes_without_an_inventory_are_those_that_clsh_would_choose(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")
    with pytest.raises(UsageError, match="--hostfile option was not given"):
        main(["nodes"])
    (file.parent / "hostfile").write_text("a\n")
    assert main(["nodes"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "Note: use hostfile 'hostfile' (default)\n"
    assert printed.out.splitlines()[1].split() == ["a", "-", "-", "-", "-", "auto", "a"]


def test_nodes_without_an_inventory_are_those_of_the_manager(
    file: Path, manager: FakeManager, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("")
    assert main(["nodes"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["NODE", "STATE"],
        ["node1", "up"],
        ["node2", "lost"],
    ]


def test_config_is_shown_as_toml(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(LAB + '[nodes."x[1-2]"]\nuser = "D\\\\e"\n')
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "# shell.timeout is not set\n" in shown
    parsed = tomllib.loads(shown)
    assert parsed["shell"]["fanout"] == 64
    del parsed["shell"]
    assert parsed == tomllib.loads(file.read_text())


def test_config_with_origins(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLSH_FANOUT", "7")
    assert main(["config", "show", "--origin"]) == 0
    lines = [line.split("  # ") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [f"# {file}"]
    origins = {text.rstrip(): where for text, where in lines[1:]}
    assert origins["shell.fanout = 7"] == "env CLSH_FANOUT"
    assert origins["shell.retry = 0"] == "default"
    assert origins["# shell.timeout is not set"] == "default"
    assert origins["nodes.web2.port = 2222"] == f"{file}:9"
    assert main(["config", "show", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"key": "groups.web", "value": "web[1-2]", "origin": f"{file}:4"} in rows
    assert {"key": "shell.timeout", "value": None, "origin": "default"} in rows


def test_config_says_where_the_file_would_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["config", "show", "--origin"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"# {tmp_path}/clsh/clsh.toml (is not there)"


def test_config_shows_the_values_and_then_what_is_wrong(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("[groups]\na = 'x y'\n")
    with pytest.raises(UsageError, match=r"my\.toml:2: groups\.a: bad host name"):
        main(["config", "show"])
    assert 'groups.a = "x y"\n' in capsys.readouterr().out
