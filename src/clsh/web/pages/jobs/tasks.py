"""The tasks of a job as a table in pages, and the one whose output is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from clsh.jobs.model import TaskState
from clsh.nodes.nodeset import fold
from clsh.web.pages.jobs import files, states
from clsh.web.pages.words import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.jobs.model import Job, Task
    from clsh.web.pages.asked import Asked

ROWS = 20  # so few that what the chosen one writes is not far below
STATES: tuple[TaskState, ...] = get_args(TaskState)
# Of many tasks that one is looked at first which needs it most.
_FIRST = ("running", "unknown", "failed", "lost", "starting", "done", "cancelled", "pending")


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


def chosen(tasks: Sequence[Task], index: str) -> Task:
    """Return the task that the address names, else the one that is most worth a look.

    A job has at least one.
    """
    wanted = files.number(index)
    named = next((task for task in tasks if task.index == wanted), None)
    return named or min(tasks, key=lambda task: (_FIRST.index(task.state), task.index))


def table(asked: Asked, job: Job, tasks: Sequence[Task], shown: Task) -> Table:
    """Return the page of tasks that the address asks for: by state (`only`), from `at` on."""
    only = asked.query.get("only", "")
    found = [task for task in tasks if not only or task.state == only]
    last = max(0, (len(found) - 1) // ROWS * ROWS)
    at = min(max(0, files.number(asked.query.get("at", "0"))), last)
    counts = {state: job.counts.get(state, 0) for state in STATES}
    choices = [("", asked.words.said("all"), len(tasks))]
    choices += [(name, states.word(asked.words, name), n) for name, n in counts.items() if n]
    return Table(
        [_row(asked, task, shown) for task in found[at : at + ROWS]],
        len(found),
        at + 1,
        asked.link(at=str(at - ROWS) if at > ROWS else None) if at else "",
        asked.link(at=str(at + ROWS)) if at + ROWS < len(found) else "",
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
