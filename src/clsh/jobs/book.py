"""The book of all jobs that have not ended: what happens is written here, then stored. Pure.

Everything that happens is taken at once and gathered in a batch with the orders that follow
from it; the scheduler stores the batch and only then carries the orders out.

Of jobs that wait only the first ones are here. The others sleep: of them the turn and the need
are known, and the rest is read from the queue when their turn comes, or somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs import placement, states
from clsh.jobs.current import Current, reason_of
from clsh.jobs.model import ENDED, PLACED, Task
from clsh.jobs.notices import notice
from clsh.jobs.placement import Choice, Moment
from clsh.jobs.queue.rows import Batch
from clsh.jobs.rooms import Rooms, has_room

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clsh.jobs.model import JobState, Request, TaskState
    from clsh.jobs.queue.rows import Loaded, Sleeper
    from clsh.jobs.rooms import Need, Room
    from clsh.jobs.states import Event, Order

MOST_SENT = 1000
"""How many tasks an engine that chooses nodes itself is given at most."""

_MOST_WOKEN = 128
_MOST_NEEDS = 200  # that are tried in vain in one pass
_PATIENCE_S = 300.0  # of who cannot be placed, before nodes are kept free for it

_MEETS: dict[str, frozenset[JobState]] = {
    "ok": frozenset({"done"}),
    "notok": frozenset({"failed", "cancelled"}),
    "any": frozenset({"done", "failed", "cancelled"}),
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is to be done with an attempt once the batch is stored."""

    order: Order
    job: int
    index: int
    attempt: int


@dataclass(slots=True)
class Taken:
    """A batch to store, and what follows when that is done."""

    batch: Batch = field(default_factory=Batch)
    orders: list[Ordered] = field(default_factory=list[Ordered])


