"""A service of jobs in memory, as `clsh.jobs.service` promises to be, and its API on a socket.

Nothing runs unless `runs` is set: then each job's argv is a process of this machine. A test
moves tasks on by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clsh.base.errors import NotAllowedError
from clsh.cli import client
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.jobs.model import ENDED, Job, Place, Task
from clsh.jobs.sent.store import Taken
from clsh.jobs.wish import Listing, TaskWish
from clsh.web import serve
from tests.support.queued import chosen
from tests.support.web import a_control, a_monitor, an_app

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from clsh.base.users import User
    from clsh.jobs.engine import Stream
    from clsh.jobs.model import JobState, Request
    from clsh.jobs.queue.notices import Fate
    from clsh.jobs.wish import Wish


class FakeJobs:
    """Jobs of which only the state is real. `out` has what each task wrote, by stream."""

    def __init__(self, *, runs: bool = False) -> None:
        self.version = 1
        self.runs = runs
        self.found: dict[int, Job] = {}
        self.tasks: dict[int, list[Task]] = {}
        self.out: dict[tuple[int, int, Stream], bytes] = {}
        self.acts: list[tuple[str, int, int | None]] = []
        self.fates: list[Fate] = []
        self.fails: Exception | None = None
        self.untold = ""
        self.files: dict[str, bytes] = {}
        self._keys: dict[tuple[str, str], int] = {}
        self._changed = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    def change(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seen: int) -> int:
        while self.version <= seen:
            await self._changed.wait()
        return self.version

    def trouble(self) -> str:
        return ""

    async def submit(self, user: User, requests: Sequence[Request], owner: str = "") -> list[int]:
        if self.fails:
            raise self.fails
        if owner and not user.may_handle(owner):
            raise NotAllowedError(f"{user.name} may not submit for {owner}")
        for request in requests:
            if request.notify and self.untold:
                raise RequestError("notify", f"notify: {self.untold}", hint="leave it out")
            if request.argv[0] == "/bad":
                raise RequestError("argv", "no such program", hint="name another")
        return [self._add(owner or user.name, request) for request in requests]

    def _add(self, owner: str, request: Request) -> int:
        if request.key and (owner, request.key) in self._keys:
            return self._keys[owner, request.key]
        number = len(self.found) + 1
        if request.key:
            self._keys[owner, request.key] = number
        state: JobState = "held" if request.held else "pending"
        self.found[number] = Job(number, owner, request, state, 1_700_000_000.0 + number)
        indexes = request.array or (0,)
        self.tasks[number] = [Task(number, index, why="no node is free") for index in indexes]
        self.change()
        if self.runs:
            running = asyncio.create_task(self._run(number))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        return number

    async def _run(self, number: int) -> None:
        request = self.found[number].request
        self.move(number, state="running", started=time.time(), places=(Place("node1"),))
        process = await asyncio.create_subprocess_exec(
            *request.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=request.directory or None,
            env={**os.environ, **request.environment},
        )
        self._processes[number] = process
        output, error = await process.communicate()
        self.out[number, 0, "output"], self.out[number, 0, "error"] = output, error
        status = process.returncode or 0
        self.move(number, state="done" if status == 0 else "failed", status=status)

    def move(self, number: int, index: int = 0, **values: Any) -> None:
        """Change a task, and its job by it."""
        tasks = self.tasks[number]
        at = next(n for n, task in enumerate(tasks) if task.index == index)
        if tasks[at].state in ENDED and values.get("state") != "pending":
            return
        tasks[at] = replace(tasks[at], **values)
        if tasks[at].state in ENDED and not tasks[at].ended:
            tasks[at] = replace(tasks[at], ended=time.time())
        states = {task.state for task in tasks}
        state: JobState = "running"
        if states <= ENDED:
            bad = states - {"done"}
            state = "done" if not bad else "cancelled" if bad == {"cancelled"} else "failed"
        elif states == {"pending"}:
            state = "pending"
        counts = {one: sum(task.state == one for task in tasks) for one in states}
        self.found[number] = replace(
            self.found[number],
            state=state,
            counts=counts,
            started=min((task.started for task in tasks if task.started), default=0.0),
            ended=max(task.ended for task in tasks) if states <= ENDED else 0.0,
        )
        self.change()

    def _known(self, user: User, number: int) -> Job:
        found = self.found.get(number)
        if found is None or not user.may_handle(found.owner):
            raise NoJobError(number)
        return found

    async def jobs(self, user: User, wish: Wish) -> Listing:
        seen = [job for job in self.found.values() if user.may_handle(job.owner)]
        chosen = [
            job
            for job in seen
            if (not wish.owner or job.owner == wish.owner)
            and (not wish.states or job.state in wish.states)
            and wish.text in f"{job.request.name} {' '.join(job.request.argv)}"
            and (not wish.node or wish.node in self._nodes(job.id))
        ]
        key = wish.order.removeprefix("-")
        by: dict[str, Callable[[Job], Any]] = {
            "name": lambda job: job.request.name,
            "owner": lambda job: job.owner,
        }
        chosen.sort(key=by.get(key, lambda job: job.id), reverse=wish.order.startswith("-"))
        states = {job.state: 0 for job in seen}
        for job in seen:
            states[job.state] += 1
        return Listing(chosen[wish.offset : wish.offset + wish.limit], len(chosen), states)

    def _nodes(self, number: int) -> set[str]:
        return {place.node for task in self.tasks[number] for place in task.places}

    async def job(
        self, user: User, number: int, wish: TaskWish | None = None
    ) -> tuple[Job, list[Task]]:
        job, tasks = self._known(user, number), self.tasks[number]
        counts = {one: sum(task.state == one for task in tasks) for one in {t.state for t in tasks}}
        return replace(job, counts=counts), chosen(tasks, wish or TaskWish())

    async def take(self, user: User, upload: str, offset: int, size: int, data: bytes) -> Taken:
        if self.fails:
            raise self.fails
        self.files[upload] = self.files.get(upload, b"")[:offset] + data
        have = len(self.files[upload])
        done = hashlib.sha256(self.files[upload]).hexdigest() if have == size else ""
        return Taken(have, done)

    async def told(self, user: User, number: int) -> list[Fate]:
        self._known(user, number)
        return self.fates

    async def cancel(self, user: User, number: int, index: int | None = None) -> None:
        self._act(user, "cancel", number, index)
        for task in self.tasks[number]:
            if index in {None, task.index}:
                self.move(number, task.index, state="cancelled")
        process = self._processes.get(number)
        if process and process.returncode is None:
            process.kill()

    async def hold(self, user: User, number: int, index: int | None = None) -> None:
        self._act(user, "hold", number, index)

    async def release(self, user: User, number: int, index: int | None = None) -> None:
        self._act(user, "release", number, index)

    async def requeue(self, user: User, number: int, index: int | None = None) -> None:
        self._act(user, "requeue", number, index)
        if self.found[number].state in {"pending", "held"}:
            raise NotNowError(f"job {number} has not run yet", hint="wait for its end")
        for task in self.tasks[number]:
            if index in {None, task.index}:
                self.move(number, task.index, state="pending", ended=0.0)

    def _act(self, user: User, name: str, number: int, index: int | None) -> None:
        self._known(user, number)
        self.acts.append((name, number, index))

    async def read(
        self, user: User, number: int, index: int, stream: Stream, offset: int, limit: int
    ) -> bytes:
        self._known(user, number)
        if self.fails:
            raise self.fails
        data = self.out.get((number, index, stream), b"")
        begin = max(0, len(data) + offset) if offset < 0 else offset
        return data[begin : begin + limit]

    async def aclose(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
        if self._running:
            await asyncio.wait(self._running)


class Managed:
    """A manager with jobs where `cl` of this process looks for one."""

    def __init__(self, jobs: FakeJobs, loop: asyncio.AbstractEventLoop) -> None:
        self.jobs = jobs
        self._loop = loop

    def call(self, what: Callable[[], object]) -> None:
        """Run something in the manager's loop, and wait for it."""

        async def run() -> None:
            what()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)


@contextmanager
def managed(*, runs: bool = False, **facts: str) -> Generator[Managed]:
    """Serve the real API of fake jobs at the manager's socket, from a thread."""
    path = client.socket_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    ready = threading.Event()
    held: list[tuple[Managed, asyncio.Event]] = []

    async def run() -> None:
        jobs = FakeJobs(runs=runs)
        line = socket.socket(socket.AF_UNIX)
        line.bind(str(path))
        line.listen()
        line.setblocking(False)
        stopping = asyncio.Event()
        held.append((Managed(jobs, asyncio.get_running_loop()), stopping))
        ready.set()
        app = an_app(a_monitor(), a_control(facts=facts), jobs=jobs)
        await serve.serve(app, [line], stopping)
        await jobs.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(20)
    one, stopping = held[0]
    try:
        yield one
    finally:
        one.call(stopping.set)
        thread.join(20)
        path.unlink(missing_ok=True)
