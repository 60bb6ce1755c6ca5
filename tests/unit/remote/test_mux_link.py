"""A mux connection against a peer that says what a master would, or should not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from clsh.remote.transport import Command
from clsh.remote.transports._mux import Answered, Closed
from clsh.remote.transports._mux_link import (
    SESSIONS,
    Channel,
    InputFailed,
    Link,
    LinkLostError,
    RefusedError,
)
from clsh.remote.transports._ssh_command import PerChannel
from tests.unit.remote.test_mux import HELLO, PROXY, message, opened, string, u32

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Peer:
    """The other end of a control socket; the test says each word."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()

    async def heard(self, count: int) -> bytes:
        data = b""
        async with asyncio.timeout(2):
            while len(data) < count:
                piece = await self._loop.sock_recv(self._end, count - len(data))
                assert piece
                data += piece
        return data

    async def packet(self) -> tuple[int, bytes]:
        """The kind and the body of the next packet."""
        length = int.from_bytes(await self.heard(4), "big")
        body = await self.heard(length)
        return body[1], body[2:]

    async def says(self, *data: bytes) -> None:
        await self._loop.sock_sendall(self._end, b"".join(data))

    def hangs_up(self) -> None:
        self._end.close()


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Peer]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    peer = Peer(theirs)
    await peer.says(HELLO, PROXY)
    link = await Link.over(ours)
    await peer.heard(24)
    try:
        yield link, peer
    finally:
        link.abort()
        theirs.close()
        await asyncio.sleep(0)


async def channel_of(link: Link, peer: Peer, number: int = 0, *, room: int = 1000) -> Channel:
    task = asyncio.create_task(link.open())
    kind, _ = await peer.packet()
    assert kind == 90
    await peer.says(opened(number, room=room))
    return await task


async def test_a_master_that_hangs_up_on_the_greeting() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(LinkLostError):
        await Link.over(ours)


async def test_a_greeting_that_is_given_up_closes_the_connection() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    task = asyncio.create_task(Link.over(ours))
    peer = Peer(theirs)
    await peer.heard(24)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""
    peer.hangs_up()


async def test_a_peer_that_talks_nonsense_is_left_with_a_reason() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer)
        await peer.says(message(1))
        async with asyncio.timeout(1):
            with pytest.raises(LinkLostError):
                await channel.next()
        assert "message 1 is not expected" in link.reason
        assert link.is_lost
        with pytest.raises(LinkLostError):
            await link.open()


async def test_a_loss_answers_all_who_wait() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer)
        signalling = asyncio.create_task(channel.signal("TERM"))
        opening = [asyncio.create_task(link.open()) for _ in range(SESSIONS + 3)]
        await asyncio.sleep(0.01)
        peer.hangs_up()
        async with asyncio.timeout(1):
            assert await signalling is True
            ends = await asyncio.gather(*opening, return_exceptions=True)
        assert [type(end) for end in ends] == [LinkLostError] * (SESSIONS + 3)


async def test_a_refusal_with_nothing_running_is_tried_again_and_then_told() -> None:
    async with linked() as (link, peer):
        task = asyncio.create_task(link.open())
        for number in range(3):
            await peer.packet()
            await peer.says(message(92, u32(number, 1), string(b"no more"), string(b"")))
        with pytest.raises(RefusedError, match="no more"):
            await task


async def test_a_refusal_beside_others_waits_for_one_to_close() -> None:
    async with linked() as (link, peer):
        await channel_of(link, peer)
        task = asyncio.create_task(link.open())
        await peer.packet()
        await peer.says(message(92, u32(1, 1), string(b"no more"), string(b"")))
        await asyncio.sleep(0.02)
        assert not task.done()
        await peer.says(message(97, u32(0)))
        assert (await peer.packet())[0] == 97
        assert (await peer.packet())[0] == 90
        await peer.says(opened(2))
        assert (await task).number == 2


async def test_what_is_opened_for_nobody_is_closed() -> None:
    async with linked() as (link, peer):
        early = asyncio.create_task(link.open())
        await peer.packet()
        early.cancel()
        await asyncio.sleep(0)
        await peer.says(opened(0))
        assert await peer.packet() == (97, u32(50))
        late = asyncio.create_task(link.open())
        await peer.packet()
        link.data_received(opened(1))
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert await peer.packet() == (97, u32(51))
        refused = asyncio.create_task(link.open())
        await peer.packet()
        refused.cancel()
        await asyncio.sleep(0)
        await peer.says(message(92, u32(2, 1), string(b"x"), string(b"")), message(97, u32(0)))
        await peer.says(message(97, u32(1)))
        for number in range(3, 3 + SESSIONS):  # all slots are free again
            await channel_of(link, peer, number)


async def test_input_waits_for_room_and_for_the_socket() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer, room=10)

        async def stdin() -> AsyncIterator[bytes]:
            yield b"0123456789ab"
            yield b""

        feeding = asyncio.create_task(channel.feed(stdin()))
        assert await peer.packet() == (94, u32(50) + string(b"0123456789"))
        await asyncio.sleep(0.01)
        link.pause_writing()
        await peer.says(message(93, u32(0, 10)))
        await asyncio.sleep(0.01)
        assert not feeding.done()
        link.resume_writing()
        assert await peer.packet() == (94, u32(50) + string(b"ab"))
        assert await peer.packet() == (96, u32(50))
        await feeding


async def test_input_ends_with_the_channel() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer, room=1)

        async def stdin() -> AsyncIterator[bytes]:
            yield b"ab"

        feeding = asyncio.create_task(channel.feed(stdin()))
        await peer.packet()
        link.pause_writing()
        await peer.says(message(97, u32(0)))
        await channel.closed.wait()
        link.resume_writing()
        async with asyncio.timeout(1):
            await feeding
        channel.start(Command("late"), PerChannel(), has_input=False)
        assert await channel.signal("TERM") is True
        assert await channel.next() == Closed(0)
        assert await peer.packet() == (97, u32(50))


async def test_failing_input_comes_out_of_the_channel() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer)
        error = ValueError("bad")

        async def stdin() -> AsyncIterator[bytes]:
            yield b""
            raise error

        await channel.feed(stdin())
        assert await channel.next() == InputFailed(error)


async def test_what_a_command_starts_with_and_what_comes_after_its_close() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer)
        extras = PerChannel((("A", "1"),), agent=True)
        channel.start(Command("x", tty=True), extras, has_input=False)
        kinds = [await peer.packet() for _ in range(5)]
        names = [body[8 : 8 + body[7]] for kind, body in kinds if kind == 98]
        assert names == [b"env", b"auth-agent-req@openssh.com", b"pty-req", b"exec"]
        assert kinds[-1][0] == 96
        await peer.says(message(100, u32(0)))
        assert await channel.next() == Answered(0, "exec", ok=False)
        channel.close()
        assert (await peer.packet())[0] == 97
        await peer.says(message(94, u32(0), string(b"late")), message(97, u32(0)))
        await channel.closed.wait()
        assert not channel._events


async def test_a_signal_that_nobody_waits_for_any_more() -> None:
    async with linked() as (link, peer):
        channel = await channel_of(link, peer)
        first = asyncio.create_task(channel.signal("TERM"))
        await peer.packet()
        first.cancel()
        second = asyncio.create_task(channel.signal("KILL"))
        await peer.packet()
        await peer.says(message(99, u32(0)), message(100, u32(0)))
        assert await second is False
