"""The scheduler: what waits is placed, stored, and only then started.

One loop places, stores and orders. While a batch is on its way to the disk the next one
gathers, so that many changes cost one write.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from clsh.base.messages import tr
from clsh.jobs import states
from clsh.jobs.book import Book
from clsh.jobs.calling import Calling
from clsh.jobs.engine import Launch
from clsh.jobs.model import PLACED, attempt_id
from clsh.jobs.placement import Moment
from clsh.jobs.queue.codec import decode
from clsh.jobs.queue.errors import QueueError
from clsh.jobs.queue.opening import MOST_AWAKE, may_sleep, sleeping
from clsh.jobs.queue.rows import JobRow, Loaded, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.base.clock import Clock
    from clsh.jobs.book import Ordered, Taken
    from clsh.jobs.calling import Key
    from clsh.jobs.current import Current
    from clsh.jobs.engine import Engine, Report
    from clsh.jobs.model import JobState, Request, Task
    from clsh.jobs.queue import New, Queue, Stored
    from clsh.jobs.queue.rows import Sleeper
    from clsh.jobs.settings import Settings
    from clsh.nodes.model import NodeLoad

T = TypeVar("T")

_MOST_PLACED = 256  # in one batch; others have their turn before the next
_LOOK_S = 1.0
_AGAIN_S = 1.0
_PACE_S = 0.05  # changes that come together are told together

_log = logging.getLogger(__name__)


class Scheduler:
    """Owns the book. `loads` gives the load of nodes by name.

    `noticed` is called when there is something new to tell, once it is stored.
    """

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        clock: Clock,
        settings: Settings,
        loads: Callable[[], Mapping[str, NodeLoad]],
        noticed: Callable[[], None],
    ) -> None:
        self.book = Book(chooses=engine.chooses)
        self.version = 0
        self.trouble = ""
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._settings = settings
        self._loads = loads
        self._noticed = noticed
        self._name = ""
        self._calling = Calling(engine, clock, self._launch, self.hear, self._asked)
        self._new: list[tuple[Sequence[New], asyncio.Future[list[Stored]]]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._promised: set[asyncio.Future[Any]] = set()
        self._limits: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()

    async def load(self, name: str, jobs: Sequence[Loaded], asleep: Sequence[Sleeper] = ()) -> None:
        """Take in what is stored; `name` is that of the queue."""
        self._name = name
        for count, sleeper in enumerate(asleep):
            self.book.sleep(sleeper)
            if not count % _MOST_PLACED:
                await asyncio.sleep(0)
        others = await self._states({number for one in jobs for number, _ in _after(one)})
        now = self._clock.unix()
        for one in jobs:
            job = self.book.add(one, others, now)
            for task in one.live:
                if task.state in PLACED:
                    self._calling.ask_later((job.id, task.index, task.attempt), 0.0)
        self._wake.set()

    async def run(self) -> None:
        """Go on with what was loaded, until cancelled; then who still waits is refused."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._calling.run())
                group.create_task(self._look())
                group.create_task(self._work())
        finally:
            error = QueueError(
                tr("the manager is ending, and it is not known whether this was stored"),
                hint=tr("do it again later; with a key a job is never submitted twice"),
            )
            for future in self._promised:
                if not future.done():
                    future.set_exception(error)

    async def wait(self, seen: int) -> int:
        """Return the version as soon as it is greater than `seen`."""
        while self.version <= seen:
            self._changed.clear()
            await self._changed.wait()
            await asyncio.sleep(_PACE_S)
        return self.version

    async def submit(self, jobs: Sequence[New]) -> list[Stored]:
        """Store jobs, all or none of them; raises QueueError."""
        future: asyncio.Future[list[Stored]] = self._promise()
        self._new.append((jobs, future))
        return await future

    async def stored(self) -> None:
        """Return when all that has happened so far is stored; raises QueueError."""
        future: asyncio.Future[None] = self._promise()
        self._waiters.append(future)
        await future

    def hear(self, report: Report) -> None:
        """Take what the engine tells, whatever it is about."""
        found = self._find(report.id)
        if found is None:
            return
        job, task, attempt = found
        told = states.Told(attempt, report, job.again)
        after = self.book.happen(job, task, told, self._clock.unix())
        key = (job.id, task.index, attempt)
        if after.state not in PLACED or after.attempt != attempt:
            self._calling.settle(key)
            self._limits.pop(key, None)
        elif report.phase == "running":
            if not after.cancelled:
                self._calling.settle(key)
            if after.state == "running":
                self._limit(job, after, report.ran_s)
        if self.book.has_news():
            self._wake.set()

    def launch(self, job: Current, task: Task) -> Launch:
        """Return what an engine is given of an attempt."""
        return launch_of(self._name, job.owner, job.request, task)

    async def rouse(self, numbers: Sequence[int]) -> None:
        """Wake those of these jobs that sleep; raises QueueError."""
        if asleep := [number for number in numbers if self.book.is_asleep(number)]:
            for one in await self._queue.wake(asleep):
                self.book.wake(one)

    def _promise(self) -> asyncio.Future[Any]:
        """Return a future that is settled after the next write, or at the end."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._promised.add(future)
        future.add_done_callback(self._promised.discard)
        self._wake.set()
        return future

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            moment = Moment(self._loads(), self._clock.steady())
            if self.book.place(moment, self._clock.unix(), _MOST_PLACED) == _MOST_PLACED:
                self._wake.set()
            await self._store()
            if self.book.called:
                await self._rouse_called()

    async def _rouse_called(self) -> None:
        try:
            await self.rouse(self.book.called)
        except QueueError as error:
            self.trouble = str(error)
            await asyncio.sleep(_AGAIN_S)
        self._wake.set()

    async def _store(self) -> None:
        """Store what has happened; when that fails it is tried again, and nothing is done."""
        new, self._new = self._new, []
        waiters, self._waiters = self._waiters, []
        taken = self.book.take()
        taken.batch.new = [one for jobs, _ in new for one in jobs]
        batch = taken.batch
        try:
            stored = await self._queue.write(batch) if batch.new or batch.jobs else []
        except QueueError as error:
            self._refuse(taken, error, [*(future for _, future in new), *waiters])
            await asyncio.sleep(_AGAIN_S)
            self._wake.set()
            return
        self.trouble = ""
        await self._take_in(new, stored)
        for ordered in taken.orders:
            if not self._is_moot(ordered):
                self._calling.carry_out(ordered)
        for waiter in waiters:
            _set(waiter, None)
        if batch.notices:
            self._noticed()
        if new or taken.batch.jobs:
            self.version += 1
            self._changed.set()

    def _refuse(
        self, taken: Taken, error: QueueError, waiting: Sequence[asyncio.Future[Any]]
    ) -> None:
        self.book.put_back(taken)
        if self.trouble != str(error):
            _log.warning("the queue of jobs: %s", error)
        self.trouble = str(error)
        for future in waiting:
            if not future.done():
                future.set_exception(type(error)(str(error), hint=error.hint))

    async def _take_in(
        self,
        new: Sequence[tuple[Sequence[New], asyncio.Future[list[Stored]]]],
        stored: Sequence[Stored],
    ) -> None:
        """Take new jobs into the book, in the order in which they were stored."""
        left = iter(stored)
        told = [(future, jobs, [next(left) for _ in jobs]) for jobs, future in new]
        fresh = [
            (_request(job), job, one.id)
            for _, jobs, ids in told
            for job, one in zip(jobs, ids, strict=True)
            if one.is_new
        ]
        others = await self._states({number for one, *_ in fresh for number, _ in one.after})
        for count, (request, job, number) in enumerate(fresh):
            if count % _MOST_PLACED == _MOST_PLACED - 1:
                await asyncio.sleep(0)
            if len(self.book.jobs) >= MOST_AWAKE and may_sleep(request):
                self.book.sleep(sleeping(number, request, job.submitted, held=job.held))
            else:
                self.book.add(_loaded(job, number), others, self._clock.unix(), request)
        for future, _, ids in told:
            _set(future, ids)
        if fresh:
            self._wake.set()

    async def _states(self, wanted: set[int]) -> dict[int, JobState]:
        """Return the stored states of jobs; nothing else goes on until they can be read."""
        while wanted:
            try:
                found = await self._queue.owners(wanted)
            except QueueError as error:
                self.trouble = str(error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return {number: state for number, (_, state) in found.items()}
        return {}

    def _is_moot(self, ordered: Ordered) -> bool:
        """Tell whether a start was overtaken by a cancel, which then follows or has gone out."""
        job = self.book.jobs.get(ordered.job)
        task = job.live.get(ordered.index) if job else None
        return ordered.order == "start" and task is not None and task.cancelled

    async def _look(self) -> None:
        """Look at the nodes and at time limits, once a second."""
        while True:
            if self.book.rooms.see(self._engine.slots(), self._settings.slots):
                self._wake.set()
            now = self._clock.steady()
            for key in [key for key, at in self._limits.items() if at <= now]:
                del self._limits[key]
                self._end_late(key)
            await asyncio.sleep(_LOOK_S)

    def _end_late(self, key: Key) -> None:
        job = self.book.jobs.get(key[0])
        task = job.live.get(key[1]) if job else None
        if job is None or task is None or task.attempt != key[2]:
            return
        now = self._clock.unix()
        reason = tr("ran longer than its time limit of {limit} s", limit=job.time_limit)
        self.book.happen(job, task, states.Cancelled(now, reason), now)
        self._wake.set()

    def _limit(self, job: Current, task: Task, ran_s: float) -> None:
        """Let the time run that a task has; what it ran before a restart its node tells."""
        key = (job.id, task.index, task.attempt)
        if job.time_limit and key not in self._limits and not task.cancelled:
            self._limits[key] = self._clock.steady() + job.time_limit - ran_s

    def _find(self, attempt: str) -> tuple[Current, Task, int] | None:
        """Return the task of an attempt of this queue that has not ended."""
        name, _, numbers = attempt.partition("-")
        parts = numbers.split(".")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            return None
        number, index, count = map(int, parts)
        job = self.book.jobs.get(number)
        task = job.live.get(index) if job else None
        if job is None or task is None or name != (task.queue or self._name):
            return None
        return job, task, count

    def _launch(self, key: Key) -> Launch | None:
        job = self.book.jobs.get(key[0])
        task = job.live.get(key[1]) if job else None
        if job is None or task is None or task.attempt != key[2] or task.state not in PLACED:
            return None
        return self.launch(job, task)

    def _asked(self, key: Key) -> None:
        self.book.asked(key[0], key[1])
        self._wake.set()


def launch_of(queue: str, owner: str, request: Request, task: Task) -> Launch:
    """Return what an engine is given of an attempt."""
    return Launch(
        attempt_id(queue, task),
        owner,
        task.job,
        task.index,
        task.attempt,
        request,
        task.places,
    )


def _set(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _after(loaded: Loaded) -> Sequence[tuple[int, str]]:
    return decode(loaded.whole.request).after


def _request(new: New) -> Request:
    return new.asked or decode(new.request)


def _loaded(new: New, number: int) -> Loaded:
    row = JobRow(number, new.state, 0.0, 0.0, new.held, 0, "pending", {"pending": new.size}, "")
    return Loaded(Whole(row, new.owner, new.submitted, new.size, new.request), (), frozenset())
