"""The engine in memory keeps the promises of Engine, and breaks them when it is told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base import plugins
from clsh.base.errors import NodeError, NodeLostError, UnreachableError
from clsh.jobs.engine import EngineContext, Launch, Report
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import Place, Request
from clsh.nodes.model import Node, node_name
from tests.support.clocks import Running
from tests.support.jobs import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Heard:
    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine
        self.reports: list[Report] = []

    async def until(self, phase: str) -> Report:
        await until(lambda: any(report.phase == phase for report in self.reports))
        return next(report for report in self.reports if report.phase == phase)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    found = Heard(MemoryEngine())
    listening = asyncio.create_task(found.engine.run(found.reports.append))
    await asyncio.sleep(0)
    yield found
    listening.cancel()


def launch(*argv: str, number: int = 1) -> Launch:
    places = (Place("node1"),)
    return Launch(f"q-{number}.0.1", "alice", number, 0, 1, Request(argv or ("true",)), places)


async def ask(engine: MemoryEngine, *launches: Launch) -> list[str]:
    return [report.phase for report in await engine.ask(launches)]


async def test_it_is_found_by_its_name() -> None:
    context = EngineContext(Running(), [Node(node_name("n7"), "n7")])
    engine = plugins.find("clsh.jobs.engines", "memory")(context)
    assert [has.node for has in engine.slots()] == ["n7"]
    assert not engine.chooses


async def test_a_task_runs_and_its_end_is_told(heard: Heard) -> None:
    one = launch("sleep", "0.01", "exit", "3")
    assert await ask(heard.engine, one) == ["absent"]
    assert (await heard.engine.start(one)).phase == "running"
    assert (await heard.until("ended")).status == 3
    assert await ask(heard.engine, one) == ["ended"]
    assert (await heard.engine.start(one)).phase == "ended"
    assert heard.engine.started == {one.id: 1}


async def test_cancel_and_cancel_before_the_start(heard: Heard) -> None:
    one, two = launch("sleep", "100"), launch(number=2)
    await heard.engine.start(one)
    for _ in range(2):
        await heard.engine.cancel(one)
        await heard.engine.cancel(two)
    assert (await heard.until("ended")).signal == "TERM"
    assert (await heard.engine.start(two)).phase == "ended"
    assert heard.engine.started == {one.id: 1}
    assert len(heard.reports) == 2


async def test_told_to_refuse_and_to_lose(heard: Heard) -> None:
    one, two = launch("sleep", "100"), launch(number=2)
    await heard.engine.start(one)
    heard.engine.lose(one.id)
    assert (await heard.until("lost")).id == one.id
    heard.engine.refuse = "no such directory"
    for _ in range(2):
        assert (await heard.engine.start(two)).reason == "no such directory"
    assert two.id not in heard.engine.started


async def test_told_to_forget_an_acknowledgement(heard: Heard) -> None:
    heard.engine.unheard = 1
    one = launch("sleep", "100")
    with pytest.raises(NodeLostError):
        await heard.engine.start(one)
    assert await ask(heard.engine, one) == ["running"]
    assert (await heard.engine.start(one)).phase == "running"
    assert heard.engine.started == {one.id: 1}


async def test_a_node_vanishes_and_comes_back(heard: Heard) -> None:
    one, two = launch("sleep", "0.05"), launch(number=2)
    await heard.engine.start(one)
    heard.engine.fall("node1")
    assert [has.node for has in heard.engine.slots()] == ["node2"]
    assert (await heard.until("unknown")).id == one.id
    assert await ask(heard.engine, one, two) == ["unknown", "unknown"]
    for call in (
        heard.engine.start(two),
        heard.engine.cancel(one),
        heard.engine.read(one, "output", 0, 9),
    ):
        with pytest.raises(NodeError):
            await call
    await until(lambda: not heard.engine.running())
    assert len(heard.reports) == 1
    heard.engine.come_back("node1")
    assert await ask(heard.engine, one, two) == ["ended", "absent"]


async def test_a_node_stalls(heard: Heard) -> None:
    heard.engine.stalled.add("node1")
    for call in (heard.engine.start(launch()), heard.engine.ask([launch()])):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await call


async def test_a_node_forgets_all(heard: Heard) -> None:
    one = launch("sleep", "100")
    await heard.engine.start(one)
    heard.engine.wipe("node1")
    assert await ask(heard.engine, one) == ["absent"]


async def test_without_claims_a_second_start_runs_it_twice(heard: Heard) -> None:
    heard.engine.claims = False
    heard.engine.delay_s = 0.05
    one = launch("sleep", "0.01")
    starts = [asyncio.create_task(heard.engine.start(one)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await ask(heard.engine, one) == ["absent"]
    assert [report.phase for report in await asyncio.gather(*starts)] == ["running", "running"]
    assert heard.engine.started == {one.id: 2}
    await heard.until("ended")


async def test_nobody_listens() -> None:
    engine = MemoryEngine()
    await engine.start(launch())
    await until(lambda: not engine.running())
    assert await ask(engine, launch()) == ["ended"]
    assert await engine.read(launch(number=9), "output", 0, 9) == b""


async def test_what_has_ended_is_forgotten_and_what_lives_is_not(heard: Heard) -> None:
    over, lives, away = launch(), launch("sleep", "100", number=2), launch(number=3)
    engine = heard.engine
    for one in (over, lives, away):
        await engine.start(one)
    engine.end(over.id, 0)
    await engine.forget([over, lives])
    assert await ask(engine, over) == ["absent"]
    assert await ask(engine, lives) == ["running"]
    engine.end(away.id, 0)
    engine.fall("node1")
    with pytest.raises(UnreachableError):
        await engine.forget([away])
    engine.come_back("node1")
    assert await ask(engine, away) == ["ended"]
