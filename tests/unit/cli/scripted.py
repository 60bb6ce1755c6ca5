"""Nodes whose commands are Python functions, for tests of what becomes of their output."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clsh.remote.transport import Command, SignalName, Sink

Script = Callable[["Sink", "AsyncIterator[bytes] | None"], Awaitable[int]]


def node(name: str) -> Node:
    return Node(node_name(name), name)


def writes(stdout: bytes = b"", stderr: bytes = b"", status: int = 0, times: int = 1) -> Script:
    async def script(sink: Sink, stdin: AsyncIterator[bytes] | None) -> int:
        for stream, data in (("stdout", stdout), ("stderr", stderr)):
            for _ in range(times if data else 0):
                wait = sink.write(stream, data)  # type: ignore[arg-type]  # a name in a tuple
                if wait is not None:
                    await wait
                await asyncio.sleep(0)
        return status

    return script


async def sleeps(_sink: Sink, _stdin: AsyncIterator[bytes] | None) -> int:
    await asyncio.sleep(1000)
    return 0


async def echoes(sink: Sink, stdin: AsyncIterator[bytes] | None) -> int:
    if stdin is not None:
        async for data in stdin:
            sink.write("stdout", data)
    return 0


def loses(after: bytes) -> Script:
    async def script(sink: Sink, _: AsyncIterator[bytes] | None) -> int:
        sink.write("stdout", after)
        raise NodeLostError("it", "the link is down")

    return script


class _Session:
    def __init__(self, of: Node, script: Script, commands: list[Command]) -> None:
        self.node = of
        self._script = script
        self._commands = commands
        self._ends = asyncio.Event()

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        self._commands.append(command)
        work = asyncio.ensure_future(self._script(sink, stdin))
        ends = asyncio.ensure_future(self._ends.wait())
        try:
            await asyncio.wait([work, ends], return_when="FIRST_COMPLETED")
            return Exit(status=work.result()) if work.done() else Exit(signal="TERM")
        finally:
            work.cancel()
            ends.cancel()

    async def signal(self, name: SignalName) -> None:
        self._ends.set()

    async def lost(self) -> NodeLostError:
        await asyncio.sleep(1000)
        return NodeLostError(self.node.name, "closed")

    async def aclose(self) -> None:
        return


class Scripted:
    """A transport to nodes that run `scripts`; a name without one cannot be reached."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = scripts
        self.commands: list[Command] = []

    async def open(self, node: Node, deadline_s: float) -> _Session:
        script = self._scripts.get(node.name)
        if script is None:
            raise UnreachableError(node.name, "no route to host")
        return _Session(node, script, self.commands)

    async def aclose(self) -> None:
        return
