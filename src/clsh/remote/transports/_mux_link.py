"""A mux connection in an event loop: channels that can be opened, fed and followed."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from clsh.remote.transports import _mux

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from clsh.remote.transport import Command
    from clsh.remote.transports._ssh_command import PerChannel

SESSIONS = 9
"""Commands at a time on one connection: sshd allows 10 (MaxSessions), one is kept for sweeps."""
_TRIES = 3


class LinkLostError(Exception):
    """The connection to the master is gone."""


class RefusedError(Exception):
    """The node opens no channel; the message is the server's reason."""


@dataclass(frozen=True, slots=True)
class InputFailed:
    """Reading the input of a command raised."""

    error: Exception


class Channel:
    """One command: what the far side tells of it comes out of `next`."""

    def __init__(self, link: Link, number: int) -> None:
        self.number = number
        self.ended = False
        """The far side has told the command's end, though output may still be waiting."""
        self.closed = asyncio.Event()
        self._link = link
        self._events: deque[_mux.Event | InputFailed] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._answers: deque[asyncio.Future[bool]] = deque()
        self._dropped = False
        self._room = asyncio.Event()

    async def next(self) -> _mux.Event | InputFailed:
        """Return the next event; raises LinkLostError when none can come any more."""
        while not self._events:
            if self._link.is_lost:
                raise LinkLostError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._events.popleft()

    def push(self, event: _mux.Event | InputFailed) -> None:
        """Take an event of this channel."""
        match event:
            case _mux.Answered(request="signal", ok=ok):
                answer = self._answers.popleft()
                if not answer.done():
                    answer.set_result(ok)
                return
            case _mux.Room():
                self._room.set()
                return
            case _mux.Ended():
                self.ended = True
            case _mux.Closed():
                self.ended = True
                self.finish()
            case _:
                pass
        if not self._dropped:
            self._events.append(event)
            self._wake()

    def finish(self) -> None:
        """Nothing more comes: let nobody wait."""
        self.closed.set()
        self._room.set()
        for answer in self._answers:
            if not answer.done():
                answer.set_result(True)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def start(self, command: Command, extras: PerChannel, *, has_input: bool) -> None:
        """Ask for the command to be run, all in one packet; Answered(`exec`) follows."""
        if self.closed.is_set():
            return
        mux, number = self._link.mux, self.number
        parts = [mux.variable(number, name, value) for name, value in extras.variables]
        if extras.agent:
            parts.append(mux.request(number, "auth-agent-req@openssh.com"))
        if command.tty:
            term = os.environ.get("TERM", "xterm")
            parts.append(mux.terminal(number, term, command.columns, command.rows))
        parts.append(mux.run(number, command.line))
        if not has_input:
            parts.append(mux.eof(number))
        self._link.write(b"".join(parts))

    async def signal(self, name: str) -> bool:
        """Send a signal; tell whether the server took it, True when there is nothing to take it."""
        if self.closed.is_set():
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._link.write(self._link.mux.signal(self.number, name))
        return await answer

    async def feed(self, stdin: AsyncIterator[bytes]) -> None:
        """Send input as the far side takes it, then its end; a failure comes out of `next`."""
        try:
            async for data in stdin:
                rest = memoryview(data)
                while rest and not self.closed.is_set():
                    rest = rest[await self._send(rest) :]
                if self.closed.is_set():
                    break  # an endless input that never waits would hold up the loop
        except Exception as error:  # noqa: BLE001 - raised again where the command is followed
            self.push(InputFailed(error))
        self.end_input()

    async def _send(self, data: memoryview) -> int:
        await self._link.writable.wait()
        count = min(len(data), self._link.mux.room(self.number))
        if count:
            self._link.write(self._link.mux.send(self.number, bytes(data[:count])))
        elif not self.closed.is_set():
            self._room.clear()
            await self._room.wait()
        return count

    def end_input(self) -> None:
        """Send the end of the input."""
        self._link.write(self._link.mux.eof(self.number))

    def close(self) -> None:
        """Close our side; what still comes is thrown away."""
        self._dropped = True
        self._events.clear()
        self._link.write(self._link.mux.close(self.number))


