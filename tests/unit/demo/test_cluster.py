from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base import paths
from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.demo import namespaces
from clsh.demo.cluster import Cluster, Status
from clsh.demo.layer import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Flavour:
    """Nodes that are names only."""

    def __init__(self) -> None:
        self.nodes: dict[str, bool] = {}
        self.ups = self.downs = 0
        self.slow_s = 0.0

    def up(self, names: Sequence[str]) -> None:
        assert not self.ups, "it was started twice"
        self.ups += 1
        time.sleep(self.slow_s)
        self.nodes = dict.fromkeys(names, True)

    def down(self) -> None:
        self.nodes = {}
        self.downs += 1

    def alive(self) -> dict[str, bool]:
        return dict(self.nodes)

    def kill(self, name: str) -> None:
        self.nodes[name] = False

    def start(self, name: str) -> None:
        self.nodes[name] = True

    def enter(self, argv: Sequence[str], cwd: str) -> list[str]:
        return ["enter", cwd, *argv]

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {**environ, "IN": "demo"}

    def reach(self) -> Reach:
        return Reach(["reach"], Path("clsh.toml"))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Flavour, Flavour]:
    monkeypatch.setattr(namespaces, "unavailable", lambda: "")
    made = Cluster(tmp_path / "run/demo")
    real, servers = Flavour(), Flavour()
    made._flavours = {"namespaces": real, "servers": servers}
    return made, real, servers


Parts = tuple[Cluster, Flavour, Flavour]


def test_up_chooses_namespaces_where_they_can_be(parts: Parts) -> None:
    made, real, servers = parts
    assert made.up(2) == Status("namespaces", {"node1": True, "node2": True})
    assert real.nodes
    assert not servers.nodes


def test_the_nodes_are_reached_as_their_flavour_says(parts: Parts) -> None:
    with pytest.raises(ClshError, match="does not run"):
        parts[0].reach()
    parts[0].up(2)
    assert parts[0].reach() == (["reach"], Path("clsh.toml"))


def test_up_falls_back_to_servers(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "unavailable", lambda: "you are not root")
    assert parts[0].up(1).flavour == "servers"


def test_servers_can_be_asked_for(parts: Parts) -> None:
    assert parts[0].up(1, servers=True).flavour == "servers"


def test_up_again_keeps_what_runs_and_brings_lost_nodes_back(parts: Parts) -> None:
    made, real, _ = parts
    made.up(2)
    made.kill("node2")
    downs = real.downs
    assert made.up(2).nodes == {"node1": True, "node2": True}
    assert real.downs == downs


@pytest.mark.parametrize(("count", "servers"), [(3, False), (2, True)])
def test_up_refuses_to_change_what_runs(parts: Parts, count: int, servers: bool) -> None:
    made, real, _ = parts
    made.up(2)
    with pytest.raises(ClshError, match="of 2 nodes") as caught:
        made.up(count, servers=servers)
    assert caught.value.hint == "cl demo down"
    assert len(real.nodes) == 2


def test_up_removes_what_a_crash_has_left(parts: Parts) -> None:
    made, real, servers = parts
    made._state.mkdir(parents=True)
    made.up(1)
    assert (real.downs, servers.downs) == (1, 1)


def test_down_is_idempotent_and_leaves_no_directory(parts: Parts) -> None:
    made, _, _ = parts
    made.up(1)
    assert made.down()
    assert not made.down()
    assert not made._state.exists()
    assert made.status() is None


def test_an_unknown_node_is_refused(parts: Parts) -> None:
    made, _, _ = parts
    made.up(3)
    for act in (made.kill, made.start):
        with pytest.raises(UsageError, match="no node 'node9'") as caught:
            act("node9")
        assert caught.value.hint == "its nodes: node[1-3]"


def test_nothing_but_up_works_without_a_cluster(parts: Parts) -> None:
    made, _, _ = parts
    for act in (made.kill, made.start):
        with pytest.raises(ClshError, match="does not run") as caught:
            act("node1")
        assert caught.value.hint == "cl demo up"
    with pytest.raises(ClshError, match="does not run"):
        made.exec(["true"])


def test_start_brings_a_node_back(parts: Parts) -> None:
    made, real, _ = parts
    made.up(2)
    made.kill("node1")
    assert real.nodes == {"node1": False, "node2": True}
    made.start("node1")
    assert real.nodes == {"node1": True, "node2": True}


def test_exec_becomes_the_command(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made, _, _ = parts
    made.up(1)
    monkeypatch.chdir(tmp_path)
    called: list[tuple[str, list[str], Mapping[str, str]]] = []

    def execvpe(file: str, argv: list[str], env: Mapping[str, str]) -> None:
        called.append((file, argv, env))
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "execvpe", execvpe)
    with pytest.raises(ClshError, match="cannot run 'nix': No such file"):
        made.exec(["nix", "-a"])
    ((file, argv, env),) = called
    assert (file, argv) == ("enter", ["enter", str(tmp_path), "nix", "-a"])
    assert env["IN"] == "demo"


def test_two_at_once_start_one_cluster(parts: Parts) -> None:
    made, real, _ = parts
    real.slow_s = 0.2
    failed: list[BaseException] = []

    def up() -> None:
        try:
            made.up(2)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    both = [threading.Thread(target=up) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert not failed


def test_a_directory_that_others_may_change_is_refused(parts: Parts) -> None:
    made, real, _ = parts
    made._state.parent.mkdir(parents=True)
    made._state.parent.chmod(0o777)
    with pytest.raises(NotAllowedError, match="not yours alone"):
        made.up(1)
    assert not real.nodes


def test_a_planted_link_is_refused(parts: Parts, tmp_path: Path) -> None:
    made, real, _ = parts
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotAllowedError, match="not yours alone"):
        made.up(1)
    assert not real.nodes


def test_the_default_is_below_the_runtime_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "runtime_dir", lambda: tmp_path)
    assert Cluster()._state == tmp_path / "demo"
