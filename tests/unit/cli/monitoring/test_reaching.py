"""Which nodes a monitoring command reaches by itself, and when it asks the manager."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.cli.monitoring import reaching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.monitoring.manager import FakeManager

LAB = """
[clusters.lab]
nodes = "n[1-2]"
[groups]
web = "w[1-3]"
[shell]
fanout = 7
[monitor]
drop_dir = "/drop"
"""


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    reaching.arguments(parser)
    return parser.parse_args(words)


def names(*words: str) -> list[str]:
    return [node.name for _, node in reaching.reach(parsed(*words)).nodes]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my.toml"
    path.write_text(LAB)
    monkeypatch.setenv("CLSH_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("lab")
class TestNodes:
    def test_all_of_the_inventory(self) -> None:
        reach = reaching.reach(parsed())
        assert [(cluster, node.name) for cluster, node in reach.nodes] == [
            ("lab", "n1"),
            ("lab", "n2"),
            ("", "w1"),
            ("", "w2"),
            ("", "w3"),
        ]
        assert (reach.plan.window, reach.drop_dir) == (7, "/drop")

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["-h", "a,b"], ["a", "b"]),
            (["-h", "a", "-h", "b", "-x", "a"], ["b"]),
            (["-g", "web"], ["w1", "w2", "w3"]),
            (["-a", "-x", "@web"], ["n1", "n2"]),
            (["-x", "@web"], ["n1", "n2"]),
        ],
    )
    def test_as_clsh_takes_them(self, words: list[str], found: list[str]) -> None:
        assert names(*words) == found

    def test_a_default_group_a_file_and_the_environment_come_before_all(
        self, lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lab.write_text('default = "web"\n' + LAB)
        assert names() == ["w1", "w2", "w3"]
        (lab.parent / ".hostfile").write_text("f1\n")
        assert names() == ["f1"]
        monkeypatch.setenv("CLSH_HOSTS", "e1")
        assert names() == ["e1"]
        assert "CLSH_HOSTS" in capsys.readouterr().err

    def test_the_login_name_and_the_plan(self) -> None:
        reach = reaching.reach(parsed("-h", "a,bob@b", "-l", "alice", "-f", "3"))
        assert [node.user for _, node in reach.nodes] == ["alice", "bob"]
        assert reach.plan.window == 3

    def test_two_ways_to_a_password(self) -> None:
        with pytest.raises(UsageError, match="do not go together"):
            names("-h", "a", "--ask-pass", "--pass-file", "x")


@pytest.mark.parametrize(
    "words", [["-h", "a"], ["-l", "bob"], ["--hostfile", "f"], ["--ask-pass"], ["-f", "3"]]
)
def test_who_names_nodes_or_the_way_does_not_ask_the_manager(words: list[str]) -> None:
    assert reaching.is_asked(parsed(*words), {})


def test_the_environment_names_nodes() -> None:
    assert not reaching.is_asked(parsed(), {"HOME": "x", "CLSH_HOSTS": ""})
    assert reaching.is_asked(parsed(), {"CLSH_HOSTS": "a"})
    assert reaching.is_asked(parsed(), {"CLSH_HOSTFILE": "a"})


@pytest.mark.usefixtures("lab")
def test_the_manager_is_asked_when_it_runs(manager: FakeManager) -> None:
    assert reaching.unless_managed(parsed()) is None
    found = reaching.unless_managed(parsed("-h", "a"))
    assert found is not None
    assert len(manager.asked) == 1


@pytest.mark.usefixtures("lab")
def test_without_a_manager_the_nodes_are_reached() -> None:
    found = reaching.unless_managed(parsed())
    assert found is not None
    assert len(found.nodes) == 5
