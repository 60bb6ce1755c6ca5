"""The manager is killed while it tells of jobs: all that is stored is told, by ids that stay."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import Slots
from clsh.jobs.queue import notices
from clsh.jobs.queue.errors import QueueError
from tests.support.jobs import ALICE, run, until
from tests.support.letters import Letters
from tests.support.mortal import Killed, Life, check_reached, manager

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.jobs.service import Jobs

SCENARIO = [
    run("sleep", "0.01", "exit", "3", key="one", notify=("all:ops", "fail:a@example.org")),
    run("true", key="two", kind="batch", array=(4, 5), notify=("tasks:each", "begin:ops")),
]
TOLD = {
    ("ops", "begin", None, "running"),
    ("ops", "end", None, "failed"),
    ("a@example.org", "end", None, "failed"),
    ("each", "end", 4, "done"),
    ("each", "end", 5, "done"),
}


async def all_told(jobs: Jobs) -> None:
    await jobs.submit(ALICE, SCENARIO)
    await until(lambda: jobs._scheduler.book.is_empty())
    await jobs._scheduler.stored()
    async with asyncio.timeout(20):
        while await jobs._queue.ask(notices.lanes):  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.005)


async def lived(directory: Path, statements: int) -> Life:
    """Die at a statement, go on with a second life, and check; return what the first lived."""
    engine, letters = MemoryEngine(), Letters()
    engine.nodes = {"node1": Slots("node1", 8)}
    async with manager(directory, engine, statements, letters) as (jobs, life):
        doing = asyncio.create_task(all_told(jobs))
        await until(lambda: life.is_dead or doing.done())
        doing.cancel()
        with contextlib.suppress(asyncio.CancelledError, QueueError, Killed):
            await doing
    async with manager(directory, engine, 1 << 40, letters) as (jobs, _):
        await all_told(jobs)
    assert set(letters.said()) == TOLD
    ids = {(who, message.id) for who, message in letters.told}
    assert len(ids) == len(TOLD) + 1, "ops is told of two beginnings"
    return life


async def test_killed_between_every_two_statements(tmp_path: Path) -> None:
    whole = await lived(tmp_path / "all", 1 << 40)
    assert whole.count > 20
    check_reached(whole.sites, 2, only="notices.py")
    for number in range(whole.count):
        await lived(tmp_path / str(number), number)
