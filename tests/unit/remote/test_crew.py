"""What a crew does with nodes that go away; talks are tested in tests/unit/cli."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.nodes.model import Node, node_name
from clsh.remote.crew import Crew
from clsh.remote.transport import Exit
from clsh.remote.transports.memory import Faults, Memory
from tests.unit.cli.test_interactive import real

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.remote.fanout import Outcome
    from clsh.remote.transport import Sink, Stream

NODE = Node(node_name("node1"), "node1")


class Told:
    """Watches and observes; `wrote` is called with what a line writes."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.wrote: Callable[[], object] = lambda: None

    def failed(self, outcome: Outcome) -> None:
        self.said.append(f"{outcome.node.name} {outcome.state}")

    def restarted(self, node: Node, ended: Exit) -> None:
        self.said.append(f"{node.name} restarted after {ended.code}")

    def idle(self, node: Node) -> Sink:
        return self

    def opened(self, node: Node) -> Sink:
        return self

    def ended(self, outcome: Outcome) -> None:
        self.said.append(f"{outcome.node.name} ended {outcome.state}")

    def write(self, stream: Stream, data: bytes) -> None:
        self.wrote()


@pytest.fixture(autouse=True)
def plain_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")


@pytest.mark.parametrize("later", range(8))
async def test_a_node_lost_just_after_its_answer_is_told(later: int) -> None:
    memory, told = Memory(default=real), Told()
    crew = Crew(memory, [NODE], told)
    await crew.open()
    session = next(iter(memory.sessions))

    async def lose() -> None:
        for _ in range(later):
            await asyncio.sleep(0)
        session.lose()

    tasks: list[asyncio.Task[None]] = []
    told.wrote = lambda: tasks.append(asyncio.create_task(lose()))
    outcomes = await crew.run("echo x", ["node1"], told, timeout_s=5)
    await asyncio.sleep(0.05)
    assert [outcome.state for outcome in outcomes] in (["done"], ["lost"])
    assert told.said in (["node1 ended done", "node1 lost"], ["node1 ended lost"])
    assert crew.connected == []
    assert await crew.run("echo x", ["node1"], told) == []
    await crew.aclose()


async def test_a_sink_that_fails_fails_its_node_and_the_shell_is_new() -> None:
    memory, told = Memory(default=real), Told()
    crew = Crew(memory, [NODE], told)
    await crew.open()

    def fail() -> None:
        raise ClshError("disk full")

    told.wrote = fail
    outcome = (await crew.run("echo x", ["node1"], told))[0]
    assert (outcome.state, outcome.reason) == ("failed", "disk full")
    told.wrote = lambda: None
    assert (await crew.run("echo x", ["node1"], told))[0].code == 0
    assert "node1 restarted after 255" in told.said
    await crew.aclose()


async def test_a_shell_that_cannot_be_replaced_is_a_lost_node() -> None:
    memory, told = Memory(default=real), Told()
    crew = Crew(memory, [NODE], told, connect_timeout_s=0.5)
    await crew.open()
    session = next(iter(memory.sessions))

    async def no_shell(call: object) -> int:
        return 127

    session.program = no_shell
    assert (await crew.run("exit 3", ["node1"], told))[0].exit == Exit(3)
    assert told.said == ["node1 ended done", "node1 lost"]
    await crew.aclose()
    assert not memory.sessions


async def test_a_cancelled_opening_keeps_what_is_there() -> None:
    slow = Node(node_name("node2"), "node2")
    memory, told = Memory(faults={"node2": Faults(open_s=100)}, default=real), Told()
    crew = Crew(memory, [NODE, slow], told)
    opening = asyncio.create_task(crew.open())
    while not crew.connected:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert crew.connected == ["node1"]
    await crew.aclose()
    assert not memory.sessions
