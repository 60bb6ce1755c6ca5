"""A small TCP relay between a client and a server, for every way in which a link goes bad."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Relay:
    """Listens on `port` of `address` and passes everything on to the server, until told else.

    `cut` breaks all links, `stall` passes nothing on and closes nothing (a dead link),
    `halve(count)` breaks a link when `count` more bytes came from the server, `slow(rate)`
    passes at most `rate` bytes a second each way. Use it as an asynchronous context.
    """

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = 0
        self.accepted = 0
        self._server_port = port
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._moving = asyncio.Event()
        self._moving.set()
        self._left: int | None = None
        self._rate: float | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, self.address, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.cut()
        if self._links:
            await asyncio.wait(self._links)

    def cut(self) -> None:
        """Break every link at once, as a node that lost power and answers with a reset."""
        for writer in self._writers:
            writer.transport.abort()
        for link in self._links:
            link.cancel()

    def stall(self) -> None:
        self._moving.clear()

    def go_on(self) -> None:
        self._moving.set()

    def halve(self, count: int) -> None:
        self._left = count

    def slow(self, rate: float) -> None:
        self._rate = rate

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._link(reader, writer))
        self._links.add(task)
        task.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(self.address, self._server_port)
            self._writers.add(far)
            both = (self._pass(reader, far, far=False), self._pass(far_reader, writer, far=True))
            tasks = [asyncio.create_task(one) for one in both]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.close()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, far: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._moving.wait()
                if far and self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
                writer.write(data)
                await writer.drain()
                if self._left == 0:
                    return
