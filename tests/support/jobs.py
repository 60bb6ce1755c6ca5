"""Jobs over an engine in memory, for tests: started, waited for, stopped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from clsh.base.users import User
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import ENDED, Request
from clsh.jobs.queue import Queue
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.service import Jobs
from clsh.jobs.settings import Settings
from tests.support.clocks import Running

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.jobs.model import Job, JobState, Task
    from clsh.jobs.notices.outbox import Teller
    from clsh.jobs.sent.service import Sent
    from clsh.nodes.model import NodeLoad

ALICE = User("alice")
BOB = User("bob")
ROOT = User("root", is_admin=True)
LONGEST_S = 30.0


def no_loads() -> Mapping[str, NodeLoad]:
    return {}


def made(
    directory: Path,
    engine: MemoryEngine,
    *,
    clock: Clock | None = None,
    settings: Settings | None = None,
    connect: Callable[[sqlite3.Connection], sqlite3.Connection] = lambda db: db,
    nodes: Iterable[str] = (),
    teller: Teller | None = None,
    sent: Sent | None = None,
) -> Jobs:
    return Jobs(
        engine,
        Queue(lambda: QueueFile(directory, connect)),
        clock or Running(),
        settings or Settings("memory"),
        no_loads,
        nodes=list(nodes),
        teller=teller,
        sent=sent,
    )


@contextlib.asynccontextmanager
async def running(jobs: Jobs) -> AsyncIterator[Jobs]:
    """Let jobs run; whatever fails in them fails the test."""
    task = asyncio.create_task(jobs.run())
    try:
        await until(lambda: bool(jobs._name) or task.done() or bool(jobs.trouble()))
        yield jobs
    finally:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], longest_s: float = LONGEST_S) -> None:
    async with asyncio.timeout(longest_s):
        while not condition():  # noqa: ASYNC110 - it is not said when
            await asyncio.sleep(0.005)


async def ended(jobs: Jobs, number: int, state: JobState | None = None) -> tuple[Job, list[Task]]:
    """Wait until a job has ended, and return it."""
    found = await reached(jobs, number, lambda job, _: job.state in ENDED)
    assert state in {None, found[0].state}, (found[0], found[1][:3])
    return found


async def reached(
    jobs: Jobs, number: int, condition: Callable[[Job, list[Task]], bool]
) -> tuple[Job, list[Task]]:
    async with asyncio.timeout(LONGEST_S):
        while True:
            seen = jobs.version
            found = await jobs.job(ROOT, number)
            if condition(*found):
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await jobs.wait(seen)


def run(*argv: str, **more: object) -> Request:
    return Request(argv or ("true",), **more)  # type: ignore[arg-type]  # the fields are those of Request
