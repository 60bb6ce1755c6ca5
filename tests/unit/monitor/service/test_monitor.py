"""The whole monitor over nodes in memory, at its real interval; no time is spent waiting."""

from __future__ import annotations

import asyncio
import contextlib
import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Sample, Series, Silent
from clsh.monitor.processes import Process
from clsh.monitor.service import Monitor
from clsh.monitor.settings import Rule, Settings, SourceSettings, Webhook
from clsh.monitor.store import StoreContext
from clsh.monitor.stores import sqlite
from clsh.monitor.stores.memory import MemoryStore
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory
from tests.support.clocks import NOON, Hasty, HastyLoop, hastily
from tests.support.letterbox import hooks
from tests.support.proc import Played

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from clsh.monitor.model import Line
    from clsh.monitor.store import Store

DAY = 86400.0
LOAD = Series("c", "n1", "load_one")


class Kept(MemoryStore):
    """A store that keeps what it has when it is closed."""

    def __init__(self) -> None:
        super().__init__(StoreContext(Path(), "", 1 << 30, 15, Hasty()))
        self.asked = 0
        self.closed = 0

    def range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        self.asked += 1
        return super().range(series, start, end, points)

    def close(self) -> None:
        self.closed += 1


class Case:
    """A monitor of nodes in memory; `clock` can be set."""

    def __init__(
        self, state: Path, *names: str, store: Callable[[], Store] | None = None, **more: object
    ) -> None:
        self.state = state
        self.clock = Hasty()
        self.played = {name: Played() for name in names}
        self.transport = Memory(dict(self.played))
        self.kept = Kept()
        values: dict[str, object] = {"gmond_port": 0, **more}
        self.monitor = Monitor(
            Settings(**values),  # type: ignore[arg-type]  # tests name the fields
            [("c", Node(node_name(name), name)) for name in names],
            store or (lambda: self.kept),
            state,
            transport=self.transport,
            clock=self.clock,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Monitor]:
        before = asyncio.all_tasks()
        task = asyncio.create_task(self.monitor.run())
        yield self.monitor
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})
        assert asyncio.all_tasks() == before
        assert not self.transport.sessions

    def states(self) -> dict[str, str]:
        nodes = self.monitor.grid.clusters["c"].nodes.values()
        return {node.name: node.state for node in nodes}

    def lose(self, name: str) -> None:
        self.transport.faults[name] = Faults(refuse="connection refused")
        for session in [one for one in self.transport.sessions if one.node.name == name]:
            session.lose("no answer to keep-alive for 6 s")


def known(line: Line) -> list[float]:
    return [value for value in line.average if not math.isnan(value)]


def test_nodes_are_heard_and_a_tick_is_stored_at_each_interval(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1", "n2")
        async with case.running() as monitor:
            await asyncio.sleep(603)
            assert case.states() == {"n1": "up", "n2": "up"}
            assert monitor.store_trouble() == ""
            assert monitor.store_size() > 0
            assert monitor.grid.moments[-1][1] == NOON + 600
        (load, up) = case.kept.range([LOAD, Series("", "", "nodes.up")], NOON, NOON + 615, 41)
        assert len(known(load)) >= 39
        assert known(up)[1:] == [2] * (len(known(up)) - 1)
        assert case.kept.closed == 1

    hastily(main())


@pytest.mark.parametrize("jump_s", [DAY, -DAY, 7.0, -7.0, 3600.0])
def test_a_clock_that_is_set_loses_no_node_no_tick_and_tells_no_alert(
    tmp_path: Path, jump_s: float
) -> None:
    async def main() -> None:
        rule = Rule("busy", metric="cpu_idle", limit=50.0, for_s=1200)
        case = Case(tmp_path, "n1", "n2", alerts=(rule, Rule("silent")))
        seen: set[str] = set()
        ticks: list[float] = []
        async with case.running() as monitor:
            await asyncio.sleep(307)
            case.clock.offset = jump_s
            for _ in range(300):
                newest = monitor.grid.moments[-1]
                await asyncio.sleep(1)
                if monitor.grid.moments[-1] != newest:
                    ticks.append(case.clock.steady())
                seen |= set(case.states().values())
                nodes = monitor.grid.clusters["c"].nodes.values()
                assert all(0 <= node.tn_s() < 20 for node in nodes)
                assert all(node.values.get("bytes_in", 1000.0) == 1000 for node in nodes)
            assert monitor.alerts.active() == []
            now = case.clock.unix()
            (line,) = await monitor.range([LOAD], now - 200, now, 100)
            assert len(known(line)) >= 12
        assert seen == {"up"}
        steps = [b - a for a, b in pairwise(ticks)]
        assert 18 <= len(ticks) <= 21
        assert all(7 < step < 23 for step in steps)

    hastily(main())


def test_a_sleep_of_the_manager_loses_no_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1", "n2")
        seen: set[str] = set()
        async with case.running():
            await asyncio.sleep(100)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, HastyLoop)
            loop.skip(3600)
            for _ in range(100):
                await asyncio.sleep(0.2)
                seen |= set(case.states().values())
        assert seen == {"up"}

    hastily(main())
    assert "the manager did not run for 3600 s" in caplog.text


