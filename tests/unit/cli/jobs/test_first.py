"""Jobs that are run to their end and shown as one table."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.errors import ClshError, NotAllowedError
from clsh.cli import client
from clsh.cli.jobs import first
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import asking
from clsh.jobs.model import Place
from clsh.jobs.queue.errors import QueueError
from tests.support.job_manager import managed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.job_manager import FakeJobs, Managed

ONE = {"name": "one", "argv": ["echo", "written"]}


@pytest.fixture
def manager() -> Iterator[Managed]:
    with managed(demo="yes") as running:
        yield running


def later(manager: Managed, what: Callable[[FakeJobs], None]) -> threading.Thread:
    """Do something to the jobs as soon as there are some."""

    def run() -> None:
        while not manager.jobs.found:
            time.sleep(0.01)
        manager.call(lambda: what(manager.jobs))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_what_ran_where_and_wrote_what(
    manager: Managed, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(jobs: FakeJobs) -> None:
        now = time.time()
        for index, place in enumerate(((Place("node1"),), (Place("node2"), Place("node3", 2)))):
            jobs.out[1, index, "output"] = b"first\nlast \xff of %d\n" % index
            jobs.move(1, index, state="done", started=now, ended=now, places=place, status=0)

    ends = later(manager, end)
    job = {"name": "many", "array": "0-1", "argv": ["sh", "-c", "a b"]}
    assert first.run([job], "alice", "no MPI") == 0
    ends.join()
    told = capsys.readouterr()
    assert told.err == "Jobs, as alice:\n  cl submit -J many -a 0-1 sh -c 'a b'\nno MPI\n"
    head, line = told.out.splitlines()
    assert head.split() == ["JOB", "STATE", "NAME", "TASKS", "TIME", "NODES", "WROTE"]
    wanted = ["1", "done", "many", "2/2", "0", "s", "node[1-3]"]
    assert line.split()[:7] == wanted
    assert line.endswith("last \ufffd of 1")
    assert manager.jobs.found[1].owner == "alice"


@pytest.mark.parametrize(("reason", "told"), [("out of luck", "out of luck"), ("", "failed")])
def test_one_that_failed_is_told_with_its_reason(
    manager: Managed, capsys: pytest.CaptureFixture[str], reason: str, told: str
) -> None:
    ends = later(manager, lambda jobs: jobs.move(1, state="failed", status=3, reason=reason))
    assert first.run([ONE], "", "") == 1
    ends.join()
    assert capsys.readouterr().err == f"Jobs:\n  cl submit -J one echo written\none: {told}\n"


def test_one_that_does_not_end_says_why(manager: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "_TOGETHER_S", 0.0)
    with pytest.raises(ClshError, match="job 1 has not ended within 0 s: no node is free") as told:
        first.run([ONE], "", "")
    assert told.value.hint == "cl job 1; cl doctor"


def test_a_manager_of_other_nodes_runs_nothing() -> None:
    with managed(demo="no") as other:
        with pytest.raises(ClshError, match="does not watch the demo") as told:
            first.run([ONE], "", "")
        assert other.jobs.found == {}
    assert told.value.hint == "cl down; cl up --demo"


def test_a_queue_that_is_not_open_yet_is_waited_for(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.jobs.fails = QueueError("the queue of jobs is not open yet")
    keys: list[set[Any]] = []
    submit = asking.submit

    def seen(jobs: Any, owner: str) -> list[int]:
        keys.append({job["key"] for job in jobs})
        if len(keys) == 3:
            manager.call(lambda: setattr(manager.jobs, "fails", None))
        return submit(jobs, owner)

    monkeypatch.setattr(asking, "submit", seen)
    assert first._submit([ONE, ONE], "") == [1, 2]
    assert keys == [keys[0]] * 3, "the same jobs, whatever became of the answers"


def test_one_that_never_opens_is_told(manager: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "_OPEN_S", 0.0)
    manager.jobs.fails = QueueError("the disk is full")
    with pytest.raises(ClshError, match="the disk is full"):
        first._submit([ONE], "")


@pytest.mark.parametrize(
    "error", [RequestError("argv", "x"), NotAllowedError("x"), client.NoManagerError()]
)
def test_what_will_not_change_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked: list[int] = []

    def fails(jobs: Any, owner: str) -> list[int]:
        asked.append(len(jobs))
        raise error

    monkeypatch.setattr(asking, "submit", fails)
    with pytest.raises(type(error)):
        first._submit([ONE], "")
    assert asked == [1]
