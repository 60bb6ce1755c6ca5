from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engine import Phase, Report
from clsh.jobs.model import JobState, Place, Request, Task, TaskState
from clsh.jobs.states import Cancelled, Placed, Requeued, Told, again_of, decide, fold

if TYPE_CHECKING:
    from clsh.jobs.states import Order

PLACES = (Place("n1"),)
PLACED = Placed(PLACES, "n1: score 0.10")
CANCELLED = Cancelled(50.0, "cancelled by alice")


def told(phase: Phase, attempt: int = 1, again: int = 0, **more: object) -> Told:
    return Told(attempt, Report("q-1.0.1", phase, 20.0, **more), again)  # type: ignore[arg-type]  # the fields are those of Report


def task(state: TaskState, **more: object) -> Task:
    started = 10.0 if state == "running" else 0.0
    made = Task(1, 0, state, 0 if state == "pending" else 1, PLACES, started=started)
    return replace(made, **more)  # type: ignore[arg-type]  # the fields are those of Task


@pytest.mark.parametrize(
    ("before", "event", "state", "orders"),
    [
        (task("pending"), PLACED, "starting", ("start",)),
        (task("running"), PLACED, "running", ()),
        (task("starting"), told("running"), "running", ()),
        (task("starting"), told("ended", status=0), "done", ()),
        (task("running"), told("ended", status=3), "failed", ()),
        (task("running"), told("ended", signal="KILL"), "failed", ()),
        (task("running"), told("ended", signal="KILL", again=1), "pending", ()),
        (task("running"), told("ended", signal="KILL", again=1, reason="RSS"), "failed", ()),
        (task("running"), told("ended", status=3, again=1), "failed", ()),
        (task("running"), told("lost"), "lost", ()),
        (task("running"), told("lost", again=1), "pending", ()),
        (task("running", attempt=2), told("lost", 2, again=1), "lost", ()),
        (task("starting"), told("refused"), "failed", ()),
        (task("starting"), told("unknown"), "unknown", ("ask",)),
        (task("running"), told("unknown"), "unknown", ("ask",)),
        (task("unknown"), told("unknown"), "unknown", ("ask",)),
        (task("unknown"), told("running"), "running", ()),
        (task("unknown"), told("ended", status=0), "done", ()),
        (task("starting"), told("absent"), "starting", ("start",)),
        (task("unknown"), told("absent"), "starting", ("start",)),
        (task("running"), told("absent"), "lost", ()),
        (task("unknown", started=10.0), told("absent"), "lost", ()),
        (task("unknown", cancelled=True), told("absent"), "starting", ("cancel",)),
        (task("pending"), CANCELLED, "cancelled", ()),
        (task("starting"), CANCELLED, "starting", ("cancel",)),
        (task("running"), CANCELLED, "running", ("cancel",)),
        (task("unknown"), CANCELLED, "unknown", ("cancel",)),
        (task("done"), CANCELLED, "done", ()),
        (task("unknown", cancelled=True), told("running"), "running", ("cancel",)),
        (task("running", cancelled=True), told("ended", status=0), "cancelled", ()),
        (task("running", cancelled=True), told("lost", again=9), "cancelled", ()),
        (task("starting", cancelled=True), told("refused"), "cancelled", ()),
        (task("running", attempt=2), told("ended", 1, status=0), "running", ()),
        (task("done"), told("running"), "done", ()),
        (task("pending"), told("running", 0), "pending", ()),
        (task("lost"), Requeued(), "pending", ()),
        (task("done"), Requeued(), "pending", ()),
        (task("running"), Requeued(), "running", ()),
    ],
)
def test_each_row(before: Task, event: object, state: TaskState, orders: tuple[Order, ...]) -> None:
    after, given = decide(before, event)  # type: ignore[arg-type]  # parametrize forgets the types
    assert (after.state, given) == (state, orders)


