"""Sessions of the openssh transport, opened and closed again, and what commands say on them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from clsh.remote.transport import Command
from clsh.remote.transports import openssh

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.nodes.model import Node
    from clsh.remote.transport import Stream, TransportOptions
    from clsh.remote.transports.openssh import OpenSsh, OpenSshSession
    from tests.support.sshd import Sshd


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.stdout = b""
        self.stderr = b""
        self.some = asyncio.Event()

    def write(self, stream: Stream, data: bytes) -> None:
        setattr(self, stream, getattr(self, stream) + data)
        self.some.set()


@contextlib.asynccontextmanager
async def transport(options: TransportOptions) -> AsyncIterator[OpenSsh]:
    made = cast("OpenSsh", openssh.build(options))
    try:
        yield made
    finally:
        await made.aclose()


@contextlib.asynccontextmanager
async def opened(
    server: Sshd, node: Node | None = None, **fields: object
) -> AsyncIterator[OpenSshSession]:
    async with transport(server.options(**fields)) as made:
        yield cast("OpenSshSession", await made.open(node or server.node(), 10))


async def said(session: OpenSshSession, line: str, *, tty: bool = False) -> str:
    sink = Kept()
    await session.run(Command(line, tty=tty), sink)
    return sink.stdout.decode()
