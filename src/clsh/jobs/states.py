"""A task's life as a table: a state and what happens give the next state and orders. Pure.

The scheduler tells what happened and carries the orders out, after the new state is stored.
Whatever has no row changes nothing: a late or repeated report never moves a task that has
ended, and `unknown` alone never leads to another attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from clsh.base.messages import tr
from clsh.jobs.model import ENDED, Place, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clsh.jobs.engine import Phase, Report
    from clsh.jobs.model import JobState, Request, TaskState

Order = Literal["start", "ask", "cancel"]
"""start: start this attempt, by its id. ask: ask what became of it. cancel: end it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Nodes were chosen for the next attempt."""

    places: tuple[Place, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """An engine tells of an attempt; `again` is how often it may be followed by another."""

    attempt: int
    report: Report
    again: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asks for its end, or it ran too long."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """Its user wants it once more."""


Event = Placed | Told | Cancelled | Requeued
_Next = tuple[Task, tuple[Order, ...]]


def decide(task: Task, event: Event) -> _Next:
    """Return what becomes of a task, and what is to be done once that is stored."""
    match event:
        case Placed():
            return _placed(task, event)
        case Told():
            row = _TOLD.get((task.state, event.report.phase))
            return row(task, event) if row and event.attempt == task.attempt else (task, ())
        case Cancelled():
            return _CANCEL[task.state](task, event) if task.state in _CANCEL else (task, ())
        case Requeued():
            return (_anew(task) if task.state in ENDED else task), ()


def again_of(request: Request) -> int:
    """Return how often an attempt that was lost or killed is followed by another, unasked."""
    return 0 if request.restart == "none" else request.again


def fold(counts: Mapping[TaskState, int], *, held: bool, waiting: bool) -> JobState:
    """Return the state of a job from how many of its tasks are in which state."""
    there = {state for state, count in counts.items() if count}
    if there <= ENDED:
        if there & {"failed", "lost"}:
            return "failed"
        return "cancelled" if "cancelled" in there else "done"
    if there & {"running", "unknown"}:
        return "running"
    if held:
        return "held"
    return "waiting" if waiting else "pending"


def _placed(task: Task, event: Placed) -> _Next:
    if task.state != "pending":
        return task, ()
    new = Task(task.job, task.index, "starting", task.attempt + 1, event.places, event.why)
    return new, ("start",)


def _running(task: Task, event: Told) -> _Next:
    """It runs where it has places; an engine that has not chosen them yet has taken it."""
    report = event.report
    places = task.places or tuple(Place(node) for node in report.nodes)
    new = replace(
        task,
        state="running" if places else "starting",
        reason=_kept(task) or ("" if places else report.reason),
        started=task.started if task.places and task.started else report.at,
        rss=max(task.rss, report.rss),
        places=places,
    )
    return new, (("cancel",) if task.cancelled else ())


def _unknown(task: Task, event: Told) -> _Next:
    return replace(task, state="unknown", reason=_kept(task) or event.report.reason), ("ask",)


def _ended(task: Task, event: Told) -> _Next:
    report = event.report
    if task.cancelled:
        state: TaskState = "cancelled"
    elif report.status is None and report.signal and not report.reason and _may(task, event):
        return _anew(task), ()
    else:
        state = "done" if report.status == 0 else "failed"
    return _end(task, report, state, _kept(task) or report.reason or _words(report)), ()


def _lost(task: Task, event: Told) -> _Next:
    if task.cancelled:
        return _end(task, event.report, "cancelled", _kept(task)), ()
    if _may(task, event):
        return _anew(task), ()
    reason = event.report.reason or tr("it vanished without an exit status")
    return _end(task, event.report, "lost", reason), ()


def _refused(task: Task, event: Told) -> _Next:
    state: TaskState = "cancelled" if task.cancelled else "failed"
    return _end(task, event.report, state, _kept(task) or event.report.reason), ()


def _absent(task: Task, event: Told) -> _Next:
    if task.started:  # a node said that it ran, so it must not run again
        gone = replace(event.report, reason=tr("its node knows nothing of it any more"))
        return _lost(task, replace(event, report=gone))
    order: Order = "cancel" if task.cancelled else "start"
    return replace(task, state="starting", reason=_kept(task)), (order,)


def _cancel_pending(task: Task, event: Cancelled) -> _Next:
    return replace(task, state="cancelled", ended=event.at, reason=event.reason), ()


def _cancel_placed(task: Task, event: Cancelled) -> _Next:
    reason = task.reason if task.cancelled else event.reason
    return replace(task, cancelled=True, reason=reason), ("cancel",)


def _may(task: Task, event: Told) -> bool:
    return task.attempt <= event.again


def _anew(task: Task) -> Task:
    """Return it as it waits for its next attempt."""
    return Task(task.job, task.index, attempt=task.attempt)


def _kept(task: Task) -> str:
    """Return the reason to go on with: that of a cancel, not why its node was silent."""
    return task.reason if task.cancelled else ""


def _end(task: Task, report: Report, state: TaskState, reason: str) -> Task:
    return replace(
        task,
        state=state,
        ended=max(report.at, task.started),  # the clock may have gone back
        started=task.started or (report.at if report.phase == "ended" else 0.0),
        status=report.status,
        signal=report.signal,
        reason=reason,
        rss=max(task.rss, report.rss),
        places=task.places or tuple(Place(node) for node in report.nodes),
    )


def _words(report: Report) -> str:
    if report.signal:
        return tr("ended by signal {signal}", signal=report.signal)
    if report.status is None:
        return tr("its exit status is not known")
    return tr("exit status {status}", status=report.status) if report.status else ""


_TOLD: dict[tuple[TaskState, Phase], Callable[[Task, Told], _Next]] = {
    ("starting", "running"): _running,
    ("starting", "ended"): _ended,
    ("starting", "lost"): _lost,
    ("starting", "refused"): _refused,
    ("starting", "unknown"): _unknown,
    ("starting", "absent"): _absent,
    ("running", "running"): _running,
    ("running", "ended"): _ended,
    ("running", "lost"): _lost,
    ("running", "refused"): _refused,
    ("running", "unknown"): _unknown,
    ("running", "absent"): _absent,
    ("unknown", "running"): _running,
    ("unknown", "ended"): _ended,
    ("unknown", "lost"): _lost,
    ("unknown", "refused"): _refused,
    ("unknown", "unknown"): _unknown,
    ("unknown", "absent"): _absent,
}

_CANCEL: dict[TaskState, Callable[[Task, Cancelled], _Next]] = {
    "pending": _cancel_pending,
    "starting": _cancel_placed,
    "running": _cancel_placed,
    "unknown": _cancel_placed,
}
