"""Run a command for a message: facts as variables, JSON on its standard input."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.nodes.model import Node, node_name
from clsh.remote.quoting import quote, with_environment
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clsh.monitor.notify.message import Message
    from clsh.monitor.settings import Program
    from clsh.remote.transport import Stream, Transport

TIMEOUT_S = 30.0
_KEPT = 500
# A transport keeps sessions by name, so this one must not be that of a node.
_HERE = Node(node_name("_this_machine"), "localhost", transport="local")


class _Tail:
    """Keeps the end of what a command says."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Stream, data: bytes) -> None:  # noqa: ARG002 - both are kept
        self.data = (self.data + data)[-_KEPT:]


async def send(channel: Program, message: Message, here: Transport) -> None:
    """Run the command for an alert; raises as `run` does."""
    await run(channel, message.environment(), message.as_json(), here)


async def run(channel: Program, environment: Mapping[str, str], text: str, here: Transport) -> None:
    """Run the command on this machine; raises OSError when it fails or takes too long.

    `text` is its standard input.
    """
    tail = _Tail()
    line = with_environment(quote(channel.argv), environment)
    session = await here.open(_HERE, TIMEOUT_S)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            ended = await session.run(Command(line), tail, _once(text.encode()))
    except TimeoutError as error:
        raise OSError(f"it took longer than {TIMEOUT_S:g} s") from error
    finally:
        await session.aclose()
    if ended.code:
        said = tail.data.decode(errors="replace").strip()
        raise OSError(f"it ended with {ended.code}{': ' * bool(said)}{said}")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
