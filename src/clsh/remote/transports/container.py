"""Containers as nodes: `podman exec` or `docker exec`, as the Node's option `engine` says.

Killing the engine's client leaves the command running inside. So each command is marked by
a variable of its environment (CLSH_RUN), by which a script inside the container finds and
signals it. The container needs a POSIX sh, and for that sed, tr and grep.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from typing import TYPE_CHECKING, Any

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.remote.transports._child import Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from clsh.nodes.model import Node
    from clsh.remote.transport import (
        Command,
        Exit,
        Session,
        SignalName,
        Sink,
        Stream,
        Transport,
        TransportOptions,
    )

_KILL_S = 0.3
_CLOSE_S = 1.0
_RETRIES_S = (0.0, 0.1, 0.3, 1.0)
# From this status on it may be the engine that speaks, for a container that is gone.
_ENGINE_STATUS = 125
_READY = b"clsh-ready\n"
# podman may drop the last output of a command that ends while its input is still coming.
_WITH_INPUT = 'sh -c "$1"; s=$?; sleep 0.1 || sleep 1; exit $s'
# It ends when we close its input, or with the container: then the node is lost.
_WATCH = "echo clsh-ready; exec cat"
# $1 is the mark, $2 the signal. What `exec` started leads a session and has no parent in
# the container (field 4 of /proc/PID/stat is 0); what left that session goes on.
# (busybox grep would stop at the first NUL of environ.)
_SIGNAL = r"""
for c in $(sed -n 's/^\([0-9]*\) (.*) [A-Za-z] 0 .*/\1/p' /proc/[0-9]*/stat); do
  tr '\0' '\n' </proc/$c/environ | grep -q "^CLSH_RUN=$1" || continue
  echo found
  for g in $(sed -n "s/^[0-9]* (.*) [A-Za-z] [0-9]* \([0-9]*\) $c .*/\1/p" /proc/[0-9]*/stat |
    sort -u); do kill -$2 -$g; done
