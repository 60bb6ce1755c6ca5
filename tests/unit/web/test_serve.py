"""The real server on real sockets: who is at the other end, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from clsh.base.errors import ConfigError
from clsh.web import serve
from clsh.web.live import Live
from tests.support.web import TOKEN, a_control, a_monitor, an_app, tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Served:
    """A server and how it is reached."""

    def __init__(self, path: Path, app: Any) -> None:
        self.path = str(path)
        self.lines = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self.port = self.lines[0].getsockname()[1]
        self.lines[1].bind(self.path)
        self.lines[1].listen()
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(serve.serve(app, self.lines, self.stopping))

    async def ask(self, text: str, *, unix: bool = False) -> tuple[int, str]:
        """Send a request as it is written; returns status and body."""
        line = (
            asyncio.open_unix_connection(self.path)
            if unix
            else asyncio.open_connection("127.0.0.1", self.port)
        )
        reader, writer = await line
        writer.write(text.replace("\n", "\r\n").encode())
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = await reader.read() if "close" in text else b""
        writer.close()
        return int(head.split()[1]), body.decode()

    async def get(self, path: str, *, unix: bool = False, more: str = "") -> tuple[int, str]:
        request = f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n{more}\n"
        return await self.ask(request, unix=unix)

    async def end(self) -> float:
        begun = time.perf_counter()
        self.stopping.set()
        async with asyncio.timeout(10):
            await self.task
        return time.perf_counter() - begun


@asynccontextmanager
async def serving(tmp_path: Path, app: Any) -> AsyncIterator[Served]:
    served = Served(tmp_path / "s", app)
    try:
        yield served
    finally:
        await served.end()


def stop_request(more: str = "") -> str:
    return f"POST /api/v1/stop HTTP/1.1\nHost: localhost\nConnection: close\n{more}\n"


async def test_one_app_over_both_sockets(tmp_path: Path) -> None:
    async with serving(tmp_path, an_app(a_monitor())) as served:
        for unix in (False, True):
            status, body = await served.get("/healthz", unix=unix)
            assert (status, json.loads(body)) == (200, {"ok": True})
    assert all(line.fileno() == -1 for line in served.lines)


async def test_the_owner_stops_it_over_the_unix_socket_and_nobody_over_tcp(
    tmp_path: Path,
) -> None:
    stopped: list[bool] = []
    app = an_app(a_monitor(), a_control(stopped, owner_uid=os.geteuid()))
    async with serving(tmp_path, app) as served:
        for more in ("", "X-Forwarded-For: uid:0\n", "Forwarded: for=uid:0\n"):
            status, _ = await served.ask(stop_request(more))
            assert status == 403
        assert stopped == []
        status, body = await served.ask(stop_request(), unix=True)
        assert status == 202
        assert json.loads(body)["stopping"] is True
        assert stopped == [True]


async def test_the_peer_is_the_process_at_the_other_end(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(tmp_path, app) as served:
        await served.get("/", unix=True)
        with pytest.raises(InvalidStatus):
            await unix_connect(served.path, "ws://localhost/")
        await served.get("/", more="X-Forwarded-For: uid:0\n")
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{served.port}/", proxy=None)
    assert seen[:2] == [(f"uid:{os.geteuid()}", os.getpid())] * 2
    assert [client[0] for client in seen[2:]] == ["127.0.0.1"] * 2


async def test_live_over_both_sockets(tmp_path: Path) -> None:
    monitor = a_monitor()
    tell(monitor, "n1")
    async with serving(tmp_path, an_app(monitor, live=Live(monitor, pace_s=0.01))) as served:
        address = f"ws://127.0.0.1:{served.port}/live"
        async with (
            connect(address, proxy=None) as one,
            unix_connect(served.path, "ws://localhost/live") as two,
        ):
            for viewer in (one, two):
                await viewer.send('{"page": "grid"}')
                assert json.loads(await viewer.recv())["up"] == 1
            await two.send('{"page": "cluster", "cluster": "%s"}' % ("x" * 5000))
            with pytest.raises(ConnectionClosed) as told:
                await two.recv()
            assert told.value.rcvd
            assert told.value.rcvd.code == 1009
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                address, additional_headers={"Origin": "http://evil.example.org"}, proxy=None
            )
        assert refused.value.response.status_code == 403


async def test_it_ends_soon_whatever_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = a_monitor({"red": [f"n{number}" for number in range(3000)]})
    tell(monitor, "n1")

    async def hang(cluster: Any, nodes: Any) -> list[Any]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(monitor, "processes", hang)
    async with serving(tmp_path, an_app(monitor)) as served:
        viewer = await connect(f"ws://127.0.0.1:{served.port}/live", proxy=None)
        await viewer.send('{"page": "grid"}')
        await viewer.recv()
        deaf = await _deaf(served.port)
        others = [
            _asking(served.port, text)
            for text in (
                b"",
                b"GET / HT",
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",  # is kept open
                b"GET /api/v1/processes HTTP/1.1\r\nHost: localhost\r\n\r\n",  # hangs
                b"GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n",  # does not read it
            )
        ]
        await served.get("/healthz")
        await asyncio.sleep(0.2)
        assert await served.end() < 5  # 1.2 s here: the hanging request has a second
        with pytest.raises(ConnectionClosed) as told:
            await viewer.recv()
        assert told.value.rcvd
        assert told.value.rcvd.code == 1012
        for line in (deaf, *others):
            line.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", served.port)


def _asking(port: int, text: bytes) -> socket.socket:
    """Return a connection on which this was said, and that nobody reads."""
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(text)
    return line


def _upgrade() -> bytes:
    return (
        b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )


async def _deaf(port: int) -> socket.socket:
    """Return a viewer that does not read the page of the cluster, which is large."""
    line = socket.create_connection(("127.0.0.1", port))
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, _upgrade())
    assert b" 101 " in await loop.sock_recv(line, 1024)
    await loop.sock_sendall(line, _frame(b'{"page": "cluster", "cluster": "red"}'))
    return line


async def test_who_does_not_read_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = a_monitor({"red": [f"n{number}" for number in range(3000)]})
    async with serving(tmp_path, an_app(monitor)) as served:
        deaf = await _deaf(served.port)
        await asyncio.sleep(0.2)
        await served.end()
        deaf.close()
    assert "timeout graceful shutdown exceeded" not in caplog.text


def _frame(text: bytes) -> bytes:
    """Return a client's frame (RFC 6455); a mask of zeros leaves it readable."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