def test_a_whole_life() -> None:
    one, _ = decide(Task(1, 0), PLACED)
    assert one == Task(1, 0, "starting", 1, PLACES, "n1: score 0.10")
    one, _ = decide(one, told("unknown", reason="no answer"))
    assert one.reason == "no answer"
    one, _ = decide(one, told("running", rss=7))
    assert (one.started, one.rss, one.reason) == (20.0, 7, "")
    one, _ = decide(one, told("ended", status=3, rss=5))
    assert (one.ended, one.status, one.rss, one.reason) == (20.0, 3, 7, "exit status 3")
    one, _ = decide(one, Requeued())
    assert one == Task(1, 0, attempt=1)
    one, _ = decide(one, PLACED)
    assert one.attempt == 2


def test_the_reason_of_a_cancel_stays() -> None:
    one, _ = decide(task("running"), CANCELLED)
    one, _ = decide(one, Cancelled(60.0, "cancelled by root"))
    one, _ = decide(one, told("unknown", reason="no answer"))
    one, _ = decide(one, told("ended", signal="TERM", reason="TERM"))
    assert (one.state, one.reason, one.signal) == ("cancelled", "cancelled by alice", "TERM")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (told("ended", signal="SEGV"), "ended by signal SEGV"),
        (told("ended"), "its exit status is not known"),
        (told("ended", status=0), ""),
        (told("ended", status=9, reason="RSS 8 GB of 4 GB"), "RSS 8 GB of 4 GB"),
        (told("lost"), "it vanished without an exit status"),
        (told("lost", reason="n1 was restarted"), "n1 was restarted"),
        (told("absent"), "its node knows nothing of it any more"),
        (told("refused", reason="no such directory"), "no such directory"),
    ],
)
def test_reasons(event: Told, reason: str) -> None:
    assert decide(task("running"), event)[0].reason == reason


def test_an_engine_may_say_where_it_runs() -> None:
    one, _ = decide(task("starting", places=()), told("running", nodes=("n7", "n8")))
    assert one.places == (Place("n7"), Place("n8"))
    one, _ = decide(task("starting", places=()), told("ended", status=0, nodes=("n7",)))
    assert (one.places, one.started) == ((Place("n7"),), 20.0)


def test_what_an_engine_has_taken_and_not_placed_does_not_run() -> None:
    taken, orders = decide(task("starting", places=()), told("running", reason="waits in Slurm"))
    assert (taken.state, taken.reason, orders) == ("starting", "waits in Slurm", ())
    assert decide(taken, told("absent"))[0].state == "lost", "it may have run meanwhile"
    begun = Told(1, Report("q-1.0.1", "running", 30.0, nodes=("n2",)))
    runs, _ = decide(taken, begun)
    assert (runs.state, runs.reason, runs.started) == ("running", "", 30.0)
    assert decide(runs, Told(1, Report("q-1.0.1", "running", 40.0)))[0].started == 30.0


def test_how_often_again() -> None:
    assert again_of(Request(("a",), again=3)) == 0
    assert again_of(Request(("a",), again=3, restart="start")) == 3


@pytest.mark.parametrize(
    ("counts", "held", "waiting", "state"),
    [
        ({"done": 3}, False, False, "done"),
        ({"done": 3, "failed": 1}, False, False, "failed"),
        ({"done": 3, "lost": 1, "cancelled": 1}, False, False, "failed"),
        ({"done": 3, "cancelled": 1}, False, False, "cancelled"),
        ({"done": 3, "pending": 1}, False, False, "pending"),
        ({"pending": 1}, True, True, "held"),
        ({"pending": 1}, False, True, "waiting"),
        ({"pending": 1, "unknown": 1}, True, False, "running"),
        ({"pending": 0, "running": 0, "done": 1}, False, False, "done"),
    ],
)
def test_the_state_of_a_job(
    counts: dict[TaskState, int], held: bool, waiting: bool, state: JobState
) -> None:
    assert fold(counts, held=held, waiting=waiting) == state
