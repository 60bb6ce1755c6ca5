"""A node is connected to once, as long as it lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.pool import Pool
from clsh.remote.transport import Command, Exit
from clsh.remote.transports.memory import Call, Faults, Memory, MemorySession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.remote.transport import Sink, Stream

NODE = Node(node_name("node1"), "node1")
OTHER = Node(node_name("node2"), "node2")


class Kept:
    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.data += data


async def sleeps(call: Call) -> int:
    await asyncio.sleep(10)
    return 0


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


class LateNews(Memory):
    """What happened to a connection is known to its commands before `lost` tells of it."""

    async def open(self, node: Node, deadline_s: float) -> MemorySession:
        session = await super().open(node, deadline_s)
        tell = session.lost

        class Session(MemorySession):
            __slots__ = ()

            async def lost(self) -> NodeLostError:
                error = await tell()
                await asyncio.sleep(0.03)
                return error

            async def run(
                self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
            ) -> Exit:
                raise await tell()

        session.__class__ = Session
        return session


async def test_a_session_that_lost_a_command_is_not_handed_out_again() -> None:
    memory = LateNews()
    pool = Pool(memory)
    session = await pool.open(NODE, 1)
    running = asyncio.create_task(session.run(Command("x"), Kept()))
    await asyncio.sleep(0.01)
    next(iter(memory.sessions)).lose()
    with pytest.raises(NodeLostError):
        await running
    again = await pool.open(NODE, 1)
    assert again is not session
    await asyncio.sleep(0.1)
    assert await pool.open(NODE, 1) is again, "the end of the old one is no matter"
    await pool.aclose()


async def test_signals_go_through() -> None:
    memory = Memory(default=sleeps)
    pool = Pool(memory)
    session = await pool.open(NODE, 1)
    running = asyncio.create_task(session.run(Command("x"), Kept()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await session.signal("TERM")
    assert await running == Exit(signal="TERM")
    await pool.aclose()
