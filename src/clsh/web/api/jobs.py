"""Answers about jobs: submitting, listing, watching, reading what they write, ending them.

Everything is asked in the name of `asked.user`; what is somebody else's is not there. Output
goes out as it is, as plain text that no browser takes for a page.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, cast

from clsh.base.errors import ClshError, NodeError, NotAllowedError, UsageError
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.jobs.model import ENDED
from clsh.jobs.wish import TaskWish, Wish
from clsh.web.answers import Made, to_long_json
from clsh.web.api import job_rows
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from clsh.base.users import User
    from clsh.jobs.engine import Stream
    from clsh.jobs.model import JobState, TaskState
    from clsh.jobs.service import Jobs
    from clsh.jobs.wish import Order
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

TEXT = "text/plain; charset=utf-8"
_ROWS_AT_ONCE = 500
_LOOKS_S = (0.1, 0.2, 0.4, 0.8)  # how long to wait before looking again, the last one from then on

Act = Literal["cancel", "hold", "release", "requeue"]


def _jobs(site: Site) -> Jobs:
    if site.jobs is None:
        raise RefusedError(
            503, "this manager runs no jobs", hint="`cl doctor` says why; see [jobs] in clsh.toml"
        )
    return site.jobs


@contextmanager
def _told() -> Generator[None]:
    """Turn errors of the jobs into refusals with a status of HTTP."""
    try:
        yield
    except RefusedError:
        raise
    except ClshError as error:
        found = (status for kind, status in _STATUS if isinstance(error, kind))
        field = error.field if isinstance(error, RequestError) else ""
        status = next(found, 503)
        raise RefusedError(status, str(error), hint=error.hint, parameter=field) from error


_STATUS: tuple[tuple[type[ClshError], int], ...] = (
    (NoJobError, 404),
    (NotNowError, 409),
    (NotAllowedError, 403),
    (UsageError, 400),
    (NodeError, 502),
)


async def submit(site: Site, asked: Asked) -> object:
    """Take one or many requests, all or none; answer the jobs' numbers in their order."""
    with _told():
        requests, owner = job_rows.requests(asked.body)
        ids = await _jobs(site).submit(asked.asker, requests, owner)
    return {"jobs": ids}


async def take(site: Site, asked: Asked) -> object:
    """Take a piece of a file; answer how much of it is there, and its digest when that is all."""
    where = asked.whole("offset"), asked.whole("size")
    with _told():
        taken = await _jobs(site).take(asked.asker, asked.text("upload"), *where, asked.body)
    return {"have": taken.have, "digest": taken.digest}


async def listing(site: Site, asked: Asked) -> object:
    """Answer one page of jobs; with `wait` when something has changed since `seen`."""
    jobs = _jobs(site)
    await _changed(jobs, asked)
    version = jobs.version
    states = cast("list[JobState]", asked.many("state"))
    wish = Wish(
        owner=asked.text("owner"),
        states=frozenset(states),
        text=asked.text("q"),
        node=asked.text("node"),
        order=cast("Order", asked.text("sort")),
        offset=asked.whole("offset"),
        limit=asked.whole("limit"),
    )
    with _told():
        found = await jobs.jobs(asked.asker, wish)
    fields = {
        "version": version,
        "total": found.total,
        "offset": wish.offset,
        "limit": wish.limit,
        "states": dict(found.states),
    }
    rows = map(job_rows.job_row, found.jobs)
    return await to_long_json(fields, "jobs", rows, at_once=_ROWS_AT_ONCE)