done 2>/dev/null
"""


def build(options: TransportOptions) -> Transport:  # noqa: ARG001 - all transports are built alike
    """Make the transport; it has no options."""
    return ContainerTransport()


class ContainerTransport:
    """Opens sessions in containers that run on this machine's engine."""

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Enter the container; see Transport."""
        session = ContainerSession(node)
        try:
            async with asyncio.timeout(deadline_s):
                await session.enter()
        except TimeoutError:
            raise UnreachableError(node.name, f"timed out after {deadline_s:g} s") from None
        return session

    async def aclose(self) -> None:
        """See Transport; there is nothing to release."""


class _Buffer:
    """A sink that keeps the beginning of what comes, and tells when `_READY` was there."""

    def __init__(self) -> None:
        self.kept: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self.ready = asyncio.Event()

    def write(self, stream: Stream, data: bytes) -> None:
        self.kept[stream] = (self.kept[stream] + data)[:4096]
        if self.kept["stdout"].startswith(_READY):
            self.ready.set()


class ContainerSession:
    """Commands in one container; a process in it (`cat`) tells when the container is gone."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._engine = node.options.get("engine", "podman")
        self._mark = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._children: set[Child] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = asyncio.Event()
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watching: asyncio.Task[None] | None = None

    @property
    def node(self) -> Node:
        """The node that this session reaches."""
        return self._node

    @property
    def _commands(self) -> str:
        return f"{self._mark}-run."

    async def enter(self) -> None:
        """Start what watches the container; raises UnreachableError."""
        buffer = _Buffer()
        mark = f"{self._mark}-watch."
        argv = self._argv(mark, "sh", "-c", _WATCH)
        child = Child(buffer)
        try:
            await child.start(argv, feed=True)
        except FileNotFoundError:
            raise UnreachableError(
                self._node.name,
                f"{self._engine} is not installed on this machine",
                hint=f"install {self._engine}, or name the node without {self._engine}://",
            ) from None
        self._watching = self._spawn(self._watch(child, buffer))
        ready = asyncio.create_task(buffer.ready.wait())
        try:
            await asyncio.wait([self._watching, ready], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._bounded(self._kill(mark))
            await self._drop()
            raise
        finally:
            ready.cancel()
        if not buffer.ready.is_set():
            raise UnreachableError(self._node.name, self._gone.result())

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command`; see Session."""
        if self._gone.done():
            raise await self.lost()
        mark = f"{self._commands}{next(self._numbers)}."
        words: tuple[str, ...] = ("sh", "-c", command.line)
        if stdin is not None and self._engine == "podman":
            words = ("sh", "-c", _WITH_INPUT, *words[::2])
        argv = self._argv(mark, *words, tty=command.tty)
        child = Child(sink)
        self._children.add(child)
        try:
            await child.start(
                argv, feed=stdin is not None, terminal=command if command.tty else None
            )
            how = await child.run(stdin)
        except BaseException:
            await self._bounded(self._kill(mark))
            raise
        finally:
            if child.over:  # what was killed a moment ago may not be
                self._children.discard(child)
        if how.code >= _ENGINE_STATUS:
            await asyncio.wait([self._gone], timeout=_KILL_S)
            if self._gone.done():
                raise await self.lost()
        return how

    async def signal(self, name: SignalName) -> None:
        """Signal all commands; see Session."""
        if self._children and not self._gone.done():
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._signal_inside(self._commands, name)

    async def lost(self) -> NodeLostError:
        """Wait for the end of the container or of the session; see Session."""
        return NodeLostError(self._node.name, await asyncio.shield(self._gone))

    async def aclose(self) -> None:
        """Leave the container; see Session."""
        self._end("closed")
        error = await self.lost()
        for child in list(self._children):
            child.fail(error)
        await asyncio.sleep(0)  # so that each command begins to be killed
        killing = self._tasks - {self._watching}
        if killing:
            await asyncio.wait(killing, timeout=_KILL_S)
        self._closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_KILL_S)
        await self._drop()

    async def _drop(self) -> None:
        """End what is still under way on this machine."""
        for task in self._tasks:
            task.cancel()
        ends = [asyncio.create_task(child.wait()) for child in self._children]
        if left := {*self._tasks, *ends}:
            await asyncio.wait(left, timeout=_KILL_S)
        for task in ends:
            task.cancel()

    def _argv(self, mark: str, *words: str, tty: bool = False) -> list[str]:
        argv = [self._engine, "exec", "-it" if tty else "-i", "-e", f"CLSH_RUN={mark}"]
        if self._engine == "podman":
            argv.append("--detach-keys=")  # or else two bytes of a binary stdin detach it
        if self._node.user is not None:
            argv += ["--user", self._node.user]
        return [*argv, self._node.host, *words]

    async def _watch(self, child: Child, buffer: _Buffer) -> None:
        await child.run(self._until_closing())
        said = buffer.kept["stderr"].decode(errors="replace").strip().splitlines()
        stopped = "the container stopped"
        self._end(stopped if buffer.ready.is_set() or not said else _in_words(said[-1]))

    async def _until_closing(self) -> AsyncIterator[bytes]:
        await self._closing.wait()
        return
        yield b""

    def _end(self, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)

    async def _kill(self, mark: str) -> None:
        """KILL what is marked; it may only be about to start, so this is tried again."""
        for delay_s in _RETRIES_S:
            await asyncio.sleep(delay_s)
            if self._watching is None or self._watching.done():
                return  # with the container
            if await self._signal_inside(mark, "KILL"):
                return

    async def _signal_inside(self, mark: str, name: SignalName) -> bool:
        buffer = _Buffer()
        argv = self._argv("", "sh", "-c", _SIGNAL, "sh", mark, name)
        child = Child(buffer)
        await child.start(argv, feed=False)
        await child.run(None)
        return bool(buffer.kept["stdout"])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wait([self._spawn(work)], timeout=_KILL_S)


def _in_words(error: str) -> str:
    if "no such container" in error.lower():
        return "name not known: there is no such container"
    if "not running" in error or "state improper" in error:
        return "the container is not running"
    return error.removeprefix("Error: ")
