"""Jobs beyond those that memory is for: they sleep in the queue, and lose nothing by it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from clsh.jobs import book as books
from clsh.jobs import scheduler
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.errors import NoJobError, NotNowError
from clsh.jobs.model import Slots
from clsh.jobs.queue import QueueError, opening
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.wish import Wish
from tests.support.jobs import ALICE, BOB, ROOT, ended, made, reached, run, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.jobs.book import Book
    from clsh.jobs.service import Jobs

LONG = ("sleep", "1000")


@pytest.fixture(autouse=True)
def two_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_AWAKE", 2)
    monkeypatch.setattr(scheduler, "MOST_AWAKE", 2)
    monkeypatch.setattr(books, "_MOST_WOKEN", 2)
    monkeypatch.setattr(scheduler, "_AGAIN_S", 0.05)


@pytest.fixture
def engine() -> MemoryEngine:
    made = MemoryEngine()
    made.nodes = {"n1": Slots("n1", 1)}
    return made


def book(jobs: Jobs) -> Book:
    return jobs._scheduler.book


async def crowd(jobs: Jobs, count: int = 8, **more: Any) -> list[int]:
    """Submit one job that runs and others that wait behind it, most of them asleep."""
    ids = await jobs.submit(ALICE, [run(*LONG), *(run(**more) for _ in range(count - 1))])
    await reached(jobs, ids[0], lambda job, _: "running" in job.counts)
    assert [number for number in ids if book(jobs).is_asleep(number)] == ids[2:]
    return ids


def let_go(engine: MemoryEngine) -> None:
    for name in engine.running():
        engine.end(name, status=0)


async def test_all_run_in_their_order(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        (urgent,) = await jobs.submit(ALICE, [run(priority=5)])
        assert book(jobs).is_asleep(urgent)
        let_go(engine)
        for number in ids:
            await ended(jobs, number, "done")
        await until(book(jobs).is_empty)
    started = [int(name.partition("-")[2].split(".")[0]) for name in engine.started]
    assert started == [ids[0], urgent, *ids[1:]]
    assert set(engine.started.values()) == {1}


async def test_a_restart_wakes_the_first_and_loses_none(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
    async with running(made(tmp_path, engine)) as jobs:
        assert sum(map(book(jobs).is_asleep, ids)) == len(ids) - 2
        let_go(engine)
        for number in ids:
            await ended(jobs, number, "done")
    assert set(engine.started.values()) == {1}


async def test_who_sleeps_is_listed_and_says_why_it_waits(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        job, (task,) = await jobs.job(ALICE, ids[-1])
        assert (job.state, task.why) == ("pending", "needs 1 core: n1 is busy")
        assert (await jobs.jobs(ALICE, Wish())).states == {"running": 1, "pending": 7}
        assert book(jobs).is_asleep(ids[-1])
        with pytest.raises(NoJobError):
            await jobs.cancel(BOB, ids[-1])


async def test_who_sleeps_is_woken_to_be_changed(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        await jobs.cancel(ALICE, ids[-1])
        await ended(jobs, ids[-1], "cancelled")
        await jobs.hold(ALICE, ids[-2])
        with pytest.raises(NotNowError):
            await jobs.requeue(ALICE, ids[-3])
        (after,) = await jobs.submit(ALICE, [run(after=((ids[-4], "ok"),))])
        let_go(engine)
        for number in ids[:-2]:
            await ended(jobs, number, "done")
        await ended(jobs, after, "done")
        assert (await jobs.job(ALICE, ids[-2]))[0].state == "held"
        await jobs.release(ALICE, ids[-2])
        await ended(jobs, ids[-2], "done")
    assert set(engine.started.values()) == {1}


async def test_many_who_change_one_that_sleeps_change_it_once(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    """What was read of it while another woke it is too old, and is not taken."""
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        acts = [jobs.hold(ALICE, ids[-1]), jobs.cancel(ALICE, ids[-1]), jobs.hold(ALICE, ids[-1])]
        await asyncio.gather(*acts, return_exceptions=True)
        await ended(jobs, ids[-1], "cancelled")
        (stale,) = await jobs._queue.wake([ids[-1]])
        book(jobs).wake(stale)
        assert ids[-1] not in book(jobs).jobs


async def test_arrays_sleep_too(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs, kind="batch", array=(1, 5, 9))
        let_go(engine)
        for number in ids:
            await ended(jobs, number, "done")
    assert len(engine.started) == 1 + 3 * 7
    assert set(engine.started.values()) == {1}


async def test_who_is_held_sleeps_until_released(tmp_path: Path, engine: MemoryEngine) -> None:
    held = "held: it waits until it is released"
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        one, two = await jobs.submit(ALICE, [run(held=True, priority=9), run(held=True)])
        assert all(map(book(jobs).is_asleep, (one, two)))
        assert (await jobs.job(ALICE, one))[1][0].why == held
    async with running(made(tmp_path, engine)) as jobs:
        assert all(map(book(jobs).is_asleep, (one, two)))
        await jobs.hold(ALICE, ids[-1])
        let_go(engine)
        for number in ids[:-1]:
            await ended(jobs, number, "done")
        await jobs.release(ALICE, one)
        await ended(jobs, one, "done")
        assert (await jobs.job(ALICE, two))[1][0].why == held
        await jobs.cancel(ALICE, two)
        await ended(jobs, two, "cancelled")
    async with running(made(tmp_path, engine)) as jobs:
        await jobs.release(ALICE, ids[-1])
        await ended(jobs, ids[-1], "done")
    assert set(engine.started.values()) == {1}


async def test_who_waits_for_others_or_sends_files_stays_awake(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        others = await jobs.submit(
            ALICE, [run(after=((ids[0], "any"),)), run(send=(f"{0:064}:a",))]
        )
        assert not any(map(book(jobs).is_asleep, others))
    async with running(made(tmp_path, engine)) as jobs:
        assert not any(map(book(jobs).is_asleep, others))


async def test_a_queue_that_cannot_be_read_delays_who_sleeps(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        ids = await crowd(jobs)
        fails = True
        wake = QueueFile.wake

        def failing(file: QueueFile, numbers: list[int]) -> object:
            if fails:
                raise QueueError("the disk is tired")
            return wake(file, numbers)

        monkeypatch.setattr(QueueFile, "wake", failing)
        with pytest.raises(QueueError, match="tired"):
            await jobs.cancel(ALICE, ids[-1])
        let_go(engine)
        await until(lambda: jobs.trouble() == "the disk is tired")
        assert len(engine.started) == 2  # the one that was awake
        fails = False
        for number in ids:
            await ended(jobs, number, "done")
        await jobs.submit(ROOT, [run()])
        assert jobs.trouble() == ""
