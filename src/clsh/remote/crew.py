"""Kept shells on many nodes: opened together, told the same line, interrupted together.

A lost node is left out from then on, until `open` reaches it again; a shell that ended by
its own line (`exit 3`) is replaced by a new one on the same connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clsh.base.errors import ClshError, NodeLostError, UnreachableError
from clsh.remote.fanout import Outcome
from clsh.remote.kept_shell import KeptShell

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.fanout import Observer, State
    from clsh.remote.transport import Exit, Session, Sink, Stream, Transport

_CLOSE_S = 1.0


class Watcher(Protocol):
    """Who is told what happens when no line runs; called in the event loop."""

    def failed(self, outcome: Outcome) -> None:
        """Take note that a node could not be reached, or was lost."""
        ...

    def restarted(self, node: Node, ended: Exit) -> None:
        """Take note that the shell of a node ended and a new one took its place."""
        ...

    def idle(self, node: Node) -> Sink:
        """Return where goes what a node writes when no line runs."""
        ...


@dataclass(slots=True, eq=False)
class _Member:
    node: Node
    shell: KeptShell | None = None
    watch: asyncio.Task[None] | None = None
    busy: bool = False
    lost: Outcome | None = None


class _Nowhere:
    def write(self, stream: Stream, data: bytes) -> None: ...


class Crew:
    """The shells of `nodes`. `setup` is a line that each new shell runs before all others."""

    def __init__(
        self,
        transport: Transport,
        nodes: Sequence[Node],
        watcher: Watcher,
        *,
        window: int = 64,
        connect_timeout_s: float = 10.0,
        setup: str = "",
    ) -> None:
        self._transport = transport
        self._members = {node.name: _Member(node) for node in nodes}
        self._watcher = watcher
        self._window = window
        self._connect_timeout_s = connect_timeout_s
        self._setup = setup
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> list[str]:
        """The names of the nodes that a line would reach, in order."""
        return [name for name, member in self._members.items() if member.shell is not None]

    async def open(self) -> None:
        """Connect to the nodes that are not connected, `window` at once; the watcher is told
        of each that cannot be reached. A cancel keeps those that are connected by then.
        """
        room = asyncio.Semaphore(self._window)
        missing = [member for member in self._members.values() if member.shell is None]
        await asyncio.gather(*(self._open(member, room) for member in missing))

    async def run(
        self,
        line: str,
        names: Collection[str],
        observer: Observer,
        timeout_s: float | None = None,
    ) -> list[Outcome]:
        """Run a line on those of the nodes that are connected, all at once.

        What still runs after `timeout_s` is interrupted. A cancel KILLs the shells.
        """
        members = [
            member
            for name, member in self._members.items()
            if member.shell is not None and name in names
        ]
        return list(
            await asyncio.gather(*(self._run(m, line, observer, timeout_s) for m in members))
        )

    async def interrupt(self, *, now: bool = False) -> None:
        """End the line that runs, as Ctrl-C does; see KeptShell.interrupt."""
        shells = [m.shell for m in self._members.values() if m.busy and m.shell is not None]
        await asyncio.gather(*(shell.interrupt(now=now) for shell in shells))

    async def aclose(self) -> None:
        """End all shells and close all connections; never raises, takes 1.3 s at most."""
        for member in self._members.values():
            if member.watch is not None:
                member.watch.cancel()
        shells = [m.shell for m in self._members.values() if m.shell is not None]
        for member in self._members.values():
            member.shell = None
        await asyncio.gather(*map(_close, shells))
        if self._closing:
            await asyncio.wait(self._closing)

    async def _open(self, member: _Member, room: asyncio.Semaphore) -> None:
        async with room, contextlib.AsyncExitStack() as undo:
            try:
                session = await self._transport.open(member.node, self._connect_timeout_s)
                undo.push_async_callback(session.aclose)
                async with asyncio.timeout(self._connect_timeout_s):
                    member.shell = await self._start(session)
            except TimeoutError:
                reason = f"no shell within {self._connect_timeout_s:g} s"
                self._watcher.failed(Outcome(member.node, "unreachable", reason=reason))
            except (ClshError, OSError) as error:
                self._watcher.failed(_outcome(member.node, error))
            else:
                undo.pop_all()
                member.lost = None
                member.watch = asyncio.create_task(self._watch(member, session))

    async def _start(self, session: Session) -> KeptShell:
        shell = await KeptShell.start(session, self._watcher.idle(session.node))
        if self._setup:
            await shell.run(self._setup, _Nowhere())
        return shell

    async def _watch(self, member: _Member, session: Session) -> None:
        member.lost = _outcome(member.node, await session.lost())
        if not member.busy:
            self._drop(member, member.lost)

    def _drop(self, member: _Member, outcome: Outcome) -> None:
        """Do without a node from now on; the watcher is told unless a line runs on it."""
        if member.shell is None:
            return
        closing = asyncio.create_task(member.shell.session.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        member.shell = None
        if not member.busy:
            self._watcher.failed(outcome)

    async def _run(
        self, member: _Member, line: str, observer: Observer, timeout_s: float | None
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended: Exit | None = None
        state: State = "done"
        reason = ""
        member.busy = True
        try:
            sink = observer.opened(member.node)
            state, ended = await self._ask(member, line, sink, timeout_s)
        except (ClshError, OSError) as error:
            failed = _outcome(member.node, error)
            state, reason = failed.state, failed.reason
        outcome = Outcome(member.node, state, ended, loop.time() - began, reason)
        if state == "lost":
            self._drop(member, outcome)
        member.busy = False
        observer.ended(outcome)
        if member.lost is not None:
            self._drop(member, member.lost)  # just after its answer
        await self._revive(member)
        return outcome

    async def _ask(
        self, member: _Member, line: str, sink: Sink, timeout_s: float | None
    ) -> tuple[State, Exit]:
        await self._revive(member)
        shell = member.shell
        if shell is None:
            raise NodeLostError(member.node.name, "its shell is gone")
        if timeout_s is None:
            return "done", await shell.run(line, sink)
        running = asyncio.create_task(shell.run(line, sink))
        try:
            done, _ = await asyncio.wait([running], timeout=timeout_s)
            if done:
                return "done", running.result()
            await shell.interrupt()
            return "timeout", await running
        finally:
            running.cancel()

    async def _revive(self, member: _Member) -> None:
        """Start a new shell where the old one has ended."""
        shell = member.shell
        if shell is None or shell.ended is None:
            return
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                member.shell = await self._start(shell.session)
        except (ClshError, TimeoutError):
            self._drop(member, Outcome(member.node, "lost", reason="its shell ended"))
        else:
            self._watcher.restarted(member.node, shell.ended)


async def _close(shell: KeptShell) -> None:
    await shell.aclose()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await shell.session.aclose()


def _outcome(node: Node, error: ClshError | OSError) -> Outcome:
    state: State = "failed"
    if isinstance(error, UnreachableError):
        state = "unreachable"
    elif isinstance(error, NodeLostError):
        state = "lost"
    reason = getattr(error, "reason", "") or str(error)
    return Outcome(node, state, reason=reason, hint=getattr(error, "hint", ""))
