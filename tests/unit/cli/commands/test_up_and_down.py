"""`cl up` and `cl down`: what they decide; the manager itself is in tests/integration."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.errors import ClshError, UsageError
from clsh.cli import daemon
from clsh.cli.main import main
from clsh.demo.cluster import Cluster, Status
from clsh.demo.layer import Reach
from clsh.manager import state
from clsh.manager.state import Holder, RunsAlreadyError
from tests.support.manager import STATUS, answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.manager import Answering

NODES = Status("servers", {"node1": True, "node2": True})


class Launched:
    """What was launched instead of a manager."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.words: list[str] = []
        self.environ: dict[str, str] = {}
        self.port = 0

    def launch(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        opened: Mapping[str, socket.socket],
    ) -> Holder:
        if self.error:
            raise self.error
        self.words, self.environ = list(words), dict(environ)
        if "http" in opened:
            self.port = opened["http"].getsockname()[1]
        return Holder(7, "http://127.0.0.1:8650/")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    made = Launched()
    monkeypatch.setattr(daemon, "launch", made.launch)
    monkeypatch.setattr(daemon, "become", made.launch)
    return made


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A demo cluster of names; its manager's page shall be at a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "demo.toml"
    file.write_text(f'[manager]\nlisten = "127.0.0.1:{port}"\n')
    seen: dict[str, Any] = {"status": None, "port": port, "file": file, "downs": 0}

    def up(self: Cluster, count: int) -> Status:
        seen["count"] = count
        return NODES

    def down(self: Cluster) -> bool:
        seen["downs"] += 1
        return True

    monkeypatch.setattr(Cluster, "up", up)
    monkeypatch.setattr(Cluster, "down", down)
    monkeypatch.setattr(Cluster, "status", lambda self: seen["status"])
    monkeypatch.setattr(Cluster, "reach", lambda self: Reach(["go"], file))
    return seen