class Link(asyncio.Protocol):
    """The connection to a master; `lost` is set when it is gone, with the reason if known."""

    def __init__(self) -> None:
        self.mux = _mux.Mux()
        self.writable = asyncio.Event()
        self.lost = asyncio.Event()
        self.reason = ""
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._opening: dict[int, asyncio.Future[Channel]] = {}
        self._counted: set[int] = set()
        self._channels: dict[int, Channel] = {}
        self._slots = asyncio.Semaphore(SESSIONS)
        self._freed = asyncio.Event()
        self._transport: asyncio.Transport

    @classmethod
    async def over(cls, connection: socket.socket) -> Link:
        """Greet the master on its control socket; raises LinkLostError when it does not answer."""
        loop = asyncio.get_running_loop()
        try:
            _, link = await loop.create_unix_connection(cls, sock=connection)
        except BaseException:
            connection.close()
            raise
        try:
            await link._ready  # noqa: SLF001 - its own
        except BaseException:
            link.abort()
            raise
        return link

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self.lost.is_set()

    async def open(self, *, beside: bool = False) -> Channel:
        """Open a channel, when there are fewer than SESSIONS or `beside` them.

        Raises RefusedError, LinkLostError. When the far side allows fewer channels than we
        thought, it is asked again each time one closes.
        """
        tries = 0
        while True:
            if not beside:
                await self._slots.acquire()
            self._freed.clear()
            try:
                return await self._ask(counted=not beside)
            except RefusedError:
                if self._channels:
                    await self._freed.wait()
                    continue
                tries += 1
                if tries == _TRIES:
                    raise
                await asyncio.sleep(0.1 * tries)  # the far side may still count a closed one

    async def _ask(self, *, counted: bool) -> Channel:
        if self.is_lost:
            if counted:
                self._slots.release()
            raise LinkLostError
        number, data = self.mux.open()
        if counted:
            self._counted.add(number)
        answer: asyncio.Future[Channel] = self._loop.create_future()
        self._opening[number] = answer
        self.write(data)
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                answer.result().close()
            raise

    def write(self, data: bytes) -> None:
        """Send bytes of the codec; nothing when the connection is gone."""
        if data and not self.is_lost:
            self._transport.write(data)

    def consumed(self, channel: Channel, count: int) -> None:
        """Tell the far side that `count` bytes of output have been taken."""
        self.write(self.mux.consumed(channel.number, count))

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self.writable.set()
        self._transport.write(self.mux.greeting())

    def pause_writing(self) -> None:
        """Hold back input."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Let input go on."""
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Pass on what has come."""
        try:
            events, answer = self.mux.receive(data)
        except _mux.ProtocolError as error:
            self.reason = f"ssh's mux protocol: {error}"
            self._transport.abort()
            return
        self.write(answer)
        for event in events:
            self._dispatch(event)

    def _dispatch(self, event: _mux.Event) -> None:
        match event:
            case _mux.Ready():
                if not self._ready.done():
                    self._ready.set_result(None)
            case _mux.Opened(channel=number):
                self._opened(number)
            case _mux.Refused(channel=number, reason=reason):
                self._free(number)
                answer = self._opening.pop(number)
                if not answer.done():
                    answer.set_exception(RefusedError(reason))
            case _mux.Closed(channel=number):
                self._free(number)
                if channel := self._channels.pop(number, None):
                    channel.push(event)
                self._freed.set()
            case _:
                if channel := self._channels.get(event.channel):
                    channel.push(event)

    def _opened(self, number: int) -> None:
        answer = self._opening.pop(number)
        if answer.cancelled():
            self.write(self.mux.close(number))
            return
        channel = Channel(self, number)
        self._channels[number] = channel
        answer.set_result(channel)

    def _free(self, number: int) -> None:
        if number in self._counted:
            self._counted.discard(number)
            self._slots.release()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Let nobody wait for what will not come."""
        self.lost.set()
        self._freed.set()
        self.writable.set()
        if not self._ready.done():
            self._ready.set_exception(LinkLostError())
        for answer in self._opening.values():
            if not answer.done():
                answer.set_exception(LinkLostError())
        for channel in self._channels.values():
            channel.finish()
        self._slots.release()  # who wakes up finds the loss and wakes the next
