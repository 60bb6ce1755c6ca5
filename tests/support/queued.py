"""Jobs for tests of pages: what a test says they are, with what they have written."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clsh.access.service import Access
from clsh.base.users import User
from clsh.jobs.errors import NoJobError
from clsh.jobs.model import ENDED, Job, Place, Request, Task
from clsh.jobs.sent.store import NoRoomError, Taken
from clsh.jobs.wish import Listing, TaskWish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from clsh.jobs.engine import Stream
    from clsh.jobs.queue.notices import Fate
    from clsh.jobs.wish import Wish

PEOPLE = {
    "alice": User("alice"),
    "bob": User("bob"),
    "root": User("root", is_admin=True),
}


class ByWord(Access):
    """Takes a session's word for who asks."""

    def of_session(self, secret: str) -> User | None:
        return PEOPLE.get(secret)


class Known:
    """An app to which a cookie `who=NAME` is a session of its own, from a page of ours."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._name = f"clsh-{access.id}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"])
        if b"cookie" in given:
            given[b"cookie"] = given[b"cookie"].replace(b"who=", self._name + b"=")
            given.setdefault(b"sec-fetch-site", b"same-origin")
        await self._app({**scope, "headers": list(given.items())}, receive, send)


class Queued:
    """What the pages need of `clsh.jobs.service.Jobs`; nothing of it runs."""

    def __init__(self) -> None:
        self.version = 1
        self.found: dict[int, tuple[Job, list[Task]]] = {}
        self.written: dict[tuple[int, int, Stream], bytes] = {}
        self.acts: list[tuple[str, str, int, int | None]] = []
        self.fates: list[Fate] = []
        self.files: dict[str, bytes] = {}
        self.full = False
        self.asked: list[Wish] = []
        self.opened = 0
        self.fetched: list[int] = []
        self.refuses: Exception | None = None
        self.unreadable: Exception | None = None
        self.hangs = False
        self._keys: dict[tuple[str, str], int] = {}

    def trouble(self) -> str:
        return ""

    # ---- what tests say

    def add(
        self, owner: str, request: Request, *tasks: Task, ago: float = 600.0, **values: Any
    ) -> int:
        """Add a job whose state follows from its tasks, unless it is said."""
        number = len(self.found) + 1
        indexes = request.array or (0,)
        own = [replace(task, job=number) for task in tasks] or [
            Task(number, one) for one in indexes
        ]
        job = Job(number, owner, request, "pending", time.time() - ago)
        self.found[number] = (job, own)
        self._fold(number, values)
        return number

    def put(self, number: int, task: Task, **values: Any) -> None:
        """Say how a task stands now."""
        _, tasks = self.found[number]
        place = [one.index for one in tasks].index(task.index)
        tasks[place] = replace(task, job=number)
        self._fold(number, values)

    def write(self, number: int, text: bytes, stream: Stream = "output", index: int = 0) -> None:
        """Append to what a task has written."""
        key = (number, index, stream)
        self.written[key] = self.written.get(key, b"") + text

    def _fold(self, number: int, values: dict[str, Any]) -> None:
        job, tasks = self.found[number]
        counts: dict[Any, int] = {}
        for task in tasks:
            counts[task.state] = counts.get(task.state, 0) + 1
        states = set(counts)
        state = "running"
        if states <= ENDED:
            state = (
                "done"
                if states == {"done"}
                else "cancelled"
                if states == {"cancelled"}
                else "failed"
            )
        elif states == {"pending"}:
            state = "held" if job.request.held else "pending"
        begun = [task.started for task in tasks if task.started]
        given: dict[str, Any] = {
            "state": state,
            "started": min(begun, default=0.0),
            "ended": max(task.ended for task in tasks) if states <= ENDED else 0.0,
            "counts": counts,
            **values,
        }
        self.found[number] = (replace(job, **given), tasks)
        self.version += 1

    # ---- what the pages ask

    def _of(self, user: User, number: int) -> tuple[Job, list[Task]]:
        if number not in self.found or not user.may_handle(self.found[number][0].owner):
            raise NoJobError(number)
        return self.found[number]

    async def submit(self, user: User, requests: Sequence[Request], owner: str = "") -> list[int]:
        if self.refuses:
            raise self.refuses
        numbers: list[int] = []
        for request in requests:
            key = (user.name, request.key)
            if key not in self._keys:
                self._keys[key] = self.add(user.name, request, ago=0.0)
            numbers.append(self._keys[key])
        return numbers

    async def jobs(self, user: User, wish: Wish) -> Listing:
        self.asked.append(wish)
        mine = [job for job, _ in self.found.values() if user.may_handle(job.owner)]
        mine = [job for job in mine if not wish.owner or job.owner == wish.owner]
        states: dict[Any, int] = {}
        for job in mine:
            states[job.state] = states.get(job.state, 0) + 1
        chosen = [
            job
            for job in mine
            if (not wish.states or job.state in wish.states)
            and wish.text in " ".join((job.request.name, *job.request.argv))
            and (not wish.node or wish.node in self._nodes(job.id))
        ]
        key = wish.order.removeprefix("-")
        chosen.sort(
            key=lambda job: (job.request.name if key == "name" else getattr(job, key), job.id),
            reverse=wish.order.startswith("-"),
        )
        return Listing(chosen[wish.offset : wish.offset + wish.limit], len(chosen), states)

    def _nodes(self, number: int) -> set[str]:
        return {place.node for task in self.found[number][1] for place in task.places}

    async def job(
        self, user: User, number: int, wish: TaskWish | None = None
    ) -> tuple[Job, list[Task]]:
        self.opened += 1
        job, tasks = self._of(user, number)
        return job, chosen(tasks, wish or TaskWish())

    async def few(self, user: User, numbers: Sequence[int]) -> dict[int, list[Task]]:
        self.fetched += numbers
        mine = [number for number in numbers if number in self.found]
        return {number: list(self._of(user, number)[1]) for number in mine}

    async def nodes(self, user: User, number: int) -> list[str]:
        _, tasks = self._of(user, number)
        return list(dict.fromkeys(place.node for task in tasks for place in task.places))

    async def failed_since(self, user: User, at: float) -> int:
        mine = [job for job, _ in self.found.values() if user.may_handle(job.owner)]
        return sum(job.state == "failed" and job.ended > at for job in mine)

    async def take(self, user: User, upload: str, offset: int, size: int, data: bytes) -> Taken:
        if self.full:
            raise NoRoomError("send", "your files would be more than 9 bytes", hint="wait")
        if offset == len(self.files.get(upload, b"")):
            self.files[upload] = self.files.get(upload, b"") + data
        have = len(self.files[upload])
        whole = hashlib.sha256(self.files[upload]).hexdigest() if have == size else ""
        return Taken(have, whole)

    async def told(self, user: User, number: int) -> list[Fate]:
        self._of(user, number)
        return self.fates

    async def cancel(self, user: User, number: int, index: int | None = None) -> None:
        self._act("cancel", user, number, index)
        for task in list(self.found[number][1]):
            if task.state not in ENDED and index in {None, task.index}:
                self.put(number, replace(task, state="cancelled", ended=time.time()))

    async def hold(self, user: User, number: int, index: int | None = None) -> None:
        self._act("hold", user, number, index)
        self._fold(number, {"state": "held"})

    async def release(self, user: User, number: int, index: int | None = None) -> None:
        self._act("release", user, number, index)
        self._fold(number, {"state": "pending"})

    async def requeue(self, user: User, number: int, index: int | None = None) -> None:
        self._act("requeue", user, number, index)
        for task in list(self.found[number][1]):
            if index in {None, task.index}:
                self.put(number, Task(number, task.index, attempt=task.attempt))

    def _act(self, name: str, user: User, number: int, index: int | None) -> None:
        self._of(user, number)
        if self.refuses:
            raise self.refuses
        self.acts.append((name, user.name, number, index))

    async def read(
        self, user: User, number: int, index: int, stream: Stream, offset: int, limit: int
    ) -> bytes:
        self._of(user, number)
        if self.hangs:
            await asyncio.sleep(3600)
        if self.unreadable:
            raise self.unreadable
        data = self.written.get((number, index, stream), b"")
        begin = max(0, len(data) + offset) if offset < 0 else offset
        return data[begin : begin + limit]


def chosen(tasks: Sequence[Task], wish: TaskWish) -> list[Task]:
    """Return the page of a wish."""
    if wish.index is not None:
        return [task for task in tasks if task.index == wish.index]
    found = [task for task in tasks if not wish.states or task.state in wish.states]
    return found[wish.offset : wish.offset + wish.limit]


def on(*nodes: str, ranks: int = 1) -> tuple[Place, ...]:
    return tuple(Place(node, ranks) for node in nodes)


def some(queue: Queued, owner: str = "alice", now: float = 0.0) -> Queued:
    """Add five jobs in five states: running, an array, one that waits, done, failed."""
    now = now or time.time()
    solve = Request(("mpirun", "./solve", "--mesh", "42"), "parallel", "cfd-mesh-42", tasks=16)
    why = "node1: score 0.21, the lowest of 4; node2: score 0.30"
    queue.add(
        owner, solve,
        Task(0, 0, "running", 1, on("node1", "node2", ranks=8), why, now - 8040, rss=3 << 30),
        ago=8100.0,
    )  # fmt: skip
    sweep = Request(
        ("./sweep", "--one"), "batch", "param-sweep", array=tuple(range(120)), at_once=8
    )
    queue.add(owner, sweep, *(_swept(index, now) for index in range(120)), ago=2400.0)
    train = Request(("python3", "train.py"), name="train-small", memory=64 << 30)
    queue.add(owner, train, Task(0, 0, why="needs 64 GB: node1, node2 are busy until about 12:40"))
    queue.add(
        owner, Request(("./pi", "1000000"), name="pi", output="pi-%j.out"),
        Task(0, 0, "done", 1, on("node4"), "round robin", now - 5000, now - 4998.1, 0, rss=9 << 20),
        ago=5001.0,
    )  # fmt: skip
    queue.add(
        owner, Request(("./etl", "--night"), name="etl-night", rss_limit=8 << 30),
        Task(
            0, 0, "failed", 1, on("node2"), "node2: score 0.12, the lowest of 4", now - 9000,
            now - 8280, None, "KILL", "RSS 8.2 GB of 8 GB allowed", 8 << 30,
        ),
        ago=9100.0,
    )  # fmt: skip
    queue.write(1, b"step 4120  residual 3.1e-05   12.4 s\nstep 4130  residual 3.0e-05   12.3 s\n")
    queue.write(1, b"warning: mesh is coarse\n", "error")
    queue.write(4, b"3.141592653\n")
    return queue


def _swept(index: int, now: float) -> Task:
    node = on(f"node{index % 4 + 1}")
    if index < 50:
        begun = now - 2300 + index * 9
        if index % 17 == 5:
            return Task(0, index, "failed", 1, node, "", begun, begun + 7, 3, reason="")
        return Task(0, index, "done", 1, node, "", begun, begun + 80.5, 0, rss=70 << 20)
    if index < 58:
        return Task(0, index, "running", 1, node, "in turn", now - 60 + index)
    return Task(0, index, why="at most 8 at a time")
