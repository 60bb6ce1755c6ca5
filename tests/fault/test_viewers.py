"""200 live viewers and one that does not read: the others notice nothing, memory stays flat."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from clsh.web import serve
from clsh.web.live import Live
from tests.support.web import a_monitor, an_app, tell

_VIEWERS = 200
_NODES = 300
_ROUNDS = 10
_PACE_S = 0.02
_SLOW_S = 1.0
_WITHIN_S = 10.0  # 0.07 s here; bench/viewers.py has the figure
_UPGRADE = (
    "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def memory() -> int:
    """Return the bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def deaf_viewer(port: int) -> socket.socket:
    """Return a viewer of a large page that never reads, with a small buffer."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", port))
    wish = json.dumps({"page": "cluster", "cluster": "red", "version": 0}).encode()
    # A client masks its frames (RFC 6455); a mask of zeros leaves them readable.
    frame = bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish
    await loop.sock_sendall(line, _UPGRADE.encode())
    assert b" 101 " in await loop.sock_recv(line, 1024)
    await loop.sock_sendall(line, frame)
    return line


class Watcher:
    """A viewer of the grid that takes part in waiting for a version."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line
        self.version = 0
        self.came = asyncio.Event()

    async def watch(self) -> None:
        await self.line.send('{"page": "grid", "metric": "load_one"}')
        with suppress(ConnectionClosed):
            async for message in self.line:
                self.version = json.loads(message)["version"]
                self.came.set()

    async def has(self, version: int) -> None:
        while self.version < version:
            await self.came.wait()
            self.came.clear()


def change_all(monitor: Any, number: int) -> None:
    """Let every node tell something new: the rows of all are 40 kB."""
    for place in range(_NODES):
        tell(monitor, f"node{place}", load_one=float(number + place % 7))


async def test_a_slow_viewer_is_dropped_and_the_others_notice_nothing() -> None:
    monitor = a_monitor({"red": [f"node{n}" for n in range(_NODES)]})
    live = Live(monitor, pace_s=_PACE_S, slow_s=_SLOW_S)
    stopping = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve.serve(an_app(monitor, live=live), [listener], stopping))
    address = f"ws://127.0.0.1:{port}/live"
    watchers = [
        Watcher(await connect(address, compression=None, ping_interval=None, proxy=None))
        for _ in range(_VIEWERS)
    ]
    watching = [asyncio.create_task(one.watch()) for one in watchers]
    deaf = await deaf_viewer(port)
    held: list[int] = []

    async def round_(number: int) -> None:
        change_all(monitor, number)
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.gather(*(one.has(monitor.grid.version) for one in watchers))
        held.append(memory())

    numbers = itertools.count()
    await round_(next(numbers))  # the kernel holds that much for the slow one
    assert live.viewers == _VIEWERS + 1
    for number in itertools.islice(numbers, _ROUNDS):
        await round_(number)
    async with asyncio.timeout(_SLOW_S + _WITHIN_S):
        while live.viewers > _VIEWERS:
            await round_(next(numbers))
    await round_(next(numbers))
    assert held[-1] - held[1] < 8 * 2**20, "nothing is kept for one that does not read"

    stopping.set()
    async with asyncio.timeout(_WITHIN_S):
        await serving
        await asyncio.gather(*watching)
    assert live.viewers == 0
    deaf.close()
    for one in watchers:
        await one.line.close()
