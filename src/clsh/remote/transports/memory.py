"""Nodes that exist only here, for tests and dry runs; they can be told to fail in every way.

Each node runs a Program: a coroutine that reads stdin, writes output and returns a status.
`answer` makes the usual ones. Faults order what goes wrong and when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.remote.transport import Exit

if TYPE_CHECKING:
    from clsh.nodes.model import Node
    from clsh.remote.transport import Command, SignalName, Sink, Stream, TransportOptions


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with one node; the default is nothing.

    `refuse` is the reason why it cannot be reached, `open_s` how long connecting takes
    (`inf`: it hangs). The connection is lost after `lose_after_s` seconds, or when a command
    has written `lose_after_bytes` bytes (what goes over is cut off). After
    `stall_after_bytes` nothing more comes: it is lost `notice_s` later.
    """

    refuse: str = ""
    open_s: float = 0.0
    lose_after_s: float | None = None
    lose_after_bytes: int | None = None
    stall_after_bytes: int | None = None
    notice_s: float = 6.0


@dataclass(slots=True)
class Call:
    """One command on one node, as its Program sees it.

    `catch` is called with each signal; without it a signal ends the command, as KILL always
    does (the Program is cancelled).
    """

    node: Node
    command: Command
    stdin: AsyncIterator[bytes]
    write: Callable[[Stream, bytes], Awaitable[None]]
    catch: Callable[[SignalName], None] | None = None


Program = Callable[[Call], Awaitable[int]]


def answer(
    stdout: bytes = b"", stderr: bytes = b"", status: int = 0, delay_s: float = 0.0
) -> Program:
    """Make the Program that waits `delay_s`, writes what is given and ends with `status`."""

    async def program(call: Call) -> int:
        await asyncio.sleep(delay_s)
        for stream, data in (("stdout", stdout), ("stderr", stderr)):
            if data:
                await call.write("stderr" if stream == "stderr" else "stdout", data)
        return status

    return program


async def echo(call: Call) -> int:
    """The Program of a node that was told nothing: it prints the command line."""
    await call.write("stdout", call.command.line.encode(errors="surrogateescape") + b"\n")
    return 0


def build(options: TransportOptions) -> Memory:  # noqa: ARG001 - every transport is built alike
    """Make the transport whose nodes print the command line."""
    return Memory()


class Memory:
    """Nodes by name: `programs` and `faults` of those that differ from the default.

    `opened` counts the connections made, `sessions` holds those that are open, `ran` all
    commands as (node's name, line), in order.
    """

    def __init__(
        self,
        programs: Mapping[str, Program] | None = None,
        faults: Mapping[str, Faults] | None = None,
        default: Program = echo,
    ) -> None:
        self.programs = dict(programs or {})
        self.faults = dict(faults or {})
        self.default = default
        self.opened = 0
        self.sessions: set[MemorySession] = set()
        self.ran: list[tuple[str, str]] = []

    async def open(self, node: Node, deadline_s: float) -> MemorySession:
        """Connect, or fail as told; see Transport."""
        faults = self.faults.get(node.name, Faults())
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.sleep(faults.open_s)
        except TimeoutError:
            raise UnreachableError(node.name, f"timed out after {deadline_s:g} s") from None
        if faults.refuse:
            raise UnreachableError(node.name, faults.refuse)
        session = MemorySession(self, node, faults, self.programs.get(node.name, self.default))
        self.opened += 1
        self.sessions.add(session)
        return session

    async def aclose(self) -> None:
        """See Transport; there is nothing to release."""


@dataclass(eq=False, slots=True)
class _Running:
    """A command under way."""

    call: Call
    task: asyncio.Task[int] | None = None
    signal: SignalName | None = None
    written: int = 0

    def deliver(self, name: SignalName) -> None:
        if self.call.catch is not None and name != "KILL":
            self.call.catch(name)
        elif self.task is not None:
            self.signal = name
            self.task.cancel()


@dataclass(eq=False, slots=True)
class MemorySession:
    """One connection; `lose` ends it as a broken cable does."""

    transport: Memory
    node: Node
    faults: Faults
    program: Program
    _running: set[_Running] = field(default_factory=set[_Running])
    _lost: asyncio.Future[str] = field(init=False)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._lost = loop.create_future()
        if self.faults.lose_after_s is not None:
            self._timer = loop.call_later(self.faults.lose_after_s, self.lose)

    def lose(self, reason: str = "the connection ended") -> None:
        """Break the connection; what runs on it raises NodeLostError."""
        if not self._lost.done():
            self._lost.set_result(reason)
            self.transport.sessions.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        for running in self._running:
            running.deliver("KILL")

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run the node's Program; see Session."""
        if self._lost.done():
            raise await self.lost()
        self.transport.ran.append((self.node.name, command.line))

        async def write(stream: Stream, data: bytes) -> None:
            await self._write(running, sink, stream, data)

        call = Call(self.node, command, stdin or _nothing(), write)
        running = _Running(call)
        running.task = asyncio.ensure_future(_status(self.program, call))
        self._running.add(running)
        try:
            status = await running.task
        except asyncio.CancelledError:
            if running.signal is None:  # it is we who are cancelled
                raise
            if self._lost.done():
                raise await self.lost() from None
            return Exit(signal=running.signal)
        finally:
            running.task.cancel()
            self._running.discard(running)
        return Exit(status=status)

    async def _write(self, running: _Running, sink: Sink, stream: Stream, data: bytes) -> None:
        lose, stall = self.faults.lose_after_bytes, self.faults.stall_after_bytes
        limit = min((n for n in (lose, stall) if n is not None), default=None)
        over = limit is not None and running.written + len(data) >= limit
        if over and limit is not None:
            data = data[: limit - running.written]
        running.written += len(data)
        if data and (room := sink.write(stream, data)) is not None:
            await room
        if over:
            if limit == stall:
                await asyncio.sleep(self.faults.notice_s)
                self.lose("no answer from the node")
            else:
                self.lose()
            await asyncio.Event().wait()

    async def signal(self, name: SignalName) -> None:
        """Signal all commands; see Session."""
        for running in list(self._running):
            running.deliver(name)

    async def lost(self) -> NodeLostError:
        """Wait for the end of the connection; see Session."""
        return NodeLostError(self.node.name, await asyncio.shield(self._lost))

    async def aclose(self) -> None:
        """Close; see Session."""
        self.lose("closed")


async def _status(program: Program, call: Call) -> int:
    return await program(call)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
