"""A node is connected to once, as long as it lives."""

from __future__ import annotations

import asyncio

import pytest

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.pool import Pool
from clsh.remote.transport import Command, Exit, Stream
from clsh.remote.transports.memory import Call, Faults, Memory

NODE = Node(node_name("node1"), "node1")
OTHER = Node(node_name("node2"), "node2")


class Kept:
    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.data += data


async def test_a_session_is_used_again_after_it_was_closed() -> None:
    memory = Memory()
    pool = Pool(memory)
    for _ in range(3):
        session = await pool.open(NODE, 1)
        kept = Kept()
        assert await session.run(Command("hello"), kept) == Exit(0)
        assert kept.data == b"hello\n"
        await session.aclose()
    assert session.node is NODE
    assert memory.opened == 1
    await pool.aclose()
    assert not memory.sessions
    assert isinstance(await session.lost(), NodeLostError)


async def test_those_who_ask_meanwhile_wait_for_the_one_opening() -> None:
    memory = Memory(faults={"node1": Faults(open_s=0.02)})
    pool = Pool(memory)
    first = await asyncio.gather(*(pool.open(NODE, 1) for _ in range(5)), pool.open(OTHER, 1))
    assert memory.opened == 2
    assert len({id(session) for session in first}) == 2
    await pool.aclose()


async def test_waiting_for_another_opening_ends_with_the_deadline() -> None:
    pool = Pool(Memory(faults={"node1": Faults(open_s=0.3)}))
    first = asyncio.create_task(pool.open(NODE, 1))
    await asyncio.sleep(0)
    with pytest.raises(UnreachableError, match="timed out"):
        await pool.open(NODE, 0.02)
    await first
    await pool.aclose()


async def test_an_opening_that_fails_or_is_cancelled_leaves_the_way_free() -> None:
    memory = Memory(faults={"node1": Faults(refuse="connection refused")})
    pool = Pool(memory)
    with pytest.raises(UnreachableError):
        await pool.open(NODE, 1)
    memory.faults["node1"] = Faults(open_s=10)
    first = asyncio.create_task(pool.open(NODE, 20))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.wait([first])
    memory.faults.clear()
    await pool.open(NODE, 1)
    assert memory.opened == 1
    await pool.aclose()


async def test_a_lost_session_is_opened_anew() -> None:
    memory = Memory()
    pool = Pool(memory)
    session = await pool.open(NODE, 1)
    next(iter(memory.sessions)).lose()
    assert isinstance(await session.lost(), NodeLostError)
    await asyncio.sleep(0)
    assert await pool.open(NODE, 1) is not session
    assert memory.opened == 2
    await pool.aclose()


async def test_a_session_that_lost_a_command_is_not_handed_out_again() -> None:
    """At once, before the news of the loss have come by the other way."""
    memory = Memory(faults={"node1": Faults(lose_after_bytes=3)})
    pool = Pool(memory)
    session = await pool.open(NODE, 1)
    with pytest.raises(NodeLostError):
        await session.run(Command("hello"), Kept())
    memory.faults.clear()
    again = await pool.open(NODE, 1)
    assert again is not session
    assert await again.run(Command("hello"), Kept()) == Exit(0)
    await asyncio.sleep(0)
    assert await pool.open(NODE, 1) is again, "the end of the old one is no matter"
    await pool.aclose()


async def test_signals_go_through() -> None:
    async def program(call: Call) -> int:
        await asyncio.sleep(10)
        return 0

    memory = Memory(default=program)
    pool = Pool(memory)
    session = await pool.open(NODE, 1)
    running = asyncio.create_task(session.run(Command("x"), Kept()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await session.signal("TERM")
    assert await running == Exit(signal="TERM")
    await pool.aclose()