class TestUp:
    def test_in_the_background(
        self, launched: Launched, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["up"]) == 0
        place = state.place()
        assert launched.words == daemon.argv(place)
        told = capsys.readouterr()
        assert told.out == "http://127.0.0.1:8650/\n"
        assert told.err == f"The manager runs (pid 7); its log is {place.log}.\n"

    def test_the_first_run_says_where_to_log_in(
        self, launched: Launched, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with answering() as manager:
            manager.answers["/api/v1/welcome"] = (200, {"url": "https://x/login?link=s"})
            status: Any = manager.answers["/api/v1/status"][1]
            status["facts"] = {**status["facts"], "fingerprint": "AB:CD"}
            assert main(["up"]) == 0
        told = capsys.readouterr()
        assert told.out == "http://127.0.0.1:8650/\n"
        assert "SHA-256 fingerprint AB:CD" in told.err
        assert "at https://x/login?link=s\n" in told.err

    def test_a_start_that_failed_has_told_why(self, launched: Launched) -> None:
        launched.error = daemon.FailedStartError(10)
        assert main(["up"]) == 10
        launched.error = daemon.FailedStartError(-15)
        with pytest.raises(ClshError, match="ended by signal 15"):
            main(["up"])

    def test_one_runs_already(self, launched: Launched) -> None:
        directory = state.place().directory
        state.private(directory)
        held = state.lock(directory)
        with pytest.raises(RunsAlreadyError, match=str(os.getpid())):
            main(["up"])
        held.release()
        assert not launched.words

    def test_in_the_foreground(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(daemon, "serve", lambda place: 0 if place == state.place() else 1)
        assert main(["up", "--foreground"]) == 0

    def test_nodes_are_those_of_the_demo(self) -> None:
        with pytest.raises(UsageError, match="-n goes with --demo"):
            main(["up", "-n", "3"])

    @pytest.mark.parametrize(
        ("words", "running", "count"), [([], None, 4), (["-n", "9"], None, 9), ([], NODES, 2)]
    )
    def test_over_the_demo(
        self,
        launched: Launched,
        demo: dict[str, Any],
        words: list[str],
        running: Status | None,
        count: int,
    ) -> None:
        demo["status"] = running
        assert main(["up", "--demo", *words]) == 0
        assert demo["count"] == count
        assert launched.words == ["go", *daemon.argv(state.place(demo=True))]
        assert launched.environ["CLSH_CONFIG"] == str(demo["file"])
        assert launched.port == demo["port"]

    def test_the_port_is_busy(
        self, launched: Launched, demo: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.create_server(("127.0.0.1", demo["port"])):
            assert main(["up", "--demo"]) == 0
        assert launched.port > demo["port"]
        told = f"Port {demo['port']} is in use by another program; the page is at port"
        assert f"{told} {launched.port}." in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("flavour", "known", "user"),
        [("namespaces", 201, "alice"), ("namespaces", 400, "alice"), ("servers", 201, "joe")],
    )
    def test_over_the_demo_there_is_a_link_for_who_may_submit(
        self,
        launched: Launched,
        demo: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        flavour: str,
        known: int,
        user: str,
    ) -> None:
        """Jobs of root are refused from the page, so there it is a user of the nodes."""
        monkeypatch.setattr(Cluster, "up", lambda self, count: Status(flavour, NODES.nodes))
        with answering() as manager:
            manager.answers["/api/v1/me"] = (200, {"name": "joe"})
            manager.answers["/api/v1/users"] = (known, {"error": "there is one", "name": "alice"})
            manager.answers[f"/api/v1/users/{user}/link"] = (201, {"url": "http://x/?link=s"})
            assert main(["up", "--demo"]) == 0
            added = [path for verb, path, _ in manager.asked if verb == "POST"]
        assert f"Log in once within a day, as {user}, at http://x/?link=s\n" in (
            capsys.readouterr().err
        )
        assert ("/api/v1/users" in added) == (user == "alice")

    def test_jobs_start_the_manager_of_the_demo(
        self, launched: Launched, demo: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        demo["status"] = NODES
        seen: list[Any] = []

        def run(*asked: object) -> int:
            seen.append(asked)
            return 0

        monkeypatch.setattr("clsh.cli.jobs.first.run", run)
        assert main(["demo", "jobs"]) == 0
        assert launched.words == ["go", *daemon.argv(state.place(demo=True))]
        ((jobs, owner, _),) = seen
        assert ([job["name"] for job in jobs], owner) == (["single", "batch"], "")
        # One that runs is taken, one that cannot start is told.
        directory = state.place(demo=True).directory
        state.private(directory)
        held = state.lock(directory)
        launched.words = []
        with pytest.raises(RunsAlreadyError):
            main(["demo", "jobs"])
        held.tell(Holder(5, "http://127.0.0.1:1/"))
        assert main(["demo", "jobs"]) == 0
        assert launched.words == []
        held.release()
        launched.error = daemon.FailedStartError(10)
        assert main(["demo", "jobs"]) == 10
        assert main(["up", "--demo"]) == 10
        assert len(seen) == 2

    @pytest.mark.usefixtures("demo")
    def test_over_the_demo_in_the_foreground(self, launched: Launched) -> None:
        assert main(["up", "--demo", "--foreground"]) == 0
        assert launched.words[0] == "go"

    @pytest.mark.usefixtures("demo")
    def test_over_the_demo_twice(
        self, launched: Launched, capsys: pytest.CaptureFixture[str]
    ) -> None:
        directory = state.place(demo=True).directory
        state.private(directory)
        held = state.lock(directory)
        with pytest.raises(RunsAlreadyError):
            main(["up", "--demo"])  # it is starting: its address is not known yet
        held.tell(Holder(5, "http://127.0.0.1:1/"))
        assert main(["up", "--demo"]) == 0
        assert capsys.readouterr().out == "http://127.0.0.1:1/\n"
        with pytest.raises(RunsAlreadyError):
            main(["up", "--demo", "--foreground"])
        held.release()
        assert not launched.words


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Answering]:
    with answering() as server:
        facts = {"state": str(tmp_path / "state"), "demo": "no"}
        server.answers["/api/v1/status"] = (200, {**STATUS, "facts": facts})
        server.answers["/api/v1/stop"] = (202, {})
        yield server


def stops(server: Answering) -> int:
    return server.asked.count(("POST", "/api/v1/stop", b""))


class TestDown:
    def test_it_ends(self, running: Answering, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["down"]) == 0
        assert capsys.readouterr().err == "The manager is down.\n"
        assert stops(running) == 1

    @pytest.mark.usefixtures("running")
    def test_it_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        state.private(tmp_path / "state")
        held = state.lock(tmp_path / "state")
        with monkeypatch.context() as patch:
            patch.setattr("clsh.cli.commands.down._GONE_WITHIN_S", 0.05)
            with pytest.raises(ClshError, match=f"pid {os.getpid()}.* does not end") as caught:
                main(["down"])
        assert "kill -9" in caught.value.hint
        monkeypatch.setattr("clsh.cli.commands.down.time.sleep", lambda _: held.release())
        assert main(["down"]) == 0

    def test_none_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["down"]) == 0
        assert capsys.readouterr().err == "No manager runs.\n"

    def test_one_that_hangs(self) -> None:
        directory = state.place().directory
        state.private(directory)
        held = state.lock(directory)
        with pytest.raises(ClshError, match="does not answer"):
            main(["down"])
        held.release()

    def test_with_the_demo(
        self, running: Answering, demo: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["down", "--demo"]) == 0
        assert capsys.readouterr().err == "The manager is down.\nThe demo cluster is down.\n"
        assert (stops(running), demo["downs"]) == (1, 1)

    @pytest.mark.parametrize(("watches", "count"), [("yes", 1), ("no", 0)])
    def test_the_demo_ends_its_own_manager_only(
        self, running: Answering, demo: dict[str, Any], watches: str, count: int
    ) -> None:
        facts = {"state": "/nowhere", "demo": watches}
        running.answers["/api/v1/status"] = (200, {**STATUS, "facts": facts})
        assert main(["demo", "down"]) == 0
        assert (stops(running), demo["downs"]) == (count, 1)