async def job(site: Site, asked: Asked) -> object:
    """Answer a job, what was asked for and a page of its tasks; `wait` as for the list."""
    from clsh.jobs.forms import form

    jobs = _jobs(site)
    await _changed(jobs, asked)
    version = jobs.version
    states = cast("list[TaskState]", asked.many("state"))
    named = asked.many("task")
    wish = TaskWish(
        frozenset(states),
        int(named[0]) if named else None,
        asked.whole("offset"),
        asked.whole("limit"),
    )
    with _told():
        found, tasks = await jobs.job(asked.asker, asked.whole("job"), wish)
        told = await jobs.told(asked.asker, found.id) if found.request.notify else ()
    total = sum(n for state, n in found.counts.items() if state in states or not states)
    fields = {
        "version": version,
        **job_rows.job_row(found),
        "request": form.native(found.request),
        "told": [job_rows.told_row(one) for one in told],
        "total": len(tasks) if named else total,
    }
    rows = map(job_rows.task_row, tasks)
    return await to_long_json(fields, "tasks", rows, at_once=_ROWS_AT_ONCE)


async def _changed(jobs: Jobs, asked: Asked) -> None:
    """Wait until there is something newer than `seen`, `wait` seconds at most."""
    wait = asked.whole("wait")
    if wait:
        try:
            async with asyncio.timeout(wait):
                await jobs.wait(asked.whole("seen"))
        except TimeoutError:
            pass  # nothing has changed: the answer is as before


async def output(site: Site, asked: Asked) -> object:
    """Answer bytes of an output file; with `wait` as soon as there are some, or no more come.

    `clsh-next` is the offset to go on from; `clsh-ended` is `yes` when the task has ended and
    there is nothing after `offset`.
    """
    jobs, user = _jobs(site), asked.asker
    number, named = asked.whole("job"), asked.many("task")
    stream = cast("Stream", asked.text("stream"))
    begin, tail = asked.whole("offset"), asked.whole("tail")
    limit = min(asked.whole("limit"), tail or asked.whole("limit"))
    until = asyncio.get_running_loop().time() + asked.whole("wait")
    looks, seen = 0, -1
    index, ended = 0, False
    with _told():
        while True:
            # The state first: what was written before the end is there when it is told.
            if seen != jobs.version:
                seen = jobs.version
                index, ended = await _task(jobs, user, number, named)
            data = await jobs.read(user, number, index, stream, -tail if tail else begin, limit)
            left = until - asyncio.get_running_loop().time()
            if data or ended or left <= 0:
                break
            await asyncio.sleep(min(left, _LOOKS_S[min(looks, len(_LOOKS_S) - 1)]))
            looks += 1
    headers = {"clsh-ended": "yes" if ended and not data else "no"}
    if not tail:
        headers["clsh-next"] = str(begin + len(data))
    return Made(data, TEXT, headers)


async def _task(jobs: Jobs, user: User, number: int, named: Sequence[str]) -> tuple[int, bool]:
    """Return the index of a task, of the first when none is named, and whether it has ended."""
    wanted = int(named[0]) if named else None
    wish = TaskWish(limit=1) if wanted is None else TaskWish(index=wanted)
    _, tasks = await jobs.job(user, number, wish)
    if tasks:
        return tasks[0].index, tasks[0].state in ENDED
    job, (first,) = await jobs.job(user, number, TaskWish(limit=1))
    count = sum(job.counts.values())
    _, (last,) = await jobs.job(user, number, TaskWish(offset=count - 1))
    known = f"its tasks are {first.index} to {last.index}"
    raise RefusedError(404, f"job {number} has no task {wanted}", hint=known, parameter="task")


def act(name: Act) -> Callable[[Site, Asked], Awaitable[object]]:
    """Return what answers a request to do something to a job, or to one task of it."""

    async def answer(site: Site, asked: Asked) -> object:
        jobs, user, number = _jobs(site), asked.asker, asked.whole("job")
        doing = {
            "cancel": jobs.cancel,
            "hold": jobs.hold,
            "release": jobs.release,
            "requeue": jobs.requeue,
        }[name]
        named = asked.many("task")
        index = int(named[0]) if named else None
        with _told():
            await doing(user, number, index)
        return {"job": number, "task": index}

    return answer
