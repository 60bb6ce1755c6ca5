"""What is written to the queue at once, and what is read from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clsh.jobs.model import Job, Task
from clsh.jobs.queue.codec import decode, decode_places, encode_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.jobs.model import JobState, Request, TaskState
    from clsh.jobs.notices.notice import Notice
    from clsh.jobs.rooms import Need

JOB = "id, owner, state, submitted, started, ended, held, size, next, rest, counts, reason, request"
TASK = (
    "job, idx, state, attempt, places, why, started, ended, status, signal, reason, rss, cancelled,"
    " queue"
)
SOME = "(SELECT value FROM json_each(?))"
"""The values of an array of JSON, which is bound."""

WORDS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class New:
    """A job that is to be stored; `request` is encoded."""

    owner: str
    request: str
    state: JobState
    name: str
    words: str
    key: str
    submitted: float
    held: bool
    size: int
    asked: Request | None = None
    """The same as `request`, for who has it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The id of a job; `is_new` is false when owner and key were there already."""

    id: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class JobRow:
    """What changes of a job.

    Its array up to position `next` has a row for each task. A later task without a row is as
    `rest` says: so an array costs a row when its tasks start, not when it is submitted.
    """

    id: int
    state: JobState
    started: float
    ended: float
    held: bool
    next: int
    rest: TaskState
    counts: Mapping[TaskState, int]
    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """All of a job as it is stored."""

    row: JobRow
    owner: str
    submitted: float
    size: int
    request: str

    def job(self) -> Job:
        """Return it as others see it."""
        row = self.row
        return Job(
            row.id,
            self.owner,
            decode(self.request),
            row.state,
            self.submitted,
            row.started,
            row.ended,
            {state: count for state, count in row.counts.items() if count},
            row.reason,
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A job that has not ended, its tasks that have not, and the positions beyond `next`
    of tasks that have a row."""

    whole: Whole
    live: Sequence[Task]
    apart: frozenset[int]


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A job of which nothing has begun, as little as is needed to find its turn.

    `key` is its place in the queue, with its number; `need` is None when it is held.
    """

    key: tuple[float, int]
    need: Need | None


@dataclass(slots=True)
class Batch:
    """What is stored in one transaction; a task comes with its position in the array."""

    new: Sequence[New] = ()
    tasks: dict[tuple[int, int], tuple[Task, int]] = field(
        default_factory=dict[tuple[int, int], tuple[Task, int]]
    )
    jobs: dict[int, JobRow] = field(default_factory=dict[int, JobRow])
    notices: list[Notice] = field(default_factory=list["Notice"])


def words_of(name: str, argv: Iterable[str]) -> str:
    """Return what a search looks at."""
    return "\n".join([name, *argv]).casefold()[:WORDS_KEPT]


def whole(row: Sequence[Any]) -> Whole:
    """Return a job from the columns JOB."""
    number, owner, state, submitted, started, ended, held, size, after, rest = row[:10]
    counts, reason, request = row[10:]
    told = JobRow(
        number, state, started, ended, bool(held), after, rest, json.loads(counts), reason
    )
    return Whole(told, owner, submitted, size, request)


def task(row: Sequence[Any]) -> Task:
    """Return a task from the columns TASK."""
    job, index, state, attempt, places, why, started, ended, *rest = row
    status, signal, reason, rss, cancelled, queue = rest
    return Task(
        job,
        index,
        state,
        attempt,
        decode_places(places),
        why,
        started,
        ended,
        status,
        signal,
        reason,
        rss,
        bool(cancelled),
        queue,
    )


def task_values(task: Task, position: int) -> tuple[object, ...]:
    """Return the columns TASK and the position."""
    return (
        task.job,
        task.index,
        task.state,
        task.attempt,
        encode_places(task.places),
        task.why,
        task.started,
        task.ended,
        task.status,
        task.signal,
        task.reason,
        task.rss,
        task.cancelled,
        task.queue,
        position,
    )