class Book:
    """Knows jobs, rooms and the order of who waits; `chooses` is the engine's.

    `called` are sleeping jobs whose turn has come: nothing is placed before they are awake.
    """

    def __init__(self, *, chooses: bool = False) -> None:
        self.chooses = chooses
        self.jobs: dict[int, Current] = {}
        self.rooms = Rooms()
        self.unasked: dict[tuple[int, int], frozenset[str]] = {}
        self.called: list[int] = []
        self._asleep: dict[int, Need | None] = {}  # None: it is held
        self._needs: dict[Need, Need] = {}
        self._ready: dict[Need, list[tuple[float, int]]] = {}
        self._heads: list[tuple[tuple[float, int], Need]] = []  # the first of each, in order
        self._in_vain: dict[Need, str] = {}  # with why, once somebody has asked
        self._blocked: dict[Need, float] = {}
        self._dependents: dict[int, set[int]] = {}
        self._taken = Taken()
        self._sent = 0
        self._last = -1

    def take(self) -> Taken:
        """Return what is to be stored now."""
        taken, self._taken = self._taken, Taken()
        return taken

    def put_back(self, taken: Taken) -> None:
        """Take back what could not be stored; what happened meanwhile is newer."""
        newer = self._taken
        for key, (task, position) in newer.batch.tasks.items():
            _, before = taken.batch.tasks.get(key, (task, -1))
            taken.batch.tasks[key] = (task, max(position, before))
        taken.batch.jobs.update(newer.batch.jobs)
        taken.orders += newer.orders
        taken.batch.notices += newer.batch.notices
        self._taken = Taken(replace(taken.batch, new=()), taken.orders)

    def has_news(self) -> bool:
        """Tell whether there is anything to store."""
        return bool(self._taken.batch.jobs or self._taken.orders)

    def sleep(self, sleeper: Sleeper) -> None:
        """Take in a job that stays in the queue until its turn comes, or it is released."""
        need = self._needs.setdefault(sleeper.need, sleeper.need) if sleeper.need else None
        self._asleep[sleeper.key[1]] = need
        if need:
            self._enter(need, sleeper.key)

    def is_empty(self) -> bool:
        """Tell whether all jobs have ended."""
        return not (self.jobs or self._asleep)

    def is_asleep(self, number: int) -> bool:
        """Tell whether a job has to be woken before anything is done with it."""
        return number in self._asleep

    def wake(self, loaded: Loaded) -> None:
        """Take in all of a job that sleeps; what was read of one that is awake is too old."""
        if loaded.whole.row.id not in self._asleep:
            return
        job = Current(loaded)
        job.need = self._needs.setdefault(job.need, job.need)
        job.filed = self._asleep.pop(job.id) is not None
        self.jobs[job.id] = job

    def add(
        self,
        loaded: Loaded,
        others: Mapping[int, JobState],
        now: float,
        request: Request | None = None,
    ) -> Current:
        """Take a job in; `others` are the states of jobs that it may wait for.

        After a restart the tasks that have a place are in `unasked` until `asked`.
        """
        job = Current(loaded, request)
        job.need = self._needs.setdefault(job.need, job.need)
        self.jobs[job.id] = job
        for task in job.live.values():
            if task.state in PLACED:
                self._hold(job, task, now)
                self.unasked[job.id, task.index] = frozenset(p.node for p in task.places)
        if job.state in {"waiting", "held"}:
            self._wait_for(job, others, now)
        self._settle(job, (), now)
        if job.row() == loaded.whole.row:
            self._taken.batch.jobs.pop(job.id)
        return job

    def happen(
        self, job: Current, task: Task, event: Event, now: float, position: int = -1
    ) -> Task:
        """Let an event happen to a task; `position` is that of one without a row."""
        after, orders = states.decide(task, event)
        self._taken.orders += [Ordered(o, job.id, task.index, after.attempt) for o in orders]
        if after != task:
            self._write(job, task, after, now, position)
        return after

    def cancel(self, job: Current, now: float, reason: str) -> None:
        """End what runs of a job, and never start the rest."""
        job.reason = reason
        for task in [one for one in job.live.values() if one.state in PLACED]:
            self.happen(job, task, states.Cancelled(now, reason), now)
        self._close(job, "cancelled", reason, now)

    def cancel_waiting(self, job: Current, index: int, now: float, reason: str) -> bool:
        """Cancel a task that has no row; tell whether it was one."""
        position = job.position_of(index)
        if job.has_row(position) or job.rest != "pending":
            return False
        self.happen(job, Task(job.id, index), states.Cancelled(now, reason), now, position)
        return True

    def hold(self, job: Current, now: float, *, held: bool) -> None:
        """Start none of its tasks any more, or again."""
        job.held = held
        self._settle(job, (), now)

    def requeue(self, job: Current, tasks: Iterable[Task], now: float) -> None:
        """Let tasks that have ended wait again."""
        job.ended = 0.0
        job.reason = ""
        for task in tasks:
            self._change(job, task, states.decide(task, states.Requeued())[0], now, -1)
        self._settle(job, (), now)

    def requeue_rest(self, job: Current, now: float) -> None:
        """Let the tasks wait again that never started and have no row."""
        if job.rest != "pending":
            job.ended = 0.0
            job.move(job.rest, "pending", job.without_row())
            job.rest = "pending"
            self._settle(job, (), now)

    def requeue_one(self, job: Current, index: int, now: float) -> None:
        """Let one task wait again that never started and has no row."""
        job.ended = 0.0
        before = Task(job.id, index, job.rest)
        self._write(job, before, Task(job.id, index), now, job.position_of(index))

    def asked(self, job: int, index: int) -> None:
        """A placed task was asked after the restart, whatever the answer."""
        self.unasked.pop((job, index), None)

    def place(self, moment: Moment, unix: float, most: int) -> int:
        """Place at most `most` tasks that wait, the first in the queue first; say how many."""
        rooms = self._free_rooms()
        at = count = 0
        self.called = []
        self._in_vain.clear()
        while at < len(self._heads) and count < most and at < _MOST_NEEDS:
            (_, number), need = self._heads[at]
            if not self.chooses and not has_room(need, rooms):
                at += 1
                self._in_vain[need] = ""
                rooms = self._spare(need, rooms, moment.now)
                continue
            if number in self._asleep:
                first = self._ready[need][:_MOST_WOKEN]
                self.called = [one for _, one in first if one in self._asleep]
                break
            choice = self._choose(need, rooms, replace(moment, last=self._last))
            if choice is None:
                break
            self._blocked.pop(need, None)
            job = self.jobs[number]
            task, position = job.take()
            event = states.Placed(choice.places, choice.why)
            self.happen(job, task, event, unix, position)
            self._turn(choice, rooms)
            count += 1
        return count

    def why_waiting(self, number: int) -> str:
        """Return in words why the tasks of a job that wait have no place."""
        job = self.jobs.get(number)
        if job is None and number not in self._asleep:
            return ""
        need = job.need if job else self._asleep[number]
        if need is None or (job and job.held):
            return tr("held: it waits until it is released")
        if job and job.after:
            others = ", ".join(str(number) for number in sorted(job.after))
            return tr("waits for the end of job {jobs}", jobs=others)
        if job and job.at_once and job.placed >= job.at_once:
            return tr("{count} of its tasks may run at once", count=job.at_once)
        turn = tr("its turn has not come")
        if self._in_vain.get(need) == "":
            choice = placement.choose(need, self._free_rooms(), Moment({}, 0.0))
            self._in_vain[need] = turn if choice.places else choice.why
        return self._in_vain.get(need, turn)

    def _choose(self, need: Need, rooms: list[Room], moment: Moment) -> Choice | None:
        if not self.chooses:
            return placement.choose(need, rooms, moment)
        if self._sent >= MOST_SENT:
            return None
        return Choice((), tr("chosen by the engine"))

    def _turn(self, choice: Choice, rooms: list[Room]) -> None:
        """Remember whose turn it was."""
        if choice.places:
            last = choice.places[-1].node
            self._last = next(room.order for room in rooms if room.has.node == last)

    def _free_rooms(self) -> list[Room]:
        """Return the nodes on which something may be placed."""
        silent = frozenset[str]().union(*self.unasked.values())
        return [room for room in self.rooms.open if room.has.node not in silent]

    def _spare(self, need: Need, rooms: list[Room], now: float) -> list[Room]:
        """Keep the nodes free for who has waited too long: nothing behind it may take them."""
        since = self._blocked.setdefault(need, now)
        if now - since < _PATIENCE_S:
            return rooms
        kept = {room.has.node for room in placement.reserved(need, rooms)}
        return [room for room in rooms if room.has.node not in kept]

    def _write(self, job: Current, before: Task, after: Task, now: float, position: int) -> None:
        self._change(job, before, after, now, position)
        self._settle(job, (after,), now)

    def _change(self, job: Current, before: Task, after: Task, now: float, position: int) -> None:
        """Write what becomes of a task; the job is to be settled after the last of them."""
        if before.state in PLACED and after.state not in PLACED:
            self._free(job, before)
        elif after.state in PLACED and before.state not in PLACED:
            self._hold(job, after, now)
        job.keep(before, after, position)
        key = (job.id, after.index)
        _, known = self._taken.batch.tasks.get(key, (after, -1))
        self._taken.batch.tasks[key] = (after, max(position, known))
        if job.wanted:
            self._taken.batch.notices += notice.of_task(job, before, after)

    def _hold(self, job: Current, task: Task, now: float) -> None:
        self._sent += 1
        if not self.chooses:
            self.rooms.hold(task.places, job.need, now)

    def _free(self, job: Current, task: Task) -> None:
        self._sent -= 1
        if not self.chooses:
            self.rooms.free(task.places, job.need)

    def _settle(self, job: Current, last: Iterable[Task], now: float) -> None:
        """Bring the job in line with its tasks, and tell who waits for it."""
        job.state = job.fold()
        if not job.started:
            job.started = _begun(job, last, now)
        self._file(job)
        if job.state in ENDED and not job.ended:
            job.ended = max(now, job.started)
            job.reason = reason_of(job, last)
            self._end(job, last, now)
        self._taken.batch.jobs[job.id] = job.row()

    def _end(self, job: Current, last: Iterable[Task], now: float) -> None:
        self.jobs.pop(job.id, None)
        self._forget_waits(job)
        if job.wanted:
            self._taken.batch.notices += notice.of_end(job, last, now)
        for number in sorted(self._dependents.pop(job.id, ())):
            if (other := self.jobs.get(number)) is not None:
                self._resolve(other, job.id, job.state, now)

    def _wait_for(self, job: Current, others: Mapping[int, JobState], now: float) -> None:
        """Let a job wait for those of its dependencies that have not ended."""
        for number, when in job.request.after:
            job.after[number] = when
            self._dependents.setdefault(number, set()).add(job.id)
        for number in list(job.after):
            other = self.jobs.get(number)
            state = other.state if other else others.get(number)
            if state is None or state in ENDED:
                self._resolve(job, number, state, now)

    def _resolve(self, job: Current, number: int, state: JobState | None, now: float) -> None:
        """A job that this one waits for has ended, or is there no more (None)."""
        when = job.after.pop(number, None)
        self._dependents.get(number, set()).discard(job.id)
        if when is None:
            return
        if state in _MEETS[when] or (state is None and when == "any"):
            self._settle(job, (), now)
            return
        said = {
            "done": tr("job {job} is done, and this one was to run if it failed", job=number),
            None: tr("job {job}, which this one was to wait for, is gone", job=number),
        }.get(state, tr("job {job} is not done, and this one was to run after it", job=number))
        self._close(job, "failed", said, now)

    def _forget_waits(self, job: Current) -> None:
        for number in job.after:
            self._dependents.get(number, set()).discard(job.id)
        job.after.clear()

    def _close(self, job: Current, state: TaskState, reason: str, now: float) -> None:
        """End all tasks of a job that wait."""
        for task in [one for one in job.live.values() if one.state == "pending"]:
            self._change(job, task, replace(task, state=state, ended=now, reason=reason), now, -1)
        if job.rest == "pending" and (count := job.without_row()):
            job.move("pending", state, count)
            job.rest = state
        job.reason = reason
        self._settle(job, (), now)

    def _file(self, job: Current) -> None:
        """Stand in the queue, or not."""
        ready = job.is_ready() and job.id in self.jobs
        if ready == job.filed:
            return
        job.filed = ready
        if ready:
            self._enter(job.need, job.key)
        else:
            self._leave(job.need, job.key)

    def _enter(self, need: Need, key: tuple[float, int]) -> None:
        group = self._ready.setdefault(need, [])
        insort(group, key)
        if group[0] == key:
            if len(group) > 1:
                self._drop_head(need, group[1])
            insort(self._heads, (key, need))

    def _leave(self, need: Need, key: tuple[float, int]) -> None:
        group = self._ready[need]
        at = bisect_left(group, key)
        del group[at]
        if at == 0:
            self._drop_head(need, key)
            if group:
                insort(self._heads, (group[0], need))
        if not group:
            del self._ready[need]
            self._blocked.pop(need, None)

    def _drop_head(self, need: Need, key: tuple[float, int]) -> None:
        del self._heads[bisect_left(self._heads, (key, need))]


def _begun(job: Current, last: Iterable[Task], now: float) -> float:
    """Return when a job began, 0 when it did not; a short task may end before it is seen to run."""
    begun = [task.started for task in last if task.started and task.state != "starting"]
    return min(begun, default=now if job.state == "running" else 0.0)
