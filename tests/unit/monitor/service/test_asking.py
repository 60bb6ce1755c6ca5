from __future__ import annotations

import asyncio

import pytest

from clsh.base.errors import NodeLostError
from clsh.monitor.model import Silent
from clsh.monitor.processes import Process
from clsh.monitor.service.asking import Asking
from clsh.nodes.model import Node, node_name
from clsh.remote.pool import Pool
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from clsh.remote.transports.memory import Faults, Memory, answer
from tests.support.clocks import Running


def node(name: str) -> tuple[str, Node]:
    return "c", Node(node_name(name), "localhost")


async def test_the_processes_of_this_machine() -> None:
    asking = Asking(Pool(local.build(TransportOptions())), Running())
    told = await asking.processes([node("here")])
    assert any(isinstance(one, Process) and one.pid == 1 for one in told)
    assert {one.node for one in told} == {"here"}


async def test_each_node_that_does_not_say_is_one_silent() -> None:
    faults = {
        "refused": Faults(refuse="connection refused"),
        "hung": Faults(open_s=float("inf")),
        "lost": Faults(lose_after_s=0.01),
    }
    programs = {"lost": answer(delay_s=5), "odd": answer(b"hello", status=9)}
    asking = Asking(Memory(programs, faults), Running(), deadline_s=0.3)
    names = ["refused", "hung", "lost", "odd", "garbled"]
    told = await asking.processes([node(name) for name in names])
    reasons = {one.node: one.reason for one in told if isinstance(one, Silent)}
    assert list(reasons) == names
    assert len(told) == 5
    assert reasons["refused"] == "connection refused"
    assert "0.3 s" in reasons["hung"]
    assert "/proc" in reasons["odd"]
    assert reasons["lost"]
    assert reasons["garbled"]


async def test_without_a_transport_nothing_is_reached() -> None:
    told = await Asking(None, Running()).processes([node("a")])
    assert [one.reason for one in told if isinstance(one, Silent)] == [
        "there is no way to reach it"
    ]


async def test_at_most_some_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0

    async def processes(_session: object, name: str) -> list[Process]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        raise NodeLostError(name, "gone")

    monkeypatch.setattr("clsh.monitor.processes.processes", processes)
    told = await Asking(Memory(), Running()).processes([node(f"n{i}") for i in range(100)])
    assert len(told) == 100
    assert most == 32
