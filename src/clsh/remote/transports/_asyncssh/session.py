"""A Session on one asyncssh connection: channels, back-pressure, signals, the end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import asyncssh
from asyncssh.packet import String

from clsh.base.errors import NodeError, NodeLostError
from clsh.remote import sweep
from clsh.remote.transport import Exit
from clsh.remote.transports._asyncssh.errors import explain_loss
from clsh.remote.transports._outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from clsh.nodes.model import Node
    from clsh.remote.transport import Command, SignalName, Sink, Stream

# sshd allows 10 sessions a connection (MaxSessions); one is kept free for the sweep.
_CHANNELS = 9
_KILL_S = 0.3
_CLOSE_S = 1.0
_KILLED_S = 3.0
_REFUSED_S = 0.02
_REFUSALS = 8


class _Channel(asyncssh.SSHClientSession[bytes]):
    """One command: passes its output to the sink, pausing the channel while that is full.

    `done` ends when all output has been written or the outlet has failed, `closed` with the
    channel.
    """

    def __init__(self, session: SshSession, sink: Sink) -> None:
        self._session = session
        self.outlet = Outlet(sink, self._flow, self._settled)
        self._complete = False
        self._resuming = False
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.number = 0
        self.exit: Exit | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    # What asyncssh calls.

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.channel = cast("Any", chan)
        self._session.has_opened(self)

    def session_started(self) -> None:
        self.number = self._session.next_number()
        if self.exit is None and not self.closed.done():  # a short command is over by now
            self._session.living.append(self)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.outlet.put("stderr" if datatype else "stdout", data)

    def eof_received(self) -> bool:
        self._complete = True
        return True  # our own side stays open for stdin

    def exit_status_received(self, status: int) -> None:
        self._ended(Exit(status=status))

    def exit_signal_received(  # the names are asyncssh's
        self,
        signal: str,
        core_dumped: bool,  # noqa: ARG002 - asyncssh's signature
        msg: str,  # noqa: ARG002 - asyncssh's signature
        lang: str,  # noqa: ARG002 - asyncssh's signature
    ) -> None:
        self._ended(Exit(signal=signal))

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        self.channel.resume_reading()  # asyncssh would drop what it holds for us
        self._ended(self.exit)
        self._session.opened.discard(self)
        self.closed.set_result(None)
        self.writable.set()
        self._settled()

    # Our own side.

    @property
    def lost(self) -> bool:
        """Whether the connection died before the end and all output had come."""
        return self.exit is None or not self._complete

    def _ended(self, how: Exit | None) -> None:
        self.exit = how
        if self in self._session.living:
            self._session.living.remove(self)

    def _flow(self, on: bool) -> None:
        # asyncssh grants a whole window again for each packet that it hands over after a
        # pause. So it hands over all that it holds before the next pause, or its own buffer
        # would grow by nearly a window for each packet that a slow reader takes.
        if on and not self.closed.done():
            self._resuming = True
            self.channel.resume_reading()
            self._resuming = False
            on = self.outlet.empty
        if not on and not self._resuming:
            self.channel.pause_reading()

    def _settled(self) -> None:
        finished = self.closed.done() and self.outlet.empty
        if not self.done.done() and (finished or self.outlet.error is not None):
            self.done.set_result(None)


class _Collector:
    """The sink of our own scripts."""

    def __init__(self) -> None:
        self.output = bytearray()

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout" and len(self.output) < 1 << 20:
            self.output += data


@dataclass(frozen=True, slots=True)
class _Done:
    """What a script said, and the commands older than it that still ran when it had ended."""

    output: bytes
    older: list[_Channel]


class SshSession:
    """Commands on one connection; `gone` ends with the connection."""

    def __init__(
        self,
        node: Node,
        connection: asyncssh.SSHClientConnection,
        gone: asyncio.Future[Exception | None],
    ) -> None:
        self._node = node
        self._connection = connection
        self._create = cast("Any", connection).create_session
        self._gone = gone
        self._closing = False
        self._slots = asyncio.Semaphore(_CHANNELS)
        self._sweeping = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._starting = 0
        self._numbers = itertools.count(1)
        self._signals_refused = False
        self.opened: set[_Channel] = set()
        self._opened_ever = 0
        # Commands that run, in the order in which the node confirmed their start.
        self.living: list[_Channel] = []

    def has_opened(self, channel: _Channel) -> None:
        """Note that the node has granted a channel."""
        self.opened.add(channel)
        self._opened_ever += 1

    def next_number(self) -> int:
        """Count the commands in the order of their start."""
        return next(self._numbers)

    @property
    def node(self) -> Node:
        """The node that this session reaches."""
        return self._node

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command`; see Session."""
        async with self._slots:
            channel = await self._start(command, sink)
            feeder = asyncio.create_task(_feed(channel, stdin))
            feeder.add_done_callback(lambda task: _check_feeder(task, channel))
            try:
                await channel.done
            except asyncio.CancelledError:
                channel.outlet.fail(asyncio.CancelledError())
                raise
            finally:
                feeder.cancel()
                await self._settle(channel)
            if channel.outlet.error is not None:
                raise channel.outlet.error
            if channel.lost and self._connection.is_closed():
                raise await self.lost()
            return channel.exit or Exit()

    async def signal(self, name: SignalName) -> None:
        """Signal all commands; see Session."""
        channels = list(self.living)
        if not channels:
            return
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(_CLOSE_S):
                taken = await asyncio.gather(*(self._request(c, name) for c in channels))
                if not all(taken):
                    async with self._sweeping:
                        await self._script(sweep.script(name))

    async def lost(self) -> NodeLostError:
        """Wait for the end of the connection; see Session."""
        error = await asyncio.shield(self._gone)
        reason = "closed" if self._closing else explain_loss(error)
        return NodeLostError(self._node.name, reason)

    async def aclose(self) -> None:
        """Close the connection; see Session."""
        try:
            if self._tasks:  # kills under way: without the connection they would be lost
                await asyncio.wait(self._tasks, timeout=_KILLED_S)
        finally:
            self._closing = True
            for task in list(self._tasks):
                task.cancel()
            self._connection.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.wait_closed()
        except TimeoutError:
            self._connection.abort()

    async def _start(self, command: Command, sink: Sink) -> _Channel:
        """Open a channel and run the command; a cancel leaves nothing running."""
        channel = _Channel(self, sink)
        opening = self._spawn(self._open(channel, command))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            channel.outlet.fail(asyncio.CancelledError())
            await asyncio.wait([opening], timeout=_KILL_S)
            if opening.done():  # perhaps it was before it could see that nobody wants it
                await self._settle(channel)
            raise
        return channel

    async def _open(self, channel: _Channel, command: Command) -> None:
        line = command.line.encode("utf-8", "surrogateescape") or b" "  # b"" would be a shell
        self._starting += 1
        refusals = 0
        try:
            while channel.outlet.error is None:
                try:
                    await self._create(
                        lambda: channel,
                        line,
                        request_pty="force" if command.tty else False,
                        term_type="xterm-256color" if command.tty else None,
                        term_size=(command.columns, command.rows) if command.tty else None,
                    )
                    break
                except asyncssh.ChannelOpenError as error:
                    refusals += 1
                    await self._wait_for_room(refusals, error.reason)
        except (asyncssh.Error, OSError):
            raise await self.lost() from None
        finally:
            self._starting -= 1
        if channel.outlet.error is not None:  # cancelled meanwhile
            await self._settle(channel)

    async def _wait_for_room(self, refusals: int, reason: str) -> None:
        """MaxSessions is smaller here: one of the other commands must end first."""
        if self._connection.is_closed():
            raise await self.lost()
        if not self._opened_ever or (not self.opened and refusals > _REFUSALS):
            raise NodeError(self._node.name, f"the node refuses to run commands: {reason}")
        # sshd counts a session a little longer than we do, so this is tried again anyway.
        others: list[asyncio.Future[Any]] = [other.closed for other in self.opened]
        wait_s = min(_REFUSED_S * 2**refusals, _CLOSE_S)
        await asyncio.wait(
            others or [self._gone], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
        )

    async def _settle(self, channel: _Channel) -> None:
        """KILL what the channel still runs, for at most the time that a cancel may take."""
        if channel.closed.done() or channel not in self.opened:
            return
        killing = self._spawn(self._kill(channel))
        # Not before: what is no longer open counts as ended, and would not be killed.
        killing.add_done_callback(lambda _: channel.channel.abort())
        await asyncio.wait([killing], timeout=_KILL_S)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that goes on when its starter is cancelled, until `aclose`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _kill(self, channel: _Channel) -> None:
        if not await self._request(channel, "KILL"):
            await self._sweep(channel)
        await asyncio.wait([channel.closed])

    async def _request(self, channel: _Channel, name: SignalName) -> bool:
        """Ask sshd to signal a command; False when it refuses, as it does to root before 9.8."""
        if self._signals_refused:
            return False
        # asyncssh's own send_signal does not ask for an answer, and a refusal is silent then.
        ask = channel.channel._make_request  # noqa: SLF001 - there is no other way to be answered
        try:
            taken = await ask(b"signal", String(name))
        except (asyncssh.Error, OSError):
            return True  # the connection is gone
        if channel not in self.living:
            return True
        self._signals_refused = not taken
        return bool(taken)

    async def _sweep(self, channel: _Channel) -> None:
        """KILL one command by a script of our own, see clsh.remote.sweep."""
        refusals = 0
        async with self._sweeping:
            while channel in self.living:
                alone = self.living == [channel] and not self._starting
                try:
                    done = await self._script(sweep.script("KILL") if alone else sweep.listing())
                    if alone or channel not in done.older:
                        return
                    place, count = done.older.index(channel), len(done.older)
                    pid = sweep.pick(sweep.parse(done.output), place, count)
                    if pid is not None:
                        await self._script(sweep.script("KILL", pid))
                        return
                except asyncssh.ChannelOpenError as error:
                    refusals += 1
                    await self._wait_for_room(refusals, error.reason)

    async def _script(self, line: str) -> _Done:
        """Run a script of our own; raises ChannelOpenError when sshd has no room for it."""
        collector = _Collector()
        channel = _Channel(self, collector)
        await self._create(lambda: channel, line, request_pty=False)
        channel.channel.write_eof()
        await channel.done
        older = [other for other in self.living if other.number < channel.number]
        return _Done(bytes(collector.output), older)


async def _feed(channel: _Channel, stdin: AsyncIterator[bytes] | None) -> None:
    if stdin is not None:
        async for data in stdin:
            await channel.writable.wait()
            if channel.channel.is_closing():
                return
            channel.channel.write(data)
        await channel.writable.wait()
    channel.channel.write_eof()


def _check_feeder(task: asyncio.Task[None], channel: _Channel) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        channel.outlet.fail(error)
