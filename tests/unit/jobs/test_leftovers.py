"""What nodes keep of jobs goes with the jobs, sooner or later, and never before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.leftovers import sweep
from clsh.jobs.model import Place, Slots, Task
from clsh.jobs.queue import Batch, JobRow, New, Queue, gone
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.settings import Settings
from clsh.jobs.wish import Wish
from tests.support.clocks import Running
from tests.support.jobs import ALICE, ROOT, ended, made, run, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from clsh.jobs.engine import Launch
    from clsh.jobs.queue.gone import Gone

DAY_S = 86_400.0


class Forgetful(MemoryEngine):
    """Says what it was to forget; `fails` is raised instead."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = {"n1": Slots("n1", 2), "n2": Slots("n2", 2)}
        self.forgotten: list[tuple[str, str]] = []
        self.fails: Exception | None = None

    async def forget(self, launches: Sequence[Launch]) -> None:
        if self.fails:
            raise self.fails
        await super().forget(launches)
        self.forgotten += [
            (one.id.partition("-")[2], one.places[0].node if one.places else "") for one in launches
        ]


@pytest.fixture
def engine() -> Forgetful:
    return Forgetful()


@pytest.fixture
def clock() -> Running:
    return Running()


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    queue = Queue(lambda: QueueFile(tmp_path))
    await queue.open()
    yield queue
    await queue.close()


async def put(queue: Queue, *tasks: Task) -> None:
    """Store a job that ended at 1.0, with these tasks."""
    new = New("alice", '{"argv":["x"]}', "pending", "", "", "", 0.0, False, len(tasks))
    (stored,) = await queue.write(Batch([new]))
    rows = {(stored.id, one.index): (one, at) for at, one in enumerate(tasks)}
    row = JobRow(stored.id, "done", 1.0, 1.0, False, len(tasks), "pending", {"done": 1}, "")
    await queue.write(Batch([], rows, {stored.id: row}))


async def left(queue: Queue) -> list[Gone]:
    return await queue.ask(lambda db: gone.due(db, 1e12))


async def test_what_is_kept_no_longer_is_forgotten_and_nothing_else(
    tmp_path: Path, engine: Forgetful, clock: Running
) -> None:
    settings = Settings("memory", keep_days=2)
    async with running(made(tmp_path, engine, clock=clock, settings=settings)) as jobs:
        one, two = await jobs.submit(ALICE, [run(), run("sleep", "1000")])
        await ended(jobs, one)
        await jobs.forget()
        assert engine.forgotten == []
        clock.offset = 3 * DAY_S
        await jobs.forget()
        assert engine.forgotten == [(f"{one}.0.1", "n1")]
        assert [job.id for job in (await jobs.jobs(ROOT, Wish())).jobs] == [two]
        await jobs.forget()
        assert len(engine.forgotten) == 1


async def test_each_attempt_wherever_it_may_have_been(
    queue: Queue, engine: Forgetful, clock: Running
) -> None:
    await put(queue, Task(1, 0, "done", 1, (Place("n1"),)), Task(1, 1, "done", 1, (Place("n2"),)))
    await put(queue, Task(2, 0, "done", 2, (Place("n2"), Place("n1"))))
    await put(queue, Task(3, 0, "cancelled"))
    await put(queue, Task(4, 0, "cancelled", 1))
    assert await queue.forget(2.0, 100) == 4
    await sweep(engine, queue, clock)
    assert sorted(engine.forgotten) == [
        ("1.0.1", "n1"), ("1.1.1", "n2"), ("2.0.1", "n1"), ("2.0.1", "n2"), ("2.0.2", "n2"),
        ("4.0.1", ""),
    ]  # fmt: skip
    assert await left(queue) == []


async def test_a_node_that_cannot_be_asked_is_asked_later_and_hinders_no_other(
    queue: Queue, engine: Forgetful, clock: Running
) -> None:
    await put(queue, Task(1, 0, "done", 1, (Place("n1"),)), Task(1, 1, "done", 1, (Place("n2"),)))
    await queue.forget(2.0, 100)
    engine.away = {"n1"}
    await sweep(engine, queue, clock)
    assert engine.forgotten == [("1.1.1", "n2")]
    engine.away.clear()
    await sweep(engine, queue, clock)
    assert len(engine.forgotten) == 1  # its pause is not over
    clock.offset = 601.0
    await sweep(engine, queue, clock)
    assert engine.forgotten[1:] == [("1.0.1", "n1")]


async def test_who_cannot_be_asked_for_weeks_is_let_be(
    queue: Queue, engine: Forgetful, clock: Running
) -> None:
    await put(queue, Task(1, 0, "done", 1, (Place("n1"),)))
    await queue.forget(2.0, 100)
    engine.away = {"n1"}
    tries = 0
    while await left(queue):
        await sweep(engine, queue, clock)
        clock.offset += DAY_S
        tries += 1
        assert tries <= 30
    assert tries == 30


async def test_an_engine_with_a_bug_stops_nothing(
    queue: Queue, engine: Forgetful, clock: Running
) -> None:
    await put(queue, Task(1, 0, "done", 1, (Place("n1"),)))
    await queue.forget(2.0, 100)
    engine.fails = ValueError("a bug")
    await sweep(engine, queue, clock)
    engine.fails = None
    clock.offset = 601.0
    await sweep(engine, queue, clock)
    assert engine.forgotten == [("1.0.1", "n1")]


async def test_a_death_before_all_is_forgotten_loses_nothing(
    tmp_path: Path, engine: Forgetful, clock: Running
) -> None:
    """The jobs are gone, the manager dies before or after the nodes heard of it."""
    queue = Queue(lambda: QueueFile(tmp_path))
    await queue.open()
    await put(queue, Task(1, 0, "done", 1, (Place("n1"),)))
    await queue.forget(2.0, 100)
    await queue.close()
    async with running(made(tmp_path, engine, clock=clock)) as jobs:
        await jobs.forget()
        assert engine.forgotten == [("1.0.1", "n1")]