async def test_a_cancel_breaks_everything_off(tmp_path: Path) -> None:
    served = Served(tmp_path / "s", an_app(a_monitor()))
    viewer = await connect(f"ws://127.0.0.1:{served.port}/live", proxy=None)
    served.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await served.task
    with pytest.raises(ConnectionClosed):
        await viewer.recv()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", served.port)


async def test_who_asks_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_REQUEST_WITHIN_S", 0.2)
    monitor = a_monitor()
    tell(monitor, "n1")
    async with serving(tmp_path, an_app(monitor, live=Live(monitor, pace_s=0.01))) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HT")
        viewer = await connect(f"ws://127.0.0.1:{served.port}/live", proxy=None)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        await viewer.send('{"page": "grid"}')  # this one has asked
        assert json.loads(await viewer.recv())["up"] == 1
        await viewer.close()


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("GET /healthz HTTP/1.1\nHost: localhost\n\n", "GET /hea"),
        (
            "POST /api/v1/metrics/red/n1 HTTP/1.1\nHost: localhost\nContent-Length: 9\n"
            f"Authorization: Bearer {TOKEN}\n\n",
            "room",
        ),
    ],
    ids=["the head of a second request", "a body"],
)
async def test_who_does_not_end_a_request_is_not_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    first: str,
    then: str,
) -> None:
    monkeypatch.setattr(serve, "_REQUEST_WITHIN_S", 0.5)
    async with serving(tmp_path, an_app(a_monitor())) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(first.replace("\n", "\r\n").encode())
        if first.startswith("GET"):
            await reader.readuntil(b"}")
        writer.write(then.encode())
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
    assert "failed" not in caplog.text, "whose client has left is no failure of ours"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
async def test_who_does_not_take_the_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_TAKEN_WITHIN_S", 0.3)
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 2**24, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async with serving(tmp_path, app) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await reader.read(1) == b"H"
        async with asyncio.timeout(20):
            await left.wait()
        writer.transport.abort()


async def test_strangers_cannot_keep_the_owner_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_MOST_CONNECTIONS", 3)
    async with serving(tmp_path, an_app(a_monitor())) as served:
        strangers = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]
        assert (await served.get("/healthz"))[0] == 503
        assert (await served.get("/healthz", unix=True))[0] == 200
        for _, writer in strangers:
            writer.close()


async def test_large_heads_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, an_app(a_monitor())) as served:
        status, _ = await served.get("/healthz", more=f"X: {'x' * 20_000}\n")
        assert status == 431
        endless = await served.ask(f"GET /healthz HTTP/1.1\nX: {'x' * 100_000}")
        assert endless[0] == 400


async def test_a_socket_that_other_machines_reach_is_not_served() -> None:
    """Also one that was handed over: the settings had no say in it."""
    with socket.socket(socket.AF_INET6) as line:
        line.bind(("::", 0))  # listens never
        with pytest.raises(ConfigError, match="over plain HTTP"):
            await serve.serve(an_app(a_monitor()), [line], asyncio.Event())


async def test_signals_are_left_to_the_manager(tmp_path: Path) -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM)
    async with serving(tmp_path, an_app(a_monitor())) as served:
        await served.get("/healthz")
        assert signal.getsignal(signal.SIGTERM) is before
