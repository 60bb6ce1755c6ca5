"""The jobs: takes them from users, runs them, and answers what users ask.

Somebody else's job is answered exactly like one that does not exist.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from clsh.base.errors import NotAllowedError
from clsh.base.messages import tr
from clsh.jobs import leftovers, states
from clsh.jobs.check import check
from clsh.jobs.current import Current
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.jobs.model import ENDED
from clsh.jobs.notices import wanted
from clsh.jobs.notices.outbox import MOST_WAITING, Outbox
from clsh.jobs.placement import never
from clsh.jobs.queue import New, Queue, QueueError, notices
from clsh.jobs.queue.codec import decode, encode
from clsh.jobs.queue.rows import Loaded, words_of
from clsh.jobs.rooms import need_of
from clsh.jobs.scheduler import Scheduler, launch_of
from clsh.jobs.wish import TaskWish
from clsh.nodes.model import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from clsh.base.clock import Clock
    from clsh.base.users import User
    from clsh.jobs.engine import Engine, Stream
    from clsh.jobs.model import Job, Request, Task
    from clsh.jobs.notices.outbox import Teller
    from clsh.jobs.queue.notices import Fate
    from clsh.jobs.queue.rows import Sleeper, Whole
    from clsh.jobs.sent.service import Sent
    from clsh.jobs.sent.store import Taken
    from clsh.jobs.settings import Settings
    from clsh.jobs.wish import Listing, Wish
    from clsh.nodes.model import NodeLoad

MOST_AT_ONCE = 10_000
"""How many requests one submission may hold."""

MOST_READ = 8 << 20

_AT_A_TIME = 100  # requests, before others have their turn
_DAY_S = 86_400.0
_CHORES_S = 600.0
_SLICE_S = 0.1  # between slices, so that the removal of old jobs delays nothing
_AGAIN_S = 5.0

_log = logging.getLogger(__name__)


class Jobs:
    """All jobs of one engine.

    `loads` gives the load of nodes by name, `nodes` are the names of all that exist. Without
    `teller` nobody can be told of a job: a request that wants so is refused. `sent` keeps the
    files that are sent along.
    """

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        clock: Clock,
        settings: Settings,
        loads: Callable[[], Mapping[str, NodeLoad]],
        *,
        nodes: Collection[str] = (),
        teller: Teller | None = None,
        sent: Sent | None = None,
    ) -> None:
        self.settings = settings
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._nodes = frozenset(nodes)
        self._name = ""
        self._teller = teller
        self._sent = sent
        self._outbox: Outbox | None = None
        if teller is not None:
            hours = settings.notify_hours
            self._outbox = Outbox(queue, teller, clock, hours, lambda: self._name)
        self._scheduler = Scheduler(engine, queue, clock, settings, loads, self._noticed)
        self._trouble = ""
        self._backup = ""
        self._requeueing = asyncio.Lock()

    async def run(self) -> None:
        """Run jobs until cancelled; what runs on the nodes then goes on running."""
        try:
            name, jobs, asleep = await self._open()
            await self._scheduler.load(name, jobs, asleep)
            self._name = name
            async with asyncio.TaskGroup() as group:
                group.create_task(self._scheduler.run())
                group.create_task(self._chores())
                if self._outbox is not None:
                    group.create_task(self._outbox.run())
        finally:
            self._name = ""
            await self._queue.close()

    @property
    def version(self) -> int:
        """Grows with each change that is stored."""
        return self._scheduler.version

    async def wait(self, seen: int) -> int:
        """Return the version as soon as it is greater than `seen`."""
        return await self._scheduler.wait(seen)

    def trouble(self) -> str:
        """Return in words what is wrong, "" if nothing."""
        said = (self._queue.damage or self._trouble or self._scheduler.trouble, self._backup)
        return "; ".join(part for part in said if part)

    def complaints(self, request: Request) -> Sequence[str]:
        """Return in words what the engine cannot do of a request."""
        return self._engine.complaints(request)

    async def submit(self, user: User, requests: Sequence[Request], owner: str = "") -> list[int]:
        """Take requests, all or none, and return the ids of their jobs.

        When it returns, they are on the disk. The same owner and key is the same job. Raises
        RequestError, NotAllowedError for another `owner` unless an administrator asks and for
        root from afar, and QueueError when nothing can be stored.
        """
        owner = owner or user.name
        if not user.may_handle(owner):
            raise NotAllowedError(
                tr("{user} may not submit jobs for {owner}", user=user.name, owner=owner),
                hint=tr("an administrator may"),
            )
        if owner == "root" and user.how != "socket":
            raise NotAllowedError(
                tr("jobs of root are submitted on the manager's machine alone"),
                hint=tr("there: cl submit; or submit as another user"),
            )
        user_name(owner)
        self._running()
        if len(requests) > MOST_AT_ONCE:
            raise RequestError(
                "",
                tr("there are more than {most} requests at once", most=MOST_AT_ONCE),
                hint=tr("many tasks that are alike are one array"),
            )
        await self._check_after(user, requests)
        now = self._clock.unix()
        new: list[New] = []
        for request in requests:
            check(request)
            self._check_told(request)
            self._check_engine(request)
            new.append(_new(owner, request, now))
            if not len(new) % _AT_A_TIME:
                await asyncio.sleep(0)
        if self._sent is not None:
            await self._sent.check(owner, user.name, requests)
        stored = await self._scheduler.submit(new)
        return [one.id for one in stored]

    async def jobs(self, user: User, wish: Wish) -> Listing:
        """Return a page of the jobs that the user may see."""
        return await self._queue.find(wish if user.is_admin else replace(wish, owner=user.name))

    async def failed_since(self, user: User, at: float) -> int:
        """Return how many jobs that the user may see failed after a moment."""
        return await self._queue.failed_since("" if user.is_admin else user.name, at)

    async def job(
        self, user: User, number: int, wish: TaskWish | None = None
    ) -> tuple[Job, list[Task]]:
        """Return a job and a page of its tasks, the first ones if unsaid; raises NoJobError."""
        found = await self._queue.page(number, wish or TaskWish())
        if found is None or not user.may_handle(found[0].owner):
            raise NoJobError(number)
        return found[0].job(), self._explained(*found)

    async def few(self, user: User, numbers: Sequence[int]) -> dict[int, list[Task]]:
        """Return all tasks of those of these jobs that the user may see; for jobs with few."""
        found = await self._queue.few(numbers)
        return {
            whole.row.id: self._explained(whole, tasks)
            for whole, tasks in found
            if user.may_handle(whole.owner)
        }

    async def nodes(self, user: User, number: int, most: int = MOST_AT_ONCE) -> list[str]:
        """Return the nodes on which a job ever had a place; raises NoJobError."""
        await self._stored(user, number, 0)
        return await self._queue.nodes(number, most)

    def _explained(self, whole: Whole, tasks: list[Task]) -> list[Task]:
        """Return tasks that say why they wait."""
        if not any(task.state == "pending" for task in tasks):
            return tasks
        why = self._scheduler.book.why_waiting(whole.row.id)
        return [replace(task, why=why) if task.state == "pending" else task for task in tasks]

    async def take(self, user: User, upload: str, offset: int, size: int, data: bytes) -> Taken:
        """Take a piece of a file that a job of this user will name; see `sent.store`."""
        if self._sent is None:
            raise RequestError("send", tr("this manager takes no files"))
        self._running()  # else it is not known which files are needed
        return await self._sent.take(user.name, upload, offset, size, data, self._needed)

    async def told(self, user: User, number: int) -> list[Fate]:
        """Return who was told what of a job, or waits to be; raises NoJobError."""
        await self._stored(user, number, 0)
        return await self._queue.ask(lambda db: notices.of_job(db, number))

    async def cancel(self, user: User, number: int, index: int | None = None) -> None:
        """End a job, or one of its tasks; raises NoJobError, and NotNowError when it has ended.

        The end of what runs is seen later, in the state of its tasks.
        """
        job = await self._current(user, number)
        book, now = self._scheduler.book, self._clock.unix()
        reason = tr("cancelled by {user}", user=user.name)
        if index is None:
            book.cancel(job, now, reason)
        elif (task := job.live.get(index)) is not None:
            book.happen(job, task, states.Cancelled(now, reason), now)
        elif not book.cancel_waiting(job, _known(job, index), now, reason):
            raise _over(number, index)
        await self._scheduler.stored()

    async def hold(self, user: User, number: int, index: int | None = None) -> None:
        """Start none of its tasks from now on; what runs goes on."""
        await self._hold(user, number, index, held=True)

    async def release(self, user: User, number: int, index: int | None = None) -> None:
        """Let a job that is held go on."""
        await self._hold(user, number, index, held=False)

    async def requeue(self, user: User, number: int, index: int | None = None) -> None:
        """Run again one task that has ended, or all that did not end well, or all if all did.

        Raises NotNowError when nothing of it has ended.
        """
        self._running()
        async with self._requeueing:  # what is read here must not be requeued meanwhile
            await self._requeue(user, number, index)
        await self._scheduler.stored()

    async def read(
        self, user: User, number: int, index: int, stream: Stream, offset: int, limit: int
    ) -> bytes:
        """Return at most `limit` bytes of what the latest attempt of a task wrote.

        See Engine.read; b"" before the first attempt. Raises NoJobError and NodeError.
        """
        whole, rows = await self._stored(user, number, index)
        if not rows or not rows[0].attempt:
            return b""
        launch = launch_of(self._name, whole.owner, decode(whole.request), rows[0])
        return await self._engine.read(launch, stream, offset, min(limit, MOST_READ))

    async def _requeue(self, user: User, number: int, index: int | None) -> None:
        book, now = self._scheduler.book, self._clock.unix()
        await self._scheduler.rouse([number])
        while True:
            await self._scheduler.stored()
            whole, rows = await self._stored(user, number)
            apart = await self._queue.apart(number)
            if number in book.jobs or whole.row.ended:  # else it ended since it was read
                break
        job = book.jobs.get(number) or Current(Loaded(whole, (), apart))
        ended = [task for task in rows if task.state in ENDED and task.index not in job.live]
        has_rest = job.rest != "pending" and job.without_row() > 0
        if index is None:
            ended = [task for task in ended if task.state != "done"] or ended
        else:
            position = job.position_of(_known(job, index))
            has_rest = has_rest and not job.has_row(position)
            ended = [task for task in ended if task.index == index]
        if not ended and not has_rest:
            raise NotNowError(
                tr("nothing of job {job} has ended that could run again", job=number),
                hint=tr("cancel it first"),
            )
        book.jobs[number] = job
        if has_rest and index is not None:
            book.requeue_one(job, index, now)
        elif has_rest:
            book.requeue_rest(job, now)
        book.requeue(job, ended, now)

    async def _open(self) -> tuple[str, list[Loaded], list[Sleeper]]:
        """Open the queue, as long as that takes; a damaged one is shown and stays closed."""
        while True:
            try:
                opened = await self._queue.open()
            except QueueError as error:
                hint = f" ({error.hint})" if error.hint else ""
                if self._trouble != f"{error}{hint}":
                    _log.error("the queue of jobs: %s%s", error, hint)
                self._trouble = f"{error}{hint}"
                if self._queue.damage:
                    await asyncio.Event().wait()
                await asyncio.sleep(_AGAIN_S)
            else:
                self._trouble = ""
                return opened

    async def _chores(self) -> None:
        """Remove old jobs and back the file up, now and then."""
        while True:
            await asyncio.sleep(_CHORES_S)
            try:
                await self.forget()
                if self._sent is not None:
                    await self._sent.sweep(self._needed)
                self._backup = await self._queue.back_up(self._clock.unix())
            except QueueError as error:
                _log.warning("old jobs stay: %s", error)

    async def forget(self) -> None:
        """Remove the jobs that are kept no longer, slice by slice, and what nodes have of them."""
        before = self._clock.unix() - self.settings.keep_days * _DAY_S
        gone = 1
        while gone:
            gone = await self._queue.forget(before, self.settings.keep_jobs)
            await asyncio.sleep(_SLICE_S)
        await leftovers.sweep(self._engine, self._queue, self._clock)

    def _running(self) -> None:
        if not self._name:
            raise QueueError(
                self.trouble() or tr("the queue of jobs is not open yet"),
                hint=tr("try again in a moment; `cl status` says what is wrong"),
            )

    def _needed(self) -> set[tuple[str, str]]:
        """Return owner and digest of the files that jobs need which have not ended."""
        jobs = self._scheduler.book.jobs.values()
        return {(job.owner, digest) for job in jobs for digest in job.sends}

    def _noticed(self) -> None:
        if self._outbox is not None:
            self._outbox.wake()

    def _check_told(self, request: Request) -> None:
        for one in wanted.all_of(request.notify):
            if self._teller is None or self._outbox is None:
                why = tr("this manager tells nobody of jobs")
                what = tr("leave it out; `cl submit --wait` waits for the end")
            else:
                why, what = self._teller.refusal(one.who)
            if not why and self._outbox and self._outbox.waiting > MOST_WAITING:
                why = tr("more than {most} notices wait to be sent", most=MOST_WAITING)
                what = tr("leave it out; the manager's log says what is wrong")
            if why:
                raise RequestError("notify", f"notify: {why}", hint=what)

    def _check_engine(self, request: Request) -> None:
        if complaints := self._engine.complaints(request):
            raise RequestError("", "; ".join(complaints))
        if self._engine.chooses:
            return
        rooms = list(self._scheduler.book.rooms.seen())
        others = self._nodes - {room.has.node for room in rooms}
        field, why = never(need_of(request), rooms, others)
        if why:
            raise RequestError(field, why, hint=tr("it could never run: ask for less"))

    async def _check_after(self, user: User, requests: Sequence[Request]) -> None:
        wanted = {number for one in requests for number, _ in one.after}
        if not wanted:
            return
        found = await self._queue.owners(wanted)
        for number in sorted(wanted):
            if number not in found or not user.may_handle(found[number][0]):
                raise RequestError("after", str(NoJobError(number)), hint=NoJobError(number).hint)

    async def _stored(
        self, user: User, number: int, index: int | None = None
    ) -> tuple[Whole, list[Task]]:
        found = await self._queue.job(number, index)
        if found is None or not user.may_handle(found[0].owner):
            raise NoJobError(number)
        return found

    async def _current(self, user: User, number: int) -> Current:
        """Return a job that has not ended, to be changed at once."""
        self._running()
        await self._scheduler.rouse([number])
        job = self._scheduler.book.jobs.get(number)
        if job is not None and user.may_handle(job.owner):
            return job
        await self._stored(user, number, 0)
        raise NotNowError(
            tr("job {job} has ended", job=number), hint=tr("`cl requeue` runs it again")
        )

    async def _hold(self, user: User, number: int, index: int | None, *, held: bool) -> None:
        job = await self._current(user, number)
        if index is not None:
            raise NotNowError(
                tr("only a whole job is held or released"), hint=tr("leave the task out")
            )
        self._scheduler.book.hold(job, self._clock.unix(), held=held)
        await self._scheduler.stored()


def _new(owner: str, request: Request, now: float) -> New:
    held, after = request.held, request.after
    kept = replace(request, held=False, key="")
    return New(
        owner,
        encode(kept),
        "held" if held else "waiting" if after else "pending",
        request.name,
        words_of(request.name, request.argv),
        request.key,
        now,
        held,
        len(request.array) or 1,
        kept,
    )


def _known(job: Current, index: int) -> int:
    try:
        job.position_of(index)
    except ValueError:
        raise NotNowError(
            tr("job {job} has no task {index}", job=job.id, index=index),
            hint=tr("`cl job {job}` lists its tasks", job=job.id),
        ) from None
    return index


def _over(number: int, index: int) -> NotNowError:
    return NotNowError(
        tr("task {index} of job {job} has ended", index=index, job=number),
        hint=tr("`cl requeue` runs it again"),
    )
