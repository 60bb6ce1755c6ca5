"""What there is to tell of a job: made with the transition that it tells of. Pure.

A notice has an id that it keeps for ever: whoever gets the same id twice was told twice of the
same, because the manager died between telling and taking note.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from clsh.jobs.model import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from clsh.jobs.current import Current
    from clsh.jobs.model import Task
    from clsh.jobs.notices.wanted import Wanted

Event = Literal["begin", "end"]
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at that moment; `task` is None for the job as a whole."""

    event: Event
    job: int
    task: int | None
    name: str
    owner: str
    state: str
    at: float
    submitted: float
    started: float = 0.0
    status: int | None = None
    signal: str = ""
    reason: str = ""
    nodes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])

    def encode(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that one receiver is to be told; `id` is of this queue."""

    id: str
    who: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way; `id` is of no other queue either: `q7f3a9c01-12-end-1764349200123`."""

    id: str
    facts: Facts


def decode(text: str) -> Facts:
    """Return what `encode` wrote; what a newer version wrote besides is left out."""
    known = {one.name for one in fields(Facts)}
    said: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in known}
    said["nodes"] = tuple(said.get("nodes", ()))
    return Facts(**said)


def of_task(job: Current, before: Task, after: Task) -> Iterator[Notice]:
    """Yield what a transition of a task is to be told as.

    A job as a whole begins with the first of its tasks; the same beginning may come twice, by
    the same id. A task that never had a place ends unsaid, as part of its job.
    """
    begins = _runs(after) and not (_runs(before) and before.attempt == after.attempt)
    ends = after.state in ENDED and before.state not in ENDED and after.attempt > 0
    for wanted in job.wanted:
        if begins and "begin" in wanted.events:
            if wanted.each:
                yield _of_task(job, after, wanted, "begin")
            elif not any(_runs(one) for one in job.live.values() if one.index != after.index):
                facts = _whole(job, "begin", after.started, (after,), "running")
                yield Notice(f"{job.id}-begin-{after.attempt}", wanted.who, facts)
        if ends and wanted.each and wanted.hears_end(after.state):
            yield _of_task(job, after, wanted, "end")


def of_end(job: Current, last: Iterable[Task], now: float) -> Iterator[Notice]:
    """Yield what the end of a job is to be told as; `last` is the task that ended it, if one."""
    tasks = tuple(last)
    for wanted in job.wanted:
        if not wanted.each and wanted.hears_end(job.state):
            facts = _whole(job, "end", now, tasks, job.state)
            yield Notice(f"{job.id}-end-{now * 1000:.0f}", wanted.who, facts)


def _runs(task: Task) -> bool:
    """Tell whether it runs or ran on nodes that are known; Slurm says `running` before that."""
    return bool(task.started and task.places)


def _of_task(job: Current, task: Task, wanted: Wanted, event: Event) -> Notice:
    at = task.ended if event == "end" else task.started
    request = job.request
    facts = Facts(
        event,
        job.id,
        task.index if request.array else None,
        request.name or request.argv[0].rpartition("/")[2],
        job.owner,
        task.state if event == "end" else "running",
        at,
        job.submitted,
        task.started,
        *_end_of(task, event),
        nodes=tuple(place.node for place in task.places),
    )
    return Notice(f"{job.id}.{task.index}-{event}-{task.attempt}", wanted.who, facts)


def _whole(job: Current, event: Event, at: float, tasks: tuple[Task, ...], state: str) -> Facts:
    """Return what is told of a job as a whole; of one with a single task all that is known."""
    request = job.request
    one = tasks[0] if job.size == 1 and tasks else None
    ended = _end_of(one, event) if one else (None, "", "")
    reason = job.reason if event == "end" else ""
    return Facts(
        event,
        job.id,
        None,
        request.name or request.argv[0].rpartition("/")[2],
        job.owner,
        state,
        at,
        job.submitted,
        job.started,
        ended[0],
        ended[1],
        (reason or ended[2])[:_LONGEST_REASON],
        tuple(place.node for place in one.places) if one else (),
        {name: count for name, count in job.counts.items() if count} if job.size > 1 else {},
    )


def _end_of(task: Task, event: Event) -> tuple[int | None, str, str]:
    if event == "begin":
        return None, "", ""
    return task.status, task.signal, task.reason[:_LONGEST_REASON]
