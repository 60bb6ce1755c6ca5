"""Nodes seen without a manager: this machine as a node, and nodes that fail."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, NodeLostError
from clsh.cli.monitoring import over_ssh
from clsh.cli.monitoring.over_ssh import OverSsh, processes_over_ssh
from clsh.cli.monitoring.reaching import Reach
from clsh.cli.monitoring.view import Place, View
from clsh.monitor.processes import ListError, Process
from clsh.nodes.model import Node, NodeName
from clsh.remote.fanout import Plan
from clsh.remote.transports.local import LocalTransport
from clsh.remote.transports.memory import Faults, Memory

if TYPE_CHECKING:
    from clsh.remote.transport import Session
    from clsh.remote.transports.memory import Call

LISTS = View(mode="processes")


class Mixed:
    """Nodes named here* are this machine, all others are in memory."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.local = LocalTransport()
        self.opened: list[Session] = []
        self.closed = False

    async def open(self, node: Node, deadline_s: float) -> Session:
        here = node.name.startswith("here")
        session = await (self.local if here else self.memory).open(node, deadline_s)
        self.opened.append(session)
        return session

    async def aclose(self) -> None:
        self.closed = True


async def hangs(call: Call) -> int:
    await asyncio.Event().wait()
    return 0


def reach(*names: str, memory: Memory | None = None) -> tuple[Reach, Mixed]:
    way = Mixed(memory or Memory())
    nodes = [("lab", Node(NodeName(name), name)) for name in names]
    return Reach(nodes, Plan(connect_timeout_s=1), lambda: way, "/nowhere"), way


async def test_a_picture_with_rates_and_a_node_that_cannot_be_reached() -> None:
    there, way = reach("here1", "here2", "bad", memory=Memory(faults={"bad": Faults(refuse="no")}))
    async with OverSsh(there, 0.3) as feed:
        picture = await feed.look(View())
    one, two, bad = picture.nodes
    assert (one.cluster, one.node, one.state, two.state) == ("lab", "here1", "up", "up")
    assert one.cpu is not None
    assert 0 <= one.cpu <= 100
    assert one.memory_total
    assert one.load is not None
    assert (bad.state, bad.reason) == ("lost", "no")
    assert way.closed


async def test_processes_of_all_and_of_one() -> None:
    there, _ = reach("here1", "here2", "bad", memory=Memory(faults={"bad": Faults(refuse="no")}))
    async with OverSsh(there, 0.3) as feed:
        everything = await feed.look(LISTS)
        one = await feed.look(View(mode="processes", of=Place("lab", "here2")))
        bad = await feed.look(View(mode="processes", of=Place("lab", "bad")))
    assert {process.node for process in everything.processes or ()} == {"here1", "here2"}
    assert everything.silent == {"bad": "no"}
    assert {process.node for process in one.processes or ()} == {"here2"}
    assert (bad.processes, bad.silent) == ([], {"bad": "no"})


async def test_a_person_does_not_wait_for_a_node_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, _ = reach("here1", "slow", memory=Memory(programs={"slow": hangs}))
    begun = time.monotonic()
    async with OverSsh(there, 0.2, 0.6) as feed:
        picture = await feed.look(View())
        assert time.monotonic() - begun < 5
        assert [row.state for row in picture.nodes] == ["up", "new"]
        monkeypatch.setattr(over_ssh, "_PATIENCE_S", 0.2)
        lists = await feed.look(View(mode="processes", of=Place("lab", "slow")))
        assert lists.silent == {"slow": "no answer within 0.2 s"}


@pytest.mark.parametrize(
    ("error", "told"),
    [(NodeLostError(NodeName("here1"), "cut"), "cut"), (ListError("no list"), "no list")],
)
async def test_a_node_that_gives_no_list_tells_why(
    error: ClshError, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(session: Session, node: str) -> list[Process]:
        raise error

    there, _ = reach("here1")
    async with OverSsh(there, 0.2) as feed:
        await feed.look(View())
        monkeypatch.setattr("clsh.monitor.processes.processes", fails)
        lists = await feed.look(LISTS)
    assert (lists.processes, lists.silent) == ([], {"here1": told})


async def test_a_node_that_hangs_is_lost_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_ssh, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(over_ssh, "_AGAIN_S", (0.1,))
    there, way = reach("slow", memory=Memory(programs={"slow": hangs}))
    async with OverSsh(there, 0.2) as feed:
        picture = await feed.look(View())
        assert (picture.nodes[0].state, picture.nodes[0].reason) == (
            "lost",
            "no answer within 0.1 s",
        )
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(way.opened) > 1:
                break
        assert len(way.opened) > 1
    assert not way.memory.sessions


async def test_a_node_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_ssh, "_AGAIN_S", (0.05,))
    there, way = reach("here1")
    async with OverSsh(there, 0.2) as feed:
        assert (await feed.look(View())).nodes[0].state == "up"
        await way.opened[0].aclose()
        states = set()
        for _ in range(100):
            await asyncio.sleep(0.02)
            states.add((await feed.look(View())).nodes[0].state)
            if states == {"up", "lost"} and (await feed.look(View())).nodes[0].state == "up":
                break
        assert states == {"up", "lost"}
    assert len(way.opened) >= 2


async def test_a_bug_is_not_a_picture_that_never_comes() -> None:
    def broken(node: Node, deadline_s: float) -> Session:
        raise ZeroDivisionError

    there, way = reach("here1")
    way.open = broken  # type: ignore[method-assign,assignment]  # what no transport does
    async with OverSsh(there, 0.2) as feed:
        with pytest.raises(ZeroDivisionError):
            await feed.look(View())


async def test_one_run_over_all_nodes() -> None:
    there, way = reach("here1", "bad", memory=Memory(faults={"bad": Faults(refuse="no")}))
    found, outcomes = await processes_over_ssh(there)
    assert {process.node for process in found} == {"here1"}
    assert any(process.pid == 1 for process in found)
    assert {one.node.name: (one.state, one.reason) for one in outcomes} == {
        "here1": ("done", ""),
        "bad": ("unreachable", "no"),
    }
    assert way.closed
