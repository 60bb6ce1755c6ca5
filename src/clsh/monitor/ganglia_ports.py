"""Answer as a gmond and a gmetad over TCP, for those in `trusted_hosts` only.

Others are closed without a byte. A whole document is made once a second at most and shared
by who asks meanwhile; readers are bounded in number, in time and in what they hold, so that
a slow one costs nobody else anything.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.monitor.ganglia import write
from clsh.monitor.ganglia.trusted import Trusted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from clsh.base.clock import Clock
    from clsh.monitor.grid import Grid
    from clsh.monitor.settings import Settings

    Answer = tuple[bytes, "Document"]
    Respond = Callable[[asyncio.StreamReader], Awaitable[Answer | None]]

_log = logging.getLogger(__name__)

READERS = 32  # at once, over all ports
DOCUMENTS = 4  # whole ones in memory at once, each about 10 MB for 1,000 nodes
FRESH_S = 1.0
ASK_WITHIN_S = 5.0
READ_WITHIN_S = 30.0
RETRY_S = 15.0

_LONGEST_LINE = 2048
_PIECE = 64 << 10
_GET = re.compile(r"GET (\S+)(?: HTTP/1\.[01])?", re.ASCII)
_HTTP = (
    b"HTTP/1.0 200 OK\r\nServer: clsh\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n"
)


async def serve(
    grid: Grid,
    settings: Settings,
    clock: Clock,
    trouble: Callable[[str], None] | None = None,
) -> None:
    """Answer at all three ports until cancelled; a port 0 is none.

    A port that is taken is told to `trouble` in words (else to the log) and tried again;
    `trouble("")` says that all are open.
    """
    trouble = trouble or _log_trouble
    answers = _Answers(grid, f"http://{settings.listen}/", clock)
    kinds = {
        settings.gmond_port: answers.gmond,
        settings.gmetad_port: answers.gmetad,
        settings.gmetad_query_port: answers.asked,
    }
    readers = _Readers(Trusted(settings.trusted_hosts))
    waiting = {port: answer for port, answer in kinds.items() if port}
    try:
        while True:
            troubles: list[str] = []
            for port, answer in list(waiting.items()):
                if failed := await readers.listen(settings.ganglia_listen, port, answer):
                    troubles.append(failed)
                else:
                    del waiting[port]
            trouble("; ".join(troubles))
            if not waiting:
                await asyncio.Event().wait()
            await asyncio.sleep(RETRY_S)
    finally:
        await readers.close()


def _log_trouble(text: str) -> None:
    if text:
        _log.warning("cannot answer as Ganglia: %s", text)


class Document:
    """Bytes that are sent to one reader or several; `readers` says how many have them."""

    def __init__(self, body: bytes, at: float) -> None:
        self.body = body
        self.at = at
        self.readers = 0


class _Kept:
    """Whole documents of one kind: made when the last one is old, shared by its readers."""

    def __init__(self, clock: Clock, make: Callable[[], Iterator[bytes]]) -> None:
        self._clock = clock
        self._make = make
        self._making = asyncio.Lock()
        self._documents: list[Document] = []

    async def get(self) -> Document:
        """Return a document of this second; an older one while slow readers hold too many."""
        async with self._making:
            last = self._documents[-1] if self._documents else None
            now = self._clock.steady()
            if last and now - last.at < FRESH_S:
                return last
            held = [one for one in self._documents if one.readers]
            if last and len(held) >= DOCUMENTS:
                return last
            made = await _made(self._make(), now)
            self._documents = [*held, made]
            return made


async def _made(pieces: Iterator[bytes], now: float) -> Document:
    """Join the pieces of a document; the event loop goes on in between."""
    made = bytearray()
    due = _PIECE
    for piece in pieces:
        made += piece
        if len(made) >= due:
            due = len(made) + _PIECE
            await asyncio.sleep(0)
    return Document(bytes(made), now)


class _Answers:
    """What each port answers: what comes first and a document, or None."""

    def __init__(self, grid: Grid, authority: str, clock: Clock) -> None:
        self._grid = grid
        self._authority = authority
        self._clock = clock
        self._gmond = _Kept(clock, lambda: write.gmond(grid, clock.unix()))
        self._gmetad = _Kept(clock, lambda: write.gmetad(grid, authority, clock.unix()))

    async def gmond(self, _: asyncio.StreamReader) -> Answer | None:
        return b"", await self._gmond.get()

    async def gmetad(self, _: asyncio.StreamReader) -> Answer | None:
        return b"", await self._gmetad.get()

    async def asked(self, stream: asyncio.StreamReader) -> Answer | None:
        """Read a line and answer it, in the form of HTTP when it is that of HTTP."""
        async with asyncio.timeout(ASK_WITHIN_S):
            line = (await stream.readline()).decode("iso-8859-1").strip()
        http = _GET.fullmatch(line)
        query = write.query(http[1] if http else line)
        if query is None:
            return None
        if query == write.ALL:
            document = await self._gmetad.get()
        else:
            now = self._clock.unix()
            pieces = write.gmetad(self._grid, self._authority, now, query)
            document = await _made(pieces, self._clock.steady())
        return (_HTTP if http else b""), document


class _Readers:
    """The connections of all ports: who may read, how many, and for how long."""

    def __init__(self, trusted: Trusted) -> None:
        self._trusted = trusted
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, respond: Respond) -> str:
        """Begin to answer at a port; return in words why that cannot be, "" when it can."""

        def connected(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername")
            if not peer or not self._trusted.allows(peer[0]) or len(self._tasks) >= READERS:
                writer.transport.abort()
                return
            task = asyncio.create_task(_answer(stream, writer, respond))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        try:
            opened = socket.create_server(
                (host, port),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                dualstack_ipv6=host == "::",
            )
        except OSError as error:
            return _refused(host, port, error)
        server = await asyncio.start_server(connected, sock=opened, limit=_LONGEST_LINE)
        self._servers.append(server)
        return ""

    async def close(self) -> None:
        """Close the ports and all connections."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _refused(host: str, port: int, error: OSError) -> str:
    """Return in words why a port cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return tr("port {port} on {host} is in use by another program", port=port, host=host)
    # What the library says of a bind names the address once more.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or str(error)
    return tr(
        "port {port} on {host} cannot be opened: {reason}", port=port, host=host, reason=reason
    )


async def _answer(
    stream: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond
) -> None:
    """Answer one reader; it is cut off when it takes too long, and may go at any time."""
    writer.transport.set_write_buffer_limits(high=_PIECE)
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            if answer := await respond(stream):
                await _send(writer, *answer)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):  # the last: its line is too long
        return
    finally:
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, begin: bytes, document: Document) -> None:
    document.readers += 1
    try:
        writer.write(begin)
        body = memoryview(document.body)
        for at in range(0, len(body), _PIECE):
            writer.write(body[at : at + _PIECE])
            await writer.drain()
    finally:
        document.readers -= 1
