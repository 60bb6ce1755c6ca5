"""A fan-out over nodes in memory, watched: each outcome once, all sessions closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.nodes.model import Node, node_name
from clsh.remote.fanout import FanOut, Outcome, Plan
from clsh.remote.transport import Command, Exit, Stream
from clsh.remote.transports.memory import Call, Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.remote.transport import Session, Sink


def now_s() -> float:
    return asyncio.get_running_loop().time()


def nodes(count: int) -> list[Node]:
    return [Node(node_name(f"n{i}"), f"n{i}") for i in range(count)]


class Kept:
    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.data += data


class Watcher:
    """Notes all that it is told, and how many commands ran at most at a time."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.order: list[str] = []
        self.outcomes: dict[str, Outcome] = {}
        self.running = 0
        self.most = 0

    def opened(self, node: Node) -> Sink:
        self.order.append(node.name)
        self.running += 1
        self.most = max(self.most, self.running)
        kept = self.kept[node.name] = Kept()
        return kept

    def ended(self, outcome: Outcome) -> None:
        assert outcome.node.name not in self.outcomes, "exactly once"
        self.outcomes[outcome.node.name] = outcome
        if outcome.node.name in self.kept:
            self.running -= 1


async def work(session: Session, sink: Sink) -> Exit:
    return await session.run(Command("true"), sink)


async def sleeps(call: Call) -> int:
    await asyncio.sleep(1000)
    return 0


async def stubborn(call: Call) -> int:
    """Ends by nothing but KILL."""
    call.catch = lambda _: None
    return await sleeps(call)


async def run(
    memory: Memory, count: int, act: Callable[[FanOut], object] | None = None, **plan: object
) -> tuple[list[Outcome], Watcher]:
    """Run on `count` nodes; `act` is called 50 ms later. All that must hold always is checked."""
    watcher = Watcher()
    fan = FanOut(memory, Plan(**plan), watcher)  # type: ignore[arg-type]  # tests name the fields
    if act is not None:
        asyncio.get_running_loop().call_later(0.05, act, fan)
    outcomes = await fan.run(nodes(count), work)
    assert [outcome.node.name for outcome in outcomes] == [f"n{i}" for i in range(count)]
    assert list(watcher.outcomes.values()) == sorted(
        outcomes, key=lambda o: list(watcher.outcomes).index(o.node.name)
    )
    assert not memory.sessions, "every session is closed"
    return outcomes, watcher


def states(outcomes: list[Outcome]) -> str:
    return " ".join(outcome.state for outcome in outcomes)
