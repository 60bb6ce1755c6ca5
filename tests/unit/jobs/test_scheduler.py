"""What becomes of jobs when nodes, the engine or the manager fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeLostError
from clsh.jobs import book, calling
from clsh.jobs.engine import Report
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import ENDED, Slots
from tests.support.jobs import ALICE, ROOT, ended, made, reached, run, running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clsh.jobs.engine import Launch
    from clsh.jobs.model import Job, Task

LONG = ("sleep", "1000")


@pytest.fixture
def engine() -> MemoryEngine:
    made = MemoryEngine()
    made.nodes = {"n1": Slots("n1", 1), "n2": Slots("n2", 1)}
    return made


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(calling, "_LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr(calling, "_CANCEL_PAUSE_S", 0.05)
    monkeypatch.setattr(calling, "_AGAIN_S", 0.02)
    monkeypatch.setattr("clsh.jobs.scheduler._LOOK_S", 0.02)


def counted(state: str) -> Callable[[Job, list[Task]], bool]:
    return lambda job, _: state in job.counts


async def test_a_lost_acknowledgement(tmp_path: Path, engine: MemoryEngine) -> None:
    engine.unheard = 1
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run("sleep", "0.2")])
        await ended(jobs, one, "done")
    assert list(engine.started.values()) == [1]


async def test_what_was_never_started_is_started_by_the_same_id(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryEngine.start
    tries: list[str] = []

    async def start(self: MemoryEngine, launch: Launch) -> Report:
        tries.append(launch.id)
        if len(tries) < 3:
            raise NodeLostError("n1", "it went away first")
        return await real(self, launch)

    monkeypatch.setattr(MemoryEngine, "start", start)
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run()])
        _, (task,) = await ended(jobs, one, "done")
    assert len(tries) == 3
    assert len(set(tries)) == 1
    assert task.attempt == 1


async def test_a_node_that_is_away_keeps_its_slots_and_its_task(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        one, two, three = await jobs.submit(
            ALICE, [run(*LONG, nodes=("n1",)), run(*LONG), run(nodes=("n1",))]
        )
        await reached(jobs, two, counted("running"))
        await reached(jobs, one, counted("running"))
        engine.fall("n1")
        _, (task,) = await reached(jobs, one, counted("unknown"))
        assert task.reason == "the node is away"
        await asyncio.sleep(0.3)
        _, (waits,) = await jobs.job(ALICE, three)
        assert (waits.state, waits.why) == ("pending", "n1 cannot be used now")
        engine.come_back("n1")
        await reached(jobs, one, counted("running"))
        engine.end(engine.running()[0], status=0)
        engine.end(engine.running()[0], status=0)
        _, (task,) = await ended(jobs, one, "done")
        assert (task.attempt, task.reason) == (1, "")
        await ended(jobs, three, "done")
    assert set(engine.started.values()) == {1}


async def test_cancel_reaches_a_node_that_was_away(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG, nodes=("n1",))])
        await reached(jobs, one, counted("running"))
        engine.fall("n1")
        await jobs.cancel(ALICE, one)
        await reached(jobs, one, counted("unknown"))
        engine.come_back("n1")
        await ended(jobs, one, "cancelled")


async def test_the_end_of_what_is_cancelled_is_asked_for(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG)])
        await reached(jobs, one, counted("running"))
        engine.deaf = True
        await jobs.cancel(ALICE, one)
        await ended(jobs, one, "cancelled")


async def test_cancelled_before_it_was_claimed(tmp_path: Path, engine: MemoryEngine) -> None:
    engine.stalled.add("n1")
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG, nodes=("n1",))])
        await reached(jobs, one, counted("starting"))
        await jobs.cancel(ALICE, one)
    engine.come_back("n1")
    async with running(made(tmp_path, engine)) as jobs:
        await ended(jobs, one, "cancelled")
    assert not engine.started


async def test_lost_and_again(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        one, two = await jobs.submit(ALICE, [run(*LONG, restart="start", again=1), run(*LONG)])
        await reached(jobs, one, counted("running"))
        await reached(jobs, two, counted("running"))
        for name in engine.running():
            engine.lose(name)
        _, (task,) = await ended(jobs, two, "failed")
        assert (task.state, task.reason) == ("lost", "it vanished without an exit status")
        await reached(jobs, one, lambda job, tasks: tasks[0].attempt == 2 and bool(job.started))
        await until(lambda: bool(engine.running()))
        engine.lose(engine.running()[0])
        await ended(jobs, one, "failed")
    assert len(engine.started) == 3


async def test_refused(tmp_path: Path, engine: MemoryEngine) -> None:
    engine.refuse = "there is no directory /nowhere"
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run()])
        job, (task,) = await ended(jobs, one, "failed")
    assert job.reason == task.reason == "there is no directory /nowhere"
    assert not engine.started


async def test_after_a_restart_all_is_asked_before_its_node_gets_more(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    engine.nodes = {"n1": Slots("n1", 2), "n2": Slots("n2", 1)}
    async with running(made(tmp_path, engine)) as jobs:
        one, two = await jobs.submit(ALICE, [run(*LONG), run("sleep", "0.1")])
        await reached(jobs, one, lambda job, tasks: tasks[0].places[:1] != ())
        await reached(jobs, two, counted("running"))
        _, (task,) = await reached(jobs, one, counted("running"))
        node = task.places[0].node
    await until(lambda: len(engine.running()) == 1)
    engine.stalled.add(node)
    async with running(made(tmp_path, engine)) as jobs:
        await ended(jobs, two, "done")
        (three,) = await jobs.submit(ALICE, [run(nodes=(node,))])
        await asyncio.sleep(0.2)
        assert not (await jobs.job(ALICE, three))[1][0].places
    engine.come_back(node)
    async with running(made(tmp_path, engine)) as jobs:
        await reached(jobs, one, counted("running"))
        engine.end(engine.running()[0], status=0)
        await ended(jobs, one, "done")
        await ended(jobs, three, "done")
    assert set(engine.started.values()) == {1}


async def test_what_a_wiped_node_ran_is_lost_and_not_run_twice(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG, nodes=("n1",))])
        await reached(jobs, one, counted("running"))
    engine.wipe("n1")
    async with running(made(tmp_path, engine)) as jobs:
        _, (task,) = await ended(jobs, one, "failed")
    assert (task.state, task.reason) == ("lost", "its node knows nothing of it any more")
    assert list(engine.started.values()) == [1]


async def test_arrays_and_dependencies_outlive_a_restart(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        array = run(*LONG, kind="batch", array=tuple(range(9)), time_limit=3600)
        one, two = (await jobs.submit(ALICE, [array]))[0], 0
        (two,) = await jobs.submit(ALICE, [run(after=((one, "notok"),))])
        (three,) = await jobs.submit(ALICE, [run(after=((two, "ok"),), held=True)])
        await reached(jobs, one, lambda job, _: job.counts.get("running") == 2)
        await jobs.cancel(ALICE, one, 5)
    async with running(made(tmp_path, engine)) as jobs:
        job, _ = await reached(jobs, one, counted("running"))
        assert job.counts == {"pending": 6, "running": 2, "cancelled": 1}
        await jobs.cancel(ALICE, one)
        await ended(jobs, two, "done")
        assert (await jobs.job(ALICE, three))[0].state == "held"
        await jobs.release(ALICE, three)
        await ended(jobs, three, "done")


async def test_an_engine_with_bugs(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = {"start", "ask", "cancel", "run"}
    real = {name: getattr(MemoryEngine, name) for name in fail}
    failed: set[str] = set()

    def broken(name: str) -> object:
        async def call(self: MemoryEngine, *words: object) -> object:
            if name in fail:
                failed.add(name)
                fail.discard(name)
                raise ZeroDivisionError
            return await real[name](self, *words)

        return call

    for name in real:
        monkeypatch.setattr(MemoryEngine, name, broken(name))
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG)])
        await reached(jobs, one, counted("running"))
        await jobs.cancel(ALICE, one)
        await ended(jobs, one, "cancelled")
    assert failed == set(real)


async def test_a_node_error_from_ask(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryEngine.ask
    asked = 0

    async def ask(self: MemoryEngine, launches: Sequence[Launch]) -> Sequence[Report]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise NodeLostError("n1", "gone")
        return await real(self, launches)

    monkeypatch.setattr(MemoryEngine, "ask", ask)
    engine.unheard = 1
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run("sleep", "0.3")])
        await ended(jobs, one, "done")
    assert asked >= 2


async def test_reports_of_nobody(tmp_path: Path, engine: MemoryEngine) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(held=True)])
        name = jobs._name
        for attempt in ("", "x", f"{name}-1.0", f"{name}-1.0.a", f"{name}-9.0.1", "other-1.0.1"):
            jobs._scheduler.hear(Report(attempt, "ended", 1.0, 0))
        jobs._scheduler.hear(Report(f"{name}-{one}.0.1", "ended", 1.0, 0))
        assert (await jobs.job(ROOT, one))[0].state == "held"


async def test_an_engine_that_chooses_nodes(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryEngine, "chooses", True)
    monkeypatch.setattr(book, "MOST_SENT", 2)
    engine.nodes = {}
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(
            ALICE, [run("sleep", "0.02", kind="batch", array=tuple(range(7)), memory=1 << 40)]
        )
        _, tasks = await ended(jobs, one, "done")
    assert {(task.places, task.why) for task in tasks} == {((), "chosen by the engine")}
    assert all(task.state in ENDED for task in tasks)


async def test_slots_said_by_the_configuration(tmp_path: Path, engine: MemoryEngine) -> None:
    from clsh.jobs.settings import Settings

    settings = Settings("memory", slots={"n1": 3, "n2": 0})
    async with running(made(tmp_path, engine, settings=settings)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG, kind="batch", array=tuple(range(9)))])
        _, tasks = await reached(jobs, one, lambda job, _: job.counts.get("running") == 3)
    assert {place.node for task in tasks for place in task.places} == {"n1"}
