"""Serve the app over sockets that are open already, TCP and Unix alike, until told to stop.

What a Unix client says of itself is not read: the kernel tells whose process it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from clsh.base.errors import ConfigError
from clsh.web import security

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from starlette.types import ASGIApp

_LARGEST_HEAD = 32 * 1024
_LARGEST_LIVE_MESSAGE = 4096
_MOST_CONNECTIONS = 1024
_REQUEST_WITHIN_S = 20.0
_TAKEN_WITHIN_S = 20.0
_GONE_WITHIN_S = 0.5
_UNSENT = 64 * 1024  # bytes that the kernel holds for a viewer that does not read


class _Http(H11Protocol):
    """HTTP/1.1 that knows its Unix peers, and waits for nobody for ever.

    A request must be there in time, whole: after the connection was made, and after each
    answer. An answer that is not taken is the kernel's to notice.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        if peer := peer_of(transport):
            self.client = peer
            self.limit_concurrency = None  # strangers cannot keep the owner out
        elif hasattr(socket, "TCP_USER_TIMEOUT"):
            line: socket.socket = transport.get_extra_info("socket")
            wait_ms = int(_TAKEN_WITHIN_S * 1000)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait_ms)
        self._wait()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._in_time()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._in_time()
        self._late = self.loop.call_later(_REQUEST_WITHIN_S, self._too_late)

    def _in_time(self) -> None:
        if self._late:
            self._late.cancel()

    def _too_late(self) -> None:
        if not self.cycle or self.cycle.response_complete or self.cycle.more_body:
            self.transport.abort()


class _Live(WebSocketsSansIOProtocol):
    """A WebSocket that holds one unsent message, and that the app can break off."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = peer_of(self.transport) or self.client
        self.transport.set_write_buffer_limits(0)
        line: socket.socket = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT)
        self.app_state = {**self.app_state, "abort": self.transport.abort}

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # else each refusal is logged as a failure of ours

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(_GONE_WITHIN_S, self.transport.abort)


def peer_of(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """Return the client of a Unix socket as the kernel knows it, None for any other."""
    line: socket.socket | None = transport.get_extra_info("socket")
    if line is None or line.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return None
    held = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("iII", held)
    return security.peer(uid, pid)


class _Server(uvicorn.Server):
    """Leaves the signals to the manager, and speaks TLS where other machines listen in."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        given = sockets or []
        await super().startup([line for line in given if not needs_tls(line)])
        loop = asyncio.get_running_loop()
        for line in filter(needs_tls, given):
            self.servers.append(
                await loop.create_server(
                    self._protocol,
                    sock=line,
                    ssl=self._tls,
                    ssl_handshake_timeout=_REQUEST_WITHIN_S,
                    backlog=self.config.backlog,
                )
            )

    def _protocol(self) -> asyncio.Protocol:
        return _Http(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def needs_tls(line: socket.socket) -> bool:
    """Tell whether other machines reach a listening socket."""
    return line.family != socket.AF_UNIX and not security.is_loopback(line.getsockname()[0])


async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    stopping: asyncio.Event,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve `app` on listening sockets until `stopping` is set; closes the sockets.

    Running requests may end within a second, live viewers are told at once. A cancel breaks
    all connections off. What other machines reach is TLS by `tls`; raises ConfigError when
    there is such a socket and no `tls`.
    """
    for line in sockets:
        if tls is None and needs_tls(line):
            raise ConfigError(
                f"other machines would reach {line.getsockname()[0]}, over plain HTTP that"
                " anybody on the way can read and change"
            )
    config = uvicorn.Config(
        app,
        http=_Http,
        ws=_Live,
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,  # for debugging it writes all headers down, tokens too
        access_log=False,
        proxy_headers=False,  # else X-Forwarded-For could name a Unix peer
        server_header=False,
        timeout_graceful_shutdown=1,
        ws_max_size=_LARGEST_LIVE_MESSAGE,
        ws_per_message_deflate=False,  # costs more memory for each viewer than it saves
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    server = _Server(config, tls)
    try:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve(list(sockets)))
            told = group.create_task(stopping.wait())
            await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            told.cancel()
    finally:
        for listener in getattr(server, "servers", []):
            listener.close()
        for line in sockets:
            line.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
