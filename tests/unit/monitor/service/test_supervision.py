from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from clsh.base import plugins
from clsh.monitor.grid import Grid
from clsh.monitor.model import Health, Sample
from clsh.monitor.service import supervision
from clsh.monitor.service.supervision import Supervisor
from clsh.monitor.source import SourceContext
from clsh.nodes.model import Node, node_name
from tests.support.clocks import Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet

    from clsh.monitor.model import News


class Scripted:
    """A source that does with each run what its script says: raise, end, or stay."""

    def __init__(self, *script: Exception | None) -> None:
        self.script = list(script)
        self.runs = 0
        self.hurried: list[AbstractSet[tuple[str, str]]] = []

    async def run(self, tell: Callable[[News], None]) -> None:
        self.runs += 1
        if self.script:
            if (error := self.script.pop(0)) is not None:
                raise error
            return
        tell(Sample("c", "n1", 0, {"a": 1.0}))
        await asyncio.Event().wait()

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        self.hurried.append(nodes)


class Case:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Running()
        self.grid = Grid("g", {"c": [node_name("n1")]}, self.clock, 15)
        self.told: list[News] = []
        hear = self.grid.hear

        def listen(news: News, source: str = "") -> None:
            self.told.append(news)
            hear(news, source)

        monkeypatch.setattr(self.grid, "hear", listen)
        self.sources: dict[str, Scripted] = {}
        monkeypatch.setattr(plugins, "find", lambda _, kind: lambda _context: self.sources[kind])
        self.supervisor = Supervisor(self.grid, later_s=[0.01, 0.02])

    @contextlib.asynccontextmanager
    async def running(self, **sources: Scripted) -> AsyncIterator[Supervisor]:
        self.sources = sources
        context = SourceContext(self.clock, 15, "g")
        async with asyncio.TaskGroup() as tasks:
            kept = [
                tasks.create_task(self.supervisor.keep(name, name, context)) for name in sources
            ]
            yield self.supervisor
            for task in kept:
                task.cancel()

    async def until_up(self) -> None:
        async with asyncio.timeout(5):
            while self.grid.clusters["c"].up == 0:  # noqa: ASYNC110 - the grid has no event
                await asyncio.sleep(0.005)


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


async def test_a_source_that_fails_is_told_and_run_anew(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    source = Scripted(ValueError("a bug"), None, RuntimeError("another"))
    async with case.running(s=source):
        await case.until_up()
    health = [news for news in case.told if isinstance(news, Health)]
    assert [(one.ok, one.reason) for one in health] == [
        (False, "failed, and is begun anew in 0.01 s: ValueError: a bug"),
        (False, "failed, and is begun anew in 0.02 s: it ended by itself"),
        (False, "failed, and is begun anew in 0.02 s: RuntimeError: another"),
        (True, ""),
    ]
    assert source.runs == 4
    assert "the source s failed" in caplog.text


async def test_the_others_go_on(case: Case) -> None:
    broken, well = Scripted(*[ValueError("x")] * 50), Scripted()
    async with case.running(broken=broken, well=well):
        await case.until_up()
        await asyncio.sleep(0.05)
        assert broken.runs > 1
        assert well.runs == 1


async def test_who_ran_for_long_begins_with_the_first_pause_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_STEADY_S", -1)
    async with case.running(s=Scripted(ValueError("a"), ValueError("b"))):
        await case.until_up()
    reasons = [news.reason for news in case.told if isinstance(news, Health) and not news.ok]
    assert all("0.01 s" in reason for reason in reasons)


async def test_a_source_that_begins_later_hears_who_is_hurried(case: Case) -> None:
    source = Scripted(ValueError("x"))
    wanted = {("c", "n1")}
    case.supervisor.hurry(wanted)
    async with case.running(s=source) as supervisor:
        await case.until_up()
        supervisor.hurry(set())
    assert source.hurried == [wanted, wanted, set()]
    supervisor.hurry(wanted)
    assert len(source.hurried) == 3


async def test_a_kind_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Running()
    grid = Grid("g", {}, clock, 15)
    context = SourceContext(clock, 15, "g", [("c", Node(node_name("a"), "a"))])
    task = asyncio.create_task(Supervisor(grid).keep("s", "nonsense", context))
    async with asyncio.timeout(5):
        while "s" not in grid.health:  # noqa: ASYNC110 - the grid has no event
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait({task})
    assert "there is no source named 'nonsense'" in grid.health["s"].reason
