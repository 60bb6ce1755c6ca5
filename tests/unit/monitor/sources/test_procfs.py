"""Nodes in memory, no time spent waiting; real ones are in tests/contract and tests/fault."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ConfigError
from clsh.monitor.model import Sample, Silent
from clsh.monitor.sampling import Sampler
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import procfs
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory
from tests.support.clocks import Hasty, hastily
from tests.support.proc import Played

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from clsh.monitor.model import News
    from clsh.monitor.source import Source

    Told = list[tuple[float, News]]


class Watch:
    """A source over nodes in memory, and what it tells: when, what."""

    def __init__(self, names: list[str], interval_s: float = 15.0) -> None:
        self.played = {name: Played() for name in names}
        self.transport = Memory(dict(self.played))
        self.told: Told = []
        nodes = [("c", Node(node_name(name), f"{name}.example")) for name in names]
        self.source: Source = procfs.build(
            SourceContext(Hasty(), interval_s, "grid", nodes=nodes, transport=self.transport)
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        def tell(news: News) -> None:
            self.told.append((asyncio.get_running_loop().time(), news))

        before = asyncio.all_tasks()
        task = asyncio.create_task(self.source.run(tell))
        yield
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})
        assert not self.transport.sessions
        assert asyncio.all_tasks() == before

    def of(self, name: str) -> list[tuple[float, Sample | Silent]]:
        return [
            (at, one)
            for at, one in self.told
            if isinstance(one, Sample | Silent) and one.node == name
        ]

    def samples(self, name: str) -> list[tuple[float, Sample]]:
        return [(at, one) for at, one in self.of(name) if isinstance(one, Sample)]

    def silents(self, name: str) -> list[tuple[float, Silent]]:
        return [(at, one) for at, one in self.of(name) if isinstance(one, Silent)]


def watching(
    *names: str, interval_s: float = 15.0
) -> Callable[[Callable[[Watch], Coroutine[None, None, None]]], Watch]:
    """Let a coroutine have a watch that runs; return the watch."""

    def run(body: Callable[[Watch], Coroutine[None, None, None]]) -> Watch:
        async def main() -> Watch:
            watch = Watch(list(names), interval_s)
            async with watch.running():
                await body(watch)
            return watch

        return hastily(main())

    return run


def test_each_node_is_told_once_in_each_interval() -> None:
    @watching("n1", "n2", "n3")
    async def watch(_: Watch) -> None:
        await asyncio.sleep(150)

    for name in ("n1", "n2", "n3"):
        times = [at for at, _ in watch.samples(name)]
        assert times[0] < 1
        assert 10 <= len(times) <= 11
        steps = [b - a for a, b in pairwise(times[1:])]
        assert steps == [pytest.approx(15)] * len(steps)
        assert watch.silents(name) == []
    _, (_, second) = watch.samples("n1")[:2]
    assert second.address == "n1.example"
    assert second.values["cpu_idle"] == 75
    assert second.values["bytes_in"] == 1000
    assert second.values["disk_free_percent"] == 60
    assert second.values["boottime"] == 1_700_000_000
    assert second.tmax_s == 20


def test_a_node_that_hangs_disturbs_no_other_and_is_opened_anew() -> None:
    async def hang(watch: Watch) -> None:
        await asyncio.sleep(100)
        watch.played["n1"].hangs = True
        await asyncio.sleep(40)
        watch.played["n1"].hangs = False
        await asyncio.sleep(80)

    watch = watching("n1", "n2")(hang)
    steps = [at for at, _ in watch.samples("n2")][1:]
    assert len(steps) >= 13
    assert all(b - a == pytest.approx(15) for a, b in pairwise(steps))
    silents = watch.silents("n1")
    first, last = silents[0], silents[-1]
    before = max(at for at, _ in watch.samples("n1") if at < first[0])
    assert first[0] - before <= 1.5 * 15
    assert (first[1].lost, first[1].reason) == (False, "no answer for 15 s")
    assert (last[1].lost, last[1].reason) == (True, "no answer for 45 s")
    back = min(at for at, _ in watch.samples("n1") if at > first[0])
    assert last[0] < back < last[0] + 15
    assert watch.transport.opened == 3


def test_a_node_that_dies_is_lost_at_once_and_back_soon() -> None:
    async def die(watch: Watch) -> None:
        await asyncio.sleep(70)
        watch.transport.faults["n1"] = Faults(refuse="connection refused")
        for session in [one for one in watch.transport.sessions if one.node.name == "n1"]:
            session.lose("no answer to keep-alive for 6 s")
        await asyncio.sleep(100)
        del watch.transport.faults["n1"]
        await asyncio.sleep(15)

    watch = watching("n1", "n2")(die)
    at, lost = watch.silents("n1")[0]
    assert at == pytest.approx(70)
    assert (lost.lost, lost.reason) == (True, "no answer to keep-alive for 6 s")
    again = watch.silents("n1")[1:]
    assert 6 <= len(again) <= 8  # once in an interval, not with each try
    assert {one.reason for _, one in again} == {"connection refused"}
    assert any(at > 170 for at, _ in watch.samples("n1"))
    assert watch.silents("n2") == []


def test_where_it_is_hopeless_the_pause_grows_to_a_minute() -> None:
    opened: list[float] = []

    async def change(watch: Watch) -> None:
        watch.transport.faults["n1"] = Faults(refuse="host key has changed")
        real = watch.transport.open

        async def count(node: Node, deadline_s: float) -> object:
            opened.append(asyncio.get_running_loop().time())
            return await real(node, deadline_s)

        watch.transport.open = count  # type: ignore[method-assign,assignment]  # it is counted
        await asyncio.sleep(600)

    watch = watching("n1")(change)
    steps = [b - a for a, b in pairwise(opened)]
    assert steps[0] < 2
    assert 45 <= steps[-1] <= 75
    assert len(watch.silents("n1")) >= 39
    assert all(one.lost for _, one in watch.silents("n1"))


def test_an_answer_that_cannot_be_read_is_told_and_the_next_one_is_read() -> None:
    async def garble(watch: Watch) -> None:
        await asyncio.sleep(50)
        watch.played["n1"].load = "a lot"
        await asyncio.sleep(30)
        watch.played["n1"].load = "0.1 0.1 0.1 1/1 1"
        await asyncio.sleep(30)

    watch = watching("n1")(garble)
    silents = watch.silents("n1")
    assert 2 <= len(silents) <= 3
    assert all(not one.lost and one.reason.startswith("/proc/loadavg") for _, one in silents)
    assert watch.transport.opened == 1
    at, after = next(found for found in watch.samples("n1") if found[0] > silents[-1][0])
    assert after.values["load_one"] == 0.1
    assert "bytes_in" not in after.values  # no rate over what was not read
    assert at < 95


def test_a_fault_of_ours_stays_with_its_node(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sample = Sampler.sample

    async def fault(self: Sampler) -> object:
        if self._session.node.name == "n1":
            raise ZeroDivisionError("oops")
        return await sample(self)

    monkeypatch.setattr(Sampler, "sample", fault)

    @watching("n1", "n2")
    async def watch(_: Watch) -> None:
        await asyncio.sleep(100)

    assert {one.reason for _, one in watch.silents("n1")} == {
        "a fault of the collector: ZeroDivisionError('oops')"
    }
    assert len(watch.samples("n2")) >= 6
    assert "n1: a fault of the collector" in caplog.text


def test_many_that_hang_hold_up_no_other() -> None:
    async def hang(watch: Watch) -> None:
        for number in range(200):
            watch.transport.faults[f"n{number}"] = Faults(open_s=float("inf"))
        await asyncio.sleep(40)

    watch = watching(*(f"n{number}" for number in range(201)))(hang)
    ((first, _), *_) = watch.samples("n200")
    assert first < 10
    reasons = [one.reason for _, one in watch.silents("n7")]
    assert reasons[0] == "connecting"
    assert "timed out" in reasons[-1]


def test_nodes_that_are_hurried_are_heard_each_second() -> None:
    async def hurry(watch: Watch) -> None:
        await asyncio.sleep(30)
        watch.source.hurry({("c", "n1")})
        await asyncio.sleep(10)
        watch.source.hurry(set())
        await asyncio.sleep(60)

    watch = watching("n1", "n2")(hurry)
    fast = [at for at, _ in watch.samples("n1") if 30 < at <= 40]
    assert 9 <= len(fast) <= 11
    assert len([at for at, _ in watch.samples("n1") if at > 41]) <= 5
    assert len([at for at, _ in watch.samples("n2") if 30 < at <= 40]) <= 1


def test_it_can_be_run_again() -> None:
    async def main() -> Watch:
        watch = Watch(["n1"])
        for _ in range(2):
            async with watch.running():
                await asyncio.sleep(20)
        return watch

    watch = hastily(main())
    assert watch.transport.opened == 2
    assert len(watch.samples("n1")) in {4, 5}
    assert watch.silents("n1") == []


def test_it_needs_a_way_to_reach_nodes() -> None:
    with pytest.raises(ConfigError, match="the nodes of the inventory") as caught:
        procfs.build(SourceContext(Hasty(), 15, "grid"))
    assert 'source = "procfs"' in caught.value.hint
