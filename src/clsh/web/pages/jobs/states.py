"""What a job and a task are said to be: a word, its colour, and why. Pure.

A job that has a place is not said to run before its node said so, nor when it cannot be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from clsh.jobs.model import ENDED, JobState
from clsh.web.pages.words import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.model import Job, Task
    from clsh.web.pages.words import Words

STATES: tuple[JobState, ...] = get_args(JobState)
# What is asked for more often than a state alone.
GROUPS: Mapping[str, frozenset[JobState]] = {
    "queued": frozenset({"waiting", "pending"}),
    "unfinished": frozenset({"held", "waiting", "pending", "running"}),
    **{state: frozenset({state}) for state in STATES},
}
UNFINISHED = GROUPS["unfinished"]
_LOOK = {
    "running": "run", "starting": "run", "done": "ok", "failed": "bad", "lost": "bad",
    "unknown": "bad",
}  # fmt: skip


def shown(job: Job) -> str:
    """Return the state of a job as it is said: also `starting`, `unknown` and `lost`."""
    counts = job.counts
    if job.state == "running" and not counts.get("running"):
        return next((one for one in ("unknown", "starting") if counts.get(one)), "running")
    if job.state == "failed" and counts.get("lost") and not counts.get("failed"):
        return "lost"
    return job.state


def look(state: str) -> str:
    """Return the class by which a state is coloured."""
    return _LOOK.get(state, "wait")


def word(words: Words, state: str) -> str:
    """Return what a state is called."""
    return {
        "held": words.said("held"),
        "waiting": words.said("waiting"),
        "pending": words.said("pending"),
        "starting": words.said("starting"),
        "running": words.said("running"),
        "unknown": words.said("unknown"),
        "done": words.said("done"),
        "failed": words.said("failed"),
        "cancelled": words.said("cancelled"),
        "lost": words.said("lost"),
        "queued": words.said("waiting or pending"),
        "unfinished": words.said("not ended"),
    }[state]


def ending(words: Words, task: Task) -> str:
    """Return how a task ended, "" where it did not by itself: `exit status 1`, `signal KILL`."""
    if task.signal:
        return words.tr("signal {name}", name=visible(task.signal))
    return "" if task.status is None else words.tr("exit status {status}", status=task.status)


def why(words: Words, task: Task) -> str:
    """Return in words why a task waits or failed, "" when all is well."""
    if task.state == "pending":
        return visible(task.reason or task.why)
    if task.state == "unknown" and not task.reason:
        return words.said("its node cannot be asked; it is not started again until that is clear")
    ended = ending(words, task) if task.state in ENDED and task.state != "done" else ""
    return visible(task.reason) or ended


def reason(words: Words, job: Job, tasks: Sequence[Task]) -> str:
    """Return in words why a job waits or failed; `tasks` may be none when there are many."""
    if job.reason:
        return visible(job.reason)
    if job.state == "done":
        return ""
    if job.state == "held":
        return words.said("until it is released")
    told = [(task, text) for task in tasks if (text := why(words, task))]
    told.sort(key=lambda pair: pair[0].state not in {"unknown", "failed", "lost"})
    if not told:
        return _of_others(words, job) if job.state == "waiting" else _of_many(words, job)
    task, text = told[0]
    alike = total(job) == 1 or task.state == "pending"
    return text if alike else words.tr("task {n}: {reason}", n=task.index, reason=text)


def _of_others(words: Words, job: Job) -> str:
    numbers = ", ".join(str(number) for number, _ in job.request.after[:5])
    return words.tr("for job {numbers}", numbers=numbers) if numbers else ""


def _of_many(words: Words, job: Job) -> str:
    if count := job.counts.get("failed", 0) + job.counts.get("lost", 0):
        return words.tr("{n} of {all} failed", n=f"{count:,}", all=f"{total(job):,}")
    if job.request.at_once and job.counts.get("pending"):
        return words.tr("at most {n} at a time", n=f"{job.request.at_once:,}")
    return ""


def total(job: Job) -> int:
    """Return how many tasks a job has."""
    return sum(job.counts.values()) or len(job.request.array) or 1


def kind(words: Words, job: Job) -> str:
    """Return the kind of a job with its size: `parallel, 64 tasks`, `batch, 412 of 1,000`."""
    request = job.request
    if request.kind == "parallel":
        return words.tr("parallel, {n} tasks", n=f"{request.tasks:,}")
    if request.kind == "batch":
        done = sum(job.counts.get(state, 0) for state in ENDED)
        return words.tr("batch, {n} of {all}", n=f"{done:,}", all=f"{total(job):,}")
    return words.said("single")


def spent(words: Words, seconds: float) -> str:
    """Return a length of time with two units where they matter: `1.9 s`, `2 h 14 min`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return words.tr("{n} s", n=f"{seconds:.1f}")
    if seconds < 7200:
        return words.duration(seconds)
    small, large = (60, 3600) if seconds < 2 * 86400 else (3600, 86400)
    rest = int(seconds % large // small)
    first = words.duration(seconds)
    second = words.tr("{n} min", n=rest) if small == 60 else words.tr("{n} h", n=rest)
    return f"{first} {second}" if rest else first


def taken(words: Words, one: Job | Task) -> str:
    """Return for how long a job or task has run, "" when it has not begun."""
    if not one.started:
        return ""
    over = one.ended or words.now
    return spent(words, over - one.started)