def test_a_lost_node_is_an_alert_that_is_told_once_also_over_a_restart(tmp_path: Path) -> None:
    with hooks() as posts:
        channels = {"ops": Webhook("ops", posts.url)}
        rules = (Rule("silent", severity="critical", notify=("ops",)),)

        async def main() -> None:
            case = Case(tmp_path, "n1", "n2", alerts=rules, notify=channels)
            async with case.running() as monitor:
                await asyncio.sleep(100)
                case.lose("n1")
                await asyncio.sleep(0.1)
                assert case.states() == {"n1": "lost", "n2": "up"}
                await asyncio.sleep(200)
                (alert,) = monitor.alerts.active()
                assert (alert.node, alert.severity) == ("n1", "critical")
                assert "no answer to keep-alive" in alert.text or "refused" in alert.text
            again = Case(tmp_path, "n1", "n2", alerts=rules, notify=channels)
            again.lose("n1")
            async with again.running() as monitor:
                await asyncio.sleep(200)
                assert [one.node for one in monitor.alerts.active()] == ["n1"]
                assert len(posts.taken) == 1
                del again.transport.faults["n1"]
                await asyncio.sleep(100)
                assert monitor.alerts.active() == []

        hastily(main())
    assert [(post["state"], post["nodes"]) for post in posts.taken] == [
        ("firing", ["n1"]),
        ("resolved", ["n1"]),
    ]


def test_a_rule_waits_for_its_time_on_end(tmp_path: Path) -> None:
    async def main() -> None:
        rule = Rule("busy", metric="load_one", comparison="above", limit=4.0, for_s=300, node="n*")
        case = Case(tmp_path, "n1", "x1", alerts=(rule,))
        async with case.running() as monitor:
            for name in case.played:
                case.played[name].load = "9 9 9 1/1 1"
            await asyncio.sleep(240)
            assert monitor.alerts.active() == []
            await asyncio.sleep(120)
            assert [one.node for one in monitor.alerts.active()] == ["n1"]
            case.played["n1"].load = "1 1 1 1/1 1"
            await asyncio.sleep(60)
            assert monitor.alerts.active() == []

    hastily(main())


