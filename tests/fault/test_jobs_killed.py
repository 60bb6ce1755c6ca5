"""The manager is killed while it takes and runs jobs: none is lost, none runs twice.

The engine in memory stands in for the nodes: it lives on when the manager dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clsh.base.errors import NodeLostError
from clsh.jobs import leftovers
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.errors import NotNowError
from clsh.jobs.model import ENDED, Slots
from clsh.jobs.queue.errors import QueueError
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.wish import Wish
from tests.support.clocks import Running
from tests.support.jobs import ALICE, ROOT, reached, run, until
from tests.support.mortal import Killed, check_reached, manager
from tests.support.soak import figures, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from clsh.jobs.engine import Engine
    from clsh.jobs.model import Request
    from clsh.jobs.service import Jobs
    from tests.support.mortal import Life

SUBMISSIONS = sized(1000, 2000)
KILLS = sized(25, 50)
TOGETHER = 10
BESIDE = 8  # lives that are looked at side by side: each waits for its disk, most of the time
SCENARIO = [
    run("sleep", "0.01", key="one"),
    run("sleep", "0.01", "exit", "3", key="two"),
    run("sleep", "0.01", key="three", kind="batch", array=(0, 1, 2)),
]


def nodes(count: int = 4, slots: int = 8) -> MemoryEngine:
    engine = MemoryEngine()
    engine.nodes = {f"node{n}": Slots(f"node{n}", slots) for n in range(count)}
    return engine


async def all_ended(jobs: Jobs) -> None:
    await until(jobs._scheduler.book.is_empty)
    await jobs._scheduler.stored()


async def until_dead(life: Life, longest_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await until(lambda: life.is_dead, longest_s)


class Client:
    """Submits until all is acknowledged; what was not is submitted again, with its key."""

    def __init__(self, requests: list[Request]) -> None:
        self.waiting = requests
        self.acknowledged: dict[str, int] = {}

    async def submit(self, jobs: Jobs) -> None:
        while self.waiting:
            some = self.waiting[:TOGETHER]
            ids = await jobs.submit(ALICE, some)
            self.acknowledged.update(zip([one.key for one in some], ids, strict=True))
            del self.waiting[: len(some)]

    async def live(self, jobs: Jobs, life: Life, longest_s: float) -> None:
        submitting = asyncio.create_task(self.submit(jobs))
        await until_dead(life, longest_s)
        submitting.cancel()
        with contextlib.suppress(asyncio.CancelledError, QueueError, Killed):
            await submitting


async def killed_at_random(
    directory: Path, engine: MemoryEngine, submissions: int, kills: int
) -> Client:
    """Kill a manager again and again while jobs are submitted and run; then let all end."""
    client = Client([run("sleep", "0.01", key=f"k{n}") for n in range(submissions)])
    rounds = 0
    while rounds < kills or client.waiting:
        rounds += 1
        assert rounds < 20 * kills
        async with manager(directory, engine, random.randrange(10, 150)) as (jobs, life):
            await client.live(jobs, life, random.uniform(0.02, 0.2))
    async with manager(directory, engine) as (jobs, _):
        await all_ended(jobs)
    return client


def check_none_lost(directory: Path, client: Client) -> None:
    file = QueueFile(directory)
    try:
        found = {key: file.job(number) for key, number in client.acknowledged.items()}
    finally:
        file.close()
    assert len(found) == len(set(client.acknowledged.values()))
    for job in found.values():
        assert job is not None
        (whole, (task,)) = job
        assert (whole.row.state, task.state, task.attempt) == ("done", "done", 1)


async def test_killed_at_random_none_is_lost_and_none_runs_twice(tmp_path: Path) -> None:
    engine = nodes()
    engine.delay_s = 0.002
    client = await killed_at_random(tmp_path, engine, SUBMISSIONS, KILLS)
    assert len(client.acknowledged) == SUBMISSIONS
    await asyncio.to_thread(check_none_lost, tmp_path, client)
    assert len(engine.started) == SUBMISSIONS
    assert set(engine.started.values()) == {1}
    figures("in one process, killed at random", submissions=SUBMISSIONS, kills=KILLS, twice=0)


async def test_without_the_claim_on_the_node_the_same_finds_some_that_run_twice(
    tmp_path: Path,
) -> None:
    engine = nodes()
    engine.claims = False
    engine.delay_s = 0.5  # longer than a manager needs to come back
    await killed_at_random(tmp_path, engine, 100, 10)
    twice = sum(count > 1 for count in engine.started.values())
    assert twice
    figures("in one process, without the claim", submissions=100, kills=10, twice=twice)


async def scenario(jobs: Jobs) -> None:
    """Submit, cancel, hold, release, run again: whatever was done before is done once more."""
    one, two, three = await jobs.submit(ALICE, SCENARIO)
    with contextlib.suppress(NotNowError):
        await jobs.hold(ALICE, one)
    with contextlib.suppress(NotNowError):
        await jobs.release(ALICE, one)
    with contextlib.suppress(NotNowError):
        await jobs.cancel(ALICE, three, 2)
    await until(lambda: two not in jobs._scheduler.book.jobs)
    await jobs._scheduler.stored()
    _, (task,) = await jobs.job(ALICE, two)
    if task.attempt < 2:
        await jobs.requeue(ALICE, two)
    await all_ended(jobs)


async def first_life(
    directory: Path,
    engine: MemoryEngine,
    statements: int,
    scenario: Callable[[Jobs], Coroutine[None, None, None]],
) -> Life:
    """Do a scenario until death, if that comes before its end."""
    async with manager(directory, engine, statements) as (jobs, life):
        doing = asyncio.create_task(scenario(jobs))
        await until(lambda: life.is_dead or doing.done())
        doing.cancel()
        with contextlib.suppress(asyncio.CancelledError, QueueError, Killed):
            await doing
        return life


async def lived(directory: Path, statements: int) -> Life:
    """Die at a statement, go on with a second life, and check; return the first."""
    engine = nodes()
    life = await first_life(directory, engine, statements, scenario)
    async with manager(directory, engine) as (jobs, _):
        await scenario(jobs)
        listing = await jobs.jobs(ROOT, Wish(order="id"))
        assert [job.request.argv for job in listing.jobs] == [one.argv for one in SCENARIO]
        assert [job.state for job in listing.jobs[:2]] == ["done", "failed"]
        for job in listing.jobs:
            _, tasks = await jobs.job(ROOT, job.id)
            assert all(task.state in ENDED for task in tasks)
            ended = sum(job.counts.values())
            assert ended == len(tasks)
    assert set(engine.started.values()) == {1}
    return life


async def forgetting(jobs: Jobs) -> None:
    """Let some jobs end, and be forgotten, beside one that runs."""
    requests = [*SCENARIO, run("sleep", "1000", key="long")]
    *short, long = await jobs.submit(ALICE, requests)
    await until(lambda: not jobs._scheduler.book.jobs.keys() & set(short))
    await reached(jobs, long, lambda job, _: job.counts.get("running") == 1)
    await jobs._scheduler.stored()
    await jobs._queue.forget(time.time() + 1, 0)
    clock = Running()
    for engine in (cast("Engine", Away()), jobs._engine):
        await leftovers.sweep(engine, jobs._queue, clock)
        clock.offset += 1e6


class Away:
    """Nodes that cannot be asked to forget."""

    async def forget(self, _: object) -> None:
        raise NodeLostError("node1", "away")


async def another(jobs: Jobs) -> None:
    """A job that the queue does not have before it is put back."""
    await jobs.submit(ALICE, [run("sleep", "0.01", key="another")])
    await all_ended(jobs)


async def put_back(directory: Path, statements: int) -> Life:
    """As `lived`, with a file that was put back: no attempt of it is ever named again."""
    engine = nodes()
    async with manager(directory, engine) as (jobs, _):
        (first,) = await jobs.submit(ALICE, SCENARIO[:1])
        await all_ended(jobs)
        name = jobs._name
    await asyncio.to_thread((directory / "jobs.db.opened").write_text, "another file")
    life = await first_life(directory, engine, statements, another)
    async with manager(directory, engine) as (jobs, _):
        await another(jobs)
        assert jobs._name != name
        _, (task,) = await jobs.job(ALICE, first)
        assert task.queue == name
    assert set(engine.started.values()) == {1}
    assert len(engine.started) == 2
    return life


def check_whole(directory: Path) -> None:
    """Nothing is left of a job that is gone."""
    with contextlib.closing(sqlite3.connect(directory / "jobs.db")) as db:
        for table in ("tasks", "job_nodes"):
            rest = f"SELECT count(*) FROM {table} WHERE job NOT IN (SELECT id FROM jobs)"
            assert db.execute(rest).fetchone() == (0,)


async def forgot(directory: Path, statements: int) -> Life:
    """As `lived`, while jobs are forgotten."""
    engine = nodes()
    life = await first_life(directory, engine, statements, forgetting)
    await asyncio.to_thread(check_whole, directory)
    async with manager(directory, engine) as (jobs, _):
        await forgetting(jobs)
        listing = await jobs.jobs(ROOT, Wish())
        assert [job.request.argv for job in listing.jobs] == [("sleep", "1000")]
    await asyncio.to_thread(check_whole, directory)
    return life


async def test_killed_between_every_two_statements(tmp_path: Path) -> None:
    sites: set[tuple[str, int]] = set()
    for name, live in (("live", lived), ("forget", forgot), ("put back", put_back)):
        whole = await live(tmp_path / name, 1 << 40)
        assert whole.count > 20
        sites |= whole.sites
        lives = [live(tmp_path / f"{name}-{number}", number) for number in range(whole.count)]
        for at in range(0, len(lives), BESIDE):
            await asyncio.gather(*lives[at : at + BESIDE])
        figures(f"killed between all statements, {name}", statements=whole.count)
    check_reached(sites, 5, but="notices.py")  # see test_jobs_notices.py
