"""Nodes in memory: what they answer, and when they are told to end."""

from __future__ import annotations

import asyncio

import pytest

from clsh.base.errors import NodeLostError
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Command, Exit, TransportOptions
from clsh.remote.transports.memory import Memory, answer, build
from tests.unit.remote.transports.sinks import Kept, run

NODE = Node(node_name("m1"), "m1", transport="memory")


async def test_a_node_that_was_told_nothing_prints_the_line() -> None:
    memory = build(TransportOptions())
    session = await memory.open(NODE, 1)
    assert await run(session, "uname -a") == (Exit(status=0), b"uname -a\n")
    assert memory.ran == [("m1", "uname -a")]
    assert memory.opened == len(memory.sessions) == 1
    await session.aclose()
    assert not memory.sessions
    await memory.aclose()


async def test_answers() -> None:
    memory = Memory({"m1": answer(b"out", b"err", 3, 0.01)}, default=answer())
    kept = Kept()
    how = await (await memory.open(NODE, 1)).run(Command("x"), kept)
    assert (how.code, kept.out, kept.err) == (3, b"out", b"err")
    other = await memory.open(Node(node_name("m2"), "m2"), 1)
    assert await run(other, "x") == (Exit(status=0), b"")


async def test_signals_and_a_broken_cable() -> None:
    memory = Memory(default=answer(delay_s=60))
    session = await memory.open(NODE, 1)
    task = asyncio.create_task(run(session, "x"))
    await asyncio.sleep(0.01)
    await session.signal("TERM")
    assert (await task)[0] == Exit(signal="TERM")
    task = asyncio.create_task(run(session, "x"))
    await asyncio.sleep(0.01)
    session.lose("a spade")
    with pytest.raises(NodeLostError, match="a spade"):
        await task
    task = asyncio.create_task(run(await memory.open(NODE, 1), "x"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
