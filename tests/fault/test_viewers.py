"""200 live viewers and one that does not read: the others notice nothing, memory stays flat."""

from __future__ import annotations

import asyncio
import json
import socket
import time
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
_ROUNDS = 12
_PACE_S = 0.35
_SLOW_S = 1.0
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
    """A viewer of the grid that notes when each version came."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line
        self.came: dict[int, float] = {}

    async def watch(self) -> None:
        await self.line.send('{"page": "grid", "metric": "load_one"}')
        with suppress(ConnectionClosed):
            async for message in self.line:
                now = time.perf_counter()
                self.came[json.loads(message)["version"]] = now


async def change_all(monitor: Any, number: int) -> tuple[int, float]:
    """Let every node tell something new; returns the version and when."""
    for place in range(_NODES):
        tell(monitor, f"node{place}", load_one=float(number + place % 7))
    return monitor.grid.version, time.perf_counter()


async def test_a_slow_viewer_is_dropped_and_the_others_notice_nothing() -> None:
    monitor = a_monitor({"red": [f"node{n}" for n in range(_NODES)]})
    live = Live(monitor, pace_s=_PACE_S / 2, slow_s=_SLOW_S)
    stopping = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve.serve(an_app(monitor, live=live), [listener], stopping))
    watchers = [
        Watcher(await connect(f"ws://127.0.0.1:{port}/live", compression=None))
        for _ in range(_VIEWERS)
    ]
    watching = [asyncio.create_task(one.watch()) for one in watchers]
    await change_all(monitor, 0)
    await asyncio.sleep(0.5)
    deaf = await deaf_viewer(port)
    await asyncio.sleep(0.1)
    assert live.viewers == _VIEWERS + 1
    told: dict[int, float] = {}
    before = 0
    for number in range(1, _ROUNDS + 1):
        version, at = await change_all(monitor, number)
        told[version] = at
        await asyncio.sleep(_PACE_S)
        before = before or memory()
    await asyncio.sleep(0.5)
    grown = memory() - before
    delays = sorted(one.came[version] - at for one in watchers for version, at in told.items())

    assert live.viewers == _VIEWERS, "the one that does not read is gone"
    assert len(delays) == _VIEWERS * _ROUNDS
    assert delays[len(delays) * 99 // 100] < 0.25
    assert grown < 8 * 2**20

    stopping.set()
    async with asyncio.timeout(5):
        await serving
        await asyncio.gather(*watching)
    assert live.viewers == 0
    deaf.close()
    for one in watchers:
        await one.line.close()