def test_after_a_restart_it_knows_what_was(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Hasty()
        clock.steady()

        def store() -> Store:
            return sqlite.build(StoreContext(tmp_path, "", 1 << 30, 15, clock))

        case = Case(tmp_path, "n1", "n2", store=store)
        async with case.running():
            await asyncio.sleep(300)
        again = Case(tmp_path, "n1", "n2", store=store)
        again.transport.faults["n1"] = Faults(open_s=float("inf"))
        async with again.running() as monitor:
            await asyncio.sleep(0.5)
            node = monitor.grid.clusters["c"].nodes["n1"]
            assert (node.state, node.values["load_one"]) == ("new", 0.5)
            assert node.heard_at == pytest.approx(clock.unix(), abs=20)
            (line,) = await monitor.range([LOAD], NOON, NOON + 300, 100)
            assert len(known(line)) >= 18
            await asyncio.sleep(100)
            assert node.state == "lost"
            now = clock.unix()
            (before, after) = await monitor.range([LOAD, LOAD._replace(node="n2")], NOON, now, 100)
            assert len(known(before)) < len(known(after)) - 4

    hastily(main())


def test_one_broken_source_never_blinds_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        odd = SourceSettings("odd", "memory")  # has no nodes, so it ends at once
        bad = SourceSettings("bad", "node_exporter")  # has no addresses, so it cannot be built
        none = SourceSettings("none", "no_such_kind")
        case = Case(tmp_path, "n1", sources=(odd, bad, none))
        async with case.running() as monitor:
            await asyncio.sleep(300)
            assert case.states() == {"n1": "up"}
            health = monitor.grid.health
            assert not any(health[name].ok for name in ("odd", "bad", "none"))
            assert "it ended by itself" in health["odd"].reason
            assert "needs addresses" in health["bad"].reason
            assert "begun anew in 30 s" in health["bad"].reason
            assert "no source named 'no_such_kind'" in health["none"].reason
            assert health["store"].ok

    hastily(main())


def test_a_store_that_is_away_is_told_and_memory_is_shown(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1")
        async with case.running() as monitor:
            (line,) = await monitor.range([LOAD], NOON - 300, NOON, 10)
            assert known(line) == []
            await asyncio.sleep(100)
            case.kept.away = True
            await asyncio.sleep(100)
            assert "the store takes nothing" in monitor.store_trouble()
            assert not monitor.grid.health["store"].ok
            now = case.clock.unix()
            (line,) = await monitor.range([LOAD], now - DAY, now, 6000)
            assert len(known(line)) >= 11
            nobody = Series("c", "nobody", "load_one")
            (line,) = await monitor.range([nobody], now - DAY, now, 10)
            assert known(line) == []
            case.kept.away = False
            await asyncio.sleep(100)
            assert monitor.store_trouble() == ""
        (line,) = case.kept.range([LOAD], NOON, NOON + 315, 100)
        assert len(known(line)) >= 18  # those that waited are there

    hastily(main())


def test_the_last_hour_is_memory_and_before_it_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1")
        async with case.running() as monitor:
            await asyncio.sleep(5400)
            now = case.clock.unix()
            (line,) = await monitor.range([LOAD], now - 3000, now, 500)
            assert len(known(line)) >= 199
            assert case.kept.asked == 0
            (line, none) = await monitor.range(
                [LOAD, Series("c", "gone", "a")], now - 5000, now, 500
            )
            assert len(known(line)) >= 330
            assert known(none) == []
            assert case.kept.asked == 1

    hastily(main())


def test_nodes_that_are_looked_at_are_heard_each_second(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1", "n2")
        async with case.running() as monitor:
            await asyncio.sleep(100)
            with monitor.hurry([("c", "n1")]):
                await asyncio.sleep(60)
                now = case.clock.unix()
                (line,) = await monitor.range([LOAD], now - 40, now, 100)
                assert line.step_s == 1
                assert len(known(line)) >= 39
                both = [LOAD, LOAD._replace(node="n2")]
                (line, _) = await monitor.range(both, now - 40, now, 100)
                assert line.step_s == 15
            asked = case.played["n1"].asked
            await asyncio.sleep(60)
            assert case.played["n1"].asked - asked <= 5

    hastily(main())


def test_who_waits_is_told_of_a_change(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, "n1")
        monitor = case.monitor
        waiting = [asyncio.create_task(monitor.wait(monitor.grid.version)) for _ in range(3)]
        await asyncio.sleep(1)
        assert not any(one.done() for one in waiting)
        monitor.push(Sample("pushed", "p1", 0, {"a": 1.0}))
        assert await asyncio.gather(*waiting) == [monitor.grid.version] * 3
        assert await monitor.wait(0) == monitor.grid.version
        assert monitor.grid.clusters["pushed"].nodes["p1"].state == "up"

    hastily(main())


def test_processes_of_all_nodes_that_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def processes(_session: object, name: str) -> list[Process]:
        return [Process(name, 1, 0, "root", "S", 0.0, 1, 1, 0.0, "init")]

    monkeypatch.setattr("clsh.monitor.processes.processes", processes)

    async def main() -> None:
        case = Case(tmp_path, "n1", "n2", "n3")
        async with case.running() as monitor:
            await asyncio.sleep(60)
            case.lose("n2")
            monitor.push(Sample("other", "p1", 0, {"a": 1.0}))
            await asyncio.sleep(1)
            told = await monitor.processes(None, None)
            assert {one.node for one in told if isinstance(one, Process)} == {"n1", "n3"}
            reasons = {one.node: one.reason for one in told if isinstance(one, Silent)}
            assert reasons.keys() == {"n2", "p1"}
            assert "keep-alive" in reasons["n2"]
            assert "not in the inventory" in reasons["p1"]
            assert [one.node for one in await monitor.processes("c", {"n3", "n9"})] == ["n3"]
            assert await monitor.processes("nowhere", None) == []

    hastily(main())


def test_where_gmetric_packets_come_in(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path, gmond_port=8649, ganglia_listen="127.0.0.9")
        ((name, kind, context),) = case.monitor._contexts()
        assert (name, kind, context.listen) == ("gmetric", "gmetric", ("127.0.0.9", 8649))
        assert context.trusted == ("127.0.0.1", "::1")

    hastily(main())
