"""The clock of the manager goes a day on or back: no job is ended by it, no length is negative."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.jobs import scheduler
from clsh.jobs.engines.memory import MemoryEngine
from clsh.web.api import job_rows
from tests.support.clocks import Running
from tests.support.jobs import ALICE, ended, made, reached, run, running

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.jobs.service import Jobs

DAY_S = 86_400.0
LIMIT_S = 3600


async def looks(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the scheduler has looked at its time limits twice since now."""
    seen = asyncio.Event()
    left = 2
    slots = jobs._engine.slots

    def looked() -> object:
        nonlocal left
        left -= 1
        if left < 0:
            seen.set()
        return slots()

    monkeypatch.setattr(jobs._engine, "slots", looked)
    async with asyncio.timeout(30):
        await seen.wait()
    monkeypatch.setattr(jobs._engine, "slots", slots)


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_no_job_is_killed_and_no_length_is_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    monkeypatch.setattr(scheduler, "_LOOK_S", 0.02)
    clock = Running()
    engine = MemoryEngine(clock)
    async with running(made(tmp_path, engine, clock=clock)) as jobs:
        requests = [run("sleep", "1000", time_limit=LIMIT_S), run("sleep", "1000")]
        numbers = await jobs.submit(ALICE, requests)
        for number in numbers:
            await reached(jobs, number, lambda job, _: job.counts.get("running") == 1)
        clock.offset += jump_s
        await looks(jobs, monkeypatch)
        assert len(engine.running()) == len(numbers)
        assert not engine.cancelled
        for attempt in engine.running():
            engine.end(attempt, status=0)
        for number in numbers:
            job, (task,) = await ended(jobs, number, "done")
            for one in (job_rows.job_row(job), job_rows.task_row(task)):
                assert one["ended"] >= one["started"] > 0  # type: ignore[operator]  # both are times
            assert job.ended >= job.submitted


async def test_a_time_limit_is_kept_whatever_the_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_LOOK_S", 0.02)
    clock = Running()
    engine = MemoryEngine(clock)
    async with running(made(tmp_path, engine, clock=clock)) as jobs:
        (number,) = await jobs.submit(ALICE, [run("sleep", "1000", time_limit=1)])
        await reached(jobs, number, lambda job, _: job.counts.get("running") == 1)
        clock.offset -= DAY_S
        _, (task,) = await ended(jobs, number, "cancelled")
        assert task.reason == "ran longer than its time limit of 1 s"
        assert task.ended >= task.started


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_a_manager_that_starts_after_the_clock_was_set_kills_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    monkeypatch.setattr(scheduler, "_LOOK_S", 0.02)
    clock = Running()
    engine = MemoryEngine(clock)
    async with running(made(tmp_path, engine, clock=clock)) as jobs:
        (number,) = await jobs.submit(ALICE, [run("sleep", "1000", time_limit=LIMIT_S)])
        await reached(jobs, number, lambda job, _: job.counts.get("running") == 1)
    clock.offset += jump_s
    async with running(made(tmp_path, engine, clock=clock)) as jobs:
        await looks(jobs, monkeypatch)
        assert len(engine.running()) == 1
        assert not engine.cancelled


async def test_what_a_job_ran_before_its_manager_started_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_LOOK_S", 0.02)
    engine = MemoryEngine(Running())
    async with running(made(tmp_path, engine)) as jobs:
        (number,) = await jobs.submit(ALICE, [run("sleep", "1000", time_limit=LIMIT_S)])
        await reached(jobs, number, lambda job, _: job.counts.get("running") == 1)
    for attempt in engine._attempts.values():
        attempt.begun -= LIMIT_S
    async with running(made(tmp_path, engine)) as jobs:
        _, (task,) = await ended(jobs, number, "cancelled")
        assert task.reason == "ran longer than its time limit of 3600 s"
