"""A job that has not ended, as the scheduler keeps it. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs import states
from clsh.jobs.model import ENDED, PLACED, Job, Task
from clsh.jobs.notices import wanted
from clsh.jobs.placement import rank
from clsh.jobs.queue.codec import array_of, decode
from clsh.jobs.queue.rows import JobRow
from clsh.jobs.rooms import need_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clsh.jobs.model import After, JobState, Request, TaskState
    from clsh.jobs.queue.rows import Loaded
    from clsh.jobs.rooms import Need


class Current:
    """`live` has the tasks with a row that have not ended; `after` the jobs it waits for."""

    __slots__ = (
        "after",
        "again",
        "apart",
        "array",
        "at_once",
        "counts",
        "ended",
        "filed",
        "held",
        "id",
        "key",
        "live",
        "need",
        "next",
        "owner",
        "reason",
        "request",
        "rest",
        "sends",
        "size",
        "started",
        "state",
        "submitted",
        "time_limit",
        "waiting",
        "wanted",
    )

    def __init__(self, loaded: Loaded, request: Request | None = None) -> None:
        whole, row = loaded.whole, loaded.whole.row
        request = request or decode(whole.request)
        self.id = row.id
        self.owner = whole.owner
        self.request = request
        self.array: Sequence[int] = array_of(whole.request) if request.array else (0,)
        self.submitted = whole.submitted
        self.size = whole.size
        self.state: JobState = row.state
        self.started = row.started
        self.ended = row.ended
        self.held = row.held
        self.next = row.next
        self.rest: TaskState = row.rest
        self.reason = row.reason
        self.counts: dict[TaskState, int] = dict(row.counts)
        self.live: dict[int, Task] = {task.index: task for task in loaded.live}
        self.waiting = deque(sorted(t.index for t in loaded.live if t.state == "pending"))
        self.apart = loaded.apart
        self.need: Need = need_of(request)
        self.key = rank(request.priority, whole.submitted, row.id)
        self.at_once = request.at_once
        self.time_limit = request.time_limit
        self.again = states.again_of(request)
        self.sends = tuple(text[:64] for text in request.send)
        self.wanted = wanted.all_of(request.notify) if request.notify else ()
        self.after: dict[int, After] = {}
        self.filed = False

    @property
    def placed(self) -> int:
        """How many of its tasks have a place."""
        return sum(self.counts.get(state, 0) for state in PLACED)

    def is_ready(self) -> bool:
        """Tell whether one of its tasks may be placed now."""
        if self.held or self.after or (self.at_once and self.placed >= self.at_once):
            return False
        return self.counts.get("pending", 0) > 0

    def take(self) -> tuple[Task, int]:
        """Return the next task to place and its position, -1 when it has a row."""
        while self.waiting:
            task = self.live.get(self.waiting[0])
            if task and task.state == "pending":
                return task, -1
            self.waiting.popleft()  # it was placed or cancelled
        while self.next in self.apart:
            self.next += 1
        return Task(self.id, self.index_at(self.next)), self.next

    def index_at(self, position: int) -> int:
        """Return the index of a task by its position in the array."""
        return self.array[position]

    def position_of(self, index: int) -> int:
        """Return the position of a task; raises ValueError when the job has no such index."""
        return self.array.index(index)

    def has_row(self, position: int) -> bool:
        """Tell whether a task is stored by itself."""
        return position < self.next or position in self.apart

    def keep(self, before: Task, after: Task, position: int = -1) -> None:
        """Take what became of a task; `position` when it had no row."""
        if position == self.next:
            self.next += 1
        elif position >= 0:
            self.apart |= {position}
        self.move(before.state, after.state)
        if after.state in ENDED:
            self.live.pop(after.index, None)
        else:
            self.live[after.index] = after
            if after.state == "pending":
                self.waiting.append(after.index)

    def move(self, before: TaskState, after: TaskState, count: int = 1) -> None:
        """Count tasks in another state."""
        self.counts[before] = self.counts.get(before, 0) - count
        self.counts[after] = self.counts.get(after, 0) + count

    def without_row(self) -> int:
        """Return how many tasks are as `rest` says."""
        return self.size - self.next - sum(at >= self.next for at in self.apart)

    def fold(self) -> JobState:
        """Return the state that its tasks make."""
        return states.fold(self.counts, held=self.held, waiting=bool(self.after))

    def row(self) -> JobRow:
        """Return what is stored of it."""
        return JobRow(
            self.id,
            self.state,
            self.started,
            self.ended,
            self.held,
            self.next,
            self.rest,
            {state: count for state, count in self.counts.items() if count},
            self.reason,
        )

    def job(self) -> Job:
        """Return it as others see it."""
        return Job(
            self.id,
            self.owner,
            self.request,
            self.state,
            self.submitted,
            self.started,
            self.ended,
            {state: count for state, count in self.counts.items() if count},
            self.reason,
        )


def reason_of(job: Current, last: Iterable[Task]) -> str:
    """Return why a job ended as it did, "" when all is well."""
    if job.reason:
        return job.reason
    if job.size == 1:
        return next((task.reason for task in last), "")
    bad = job.counts.get("failed", 0) + job.counts.get("lost", 0)
    return tr("{count} of {size} tasks failed", count=bad, size=job.size) if bad else ""
