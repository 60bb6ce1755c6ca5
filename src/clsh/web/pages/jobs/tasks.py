"""The tasks of a job as a table in pages, and the one whose output is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from clsh.jobs.model import TaskState
from clsh.jobs.wish import TaskWish
from clsh.nodes.nodeset import fold
from clsh.web.pages.jobs import files, states
from clsh.web.pages.words import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.base.users import User
    from clsh.jobs.model import Job, Task
    from clsh.jobs.service import Jobs
    from clsh.web.pages.asked import Asked

ROWS = 20  # so few that what the chosen one writes is not far below
STATES: tuple[TaskState, ...] = get_args(TaskState)
# Of many tasks that one is looked at first which needs it most.
_FIRST: tuple[TaskState, ...] = (
    "running", "unknown", "failed", "lost", "starting", "done", "cancelled", "pending",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A task; `ended` says with what."""

    index: int
    link: str
    state: str
    look: str
    why: str
    attempt: int
    nodes: str
    ended: str
    started: float
    time: str
    memory: str
    failed: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One page of the tasks, and the way to the others; `choices` are states with counts."""

    rows: Sequence[Row]
    total: int
    first: int
    before: str
    after: str
    choices: Sequence[tuple[str, str, int, bool]]


async def chosen(service: Jobs, user: User, number: int, index: str) -> tuple[Job, Task]:
    """Return the task that the address names, else the one that is most worth a look."""
    if index:
        job, tasks = await service.job(user, number, TaskWish(index=files.number(index)))
        if tasks:
            return job, tasks[0]
    job, tasks = await service.job(user, number, TaskWish(limit=1))
    there: list[TaskState] = [state for state in _FIRST if job.counts.get(state)]
    first = there[0] if there else "pending"
    if tasks[0].state != first:
        told = await service.job(user, number, TaskWish(frozenset({first}), limit=1))
        tasks = told[1] or tasks  # it may have gone on meanwhile
    return job, tasks[0]


def wanted(asked: Asked, job: Job) -> tuple[TaskWish, int]:
    """Return the page that the address asks for, by `only` and `at`, and of how many tasks."""
    only = cast("TaskState", asked.query.get("only", ""))
    total = job.counts.get(only, 0) if only else states.total(job)
    last = max(0, (total - 1) // ROWS * ROWS)
    at = min(max(0, files.number(asked.query.get("at", "0"))), last)
    return TaskWish(frozenset({only} if only else ()), offset=at, limit=ROWS), total


def table(asked: Asked, job: Job, found: Sequence[Task], shown: Task) -> Table:
    """Return the page of tasks that was asked for."""
    wish, total = wanted(asked, job)
    at, only = wish.offset, asked.query.get("only", "")
    counts = {state: job.counts.get(state, 0) for state in STATES}
    choices = [("", asked.words.said("all"), states.total(job))]
    choices += [(name, states.word(asked.words, name), n) for name, n in counts.items() if n]
    return Table(
        [_row(asked, task, shown) for task in found],
        total,
        at + 1,
        asked.link(at=str(at - ROWS) if at > ROWS else None) if at else "",
        asked.link(at=str(at + ROWS)) if at + ROWS < total else "",
        [
            (text, asked.link(only=name or None, at=None), count, name == only)
            for name, text, count in choices
        ],
    )


def _row(asked: Asked, task: Task, shown: Task) -> Row:
    words = asked.words
    names = dict.fromkeys(place.node for place in task.places)
    ended, why = states.ending(words, task), states.why(words, task)
    return Row(
        task.index,
        asked.link(task=str(task.index)),
        states.word(words, task.state),
        states.look(task.state),
        "" if why == ended else why,
        task.attempt,
        fold(names) if names else "",
        ended,
        task.started,
        states.taken(words, task),
        " ".join(quantity(task.rss, "bytes")) if task.rss else "",
        task.state in {"failed", "lost", "unknown"},
        task.index == shown.index,
    )
