"""200 live viewers of 1,000 nodes over TCP, with and without one that does not read.

The server is a process of its own. A delay is from when a change is known there to when a
viewer has its message; both ends read the machine's one monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect

from bench import measure, table
from clsh.web import serve
from clsh.web.app import build
from clsh.web.control import Control
from clsh.web.live import Live

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from clsh.monitor.service import Monitor

_VIEWERS = 200
_OF_A_CLUSTER = 50  # of them; the others look at the grid
_EVERY_S = 1.1  # each change finds the pace of one message a second at rest
_TAKES_S = 20.0
_WISHES = (
    '{"page": "cluster", "cluster": "cluster", "metric": "load_one", "version": 0}',
    '{"page": "grid", "metric": "load_one", "version": 0}',
)
_UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@dataclass(slots=True)
class _Told:
    """What the server knows at the end: when each version was there, viewers, memory."""

    versions: dict[int, float] = field(default_factory=dict[int, float])
    viewers: list[int] = field(default_factory=list[int])
    memory: list[int] = field(default_factory=list[int])


def lines(*, quick: bool) -> list[str]:
    """Return the table."""
    rounds = 7 if quick else 20
    rows = [_measured(rounds, deaf=deaf) for deaf in (False, True)]
    return table.lines(
        f"live: {_VIEWERS} viewers of 1,000 nodes, {rounds} changes of 67 nodes",
        ["delay", "p50", "p99", "most", "slow one dropped after", "server", "grown"],
        rows,
    )


def _measured(rounds: int, *, deaf: bool) -> list[str]:
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = listener.getsockname()[1]
        server = spawning.Process(target=_serve, args=(listener, theirs, rounds))
        server.start()
    theirs.close()
    try:
        told, delays = asyncio.run(_watch(port, ours, deaf=deaf))
    finally:
        server.terminate()
        server.join()
    expected = _VIEWERS * rounds
    if len(delays) < expected:
        raise RuntimeError(f"only {len(delays)} of {expected} messages came")
    dropped = sum(count > _VIEWERS for count in told.viewers) * _EVERY_S
    return [
        "one does not read" if deaf else "all read",
        *(table.seconds(delays[len(delays) * part // 100]) for part in (50, 99)),
        table.seconds(delays[-1]),
        f"{dropped:.0f} s" if deaf and told.viewers[-1] == _VIEWERS else "-",
        f"{told.memory[0] / 1e6:.0f} MB",
        f"{(told.memory[-1] - told.memory[0]) / 1e6:.1f} MB",
    ]


def _serve(listener: socket.socket, pipe: Connection, rounds: int) -> None:
    asyncio.run(_serving(listener, pipe, rounds))


async def _serving(listener: socket.socket, pipe: Connection, rounds: int) -> None:
    from bench.web import a_monitor

    monitor = a_monitor()
    live = Live(monitor)
    control = Control("0", os.getpid(), time.time(), "127.0.0.1:0", os.getuid(), lambda: None)
    listener.setblocking(False)
    app = build(monitor, control, live=live)
    web = asyncio.create_task(serve.serve(app, [listener], asyncio.Event()))
    await asyncio.to_thread(pipe.recv)
    told = _Told()
    for _ in range(rounds):
        _change(monitor)
        told.versions[monitor.grid.version] = time.monotonic()
        await asyncio.sleep(_EVERY_S)
        told.viewers.append(live.viewers)
        told.memory.append(measure.tree_memory(os.getpid()))
    pipe.send(told)
    await web


def _change(monitor: Monitor) -> None:
    """Hear what comes in a second of 1,000 nodes at 15 s."""
    from bench.web import hear

    for number in range(0, 1000, 15):
        hear(monitor, f"node{number:04}")


async def _watch(port: int, pipe: Connection, *, deaf: bool) -> tuple[_Told, list[float]]:
    """Return what the server told, and all delays in their order."""
    viewers = [await _viewer(port, number) for number in range(_VIEWERS)]
    came = [dict[int, float]() for _ in viewers]
    watching = [asyncio.create_task(_note(*one)) for one in zip(viewers, came, strict=True)]
    slow = await _deaf(port) if deaf else None
    await asyncio.sleep(2.0)
    pipe.send("begin")
    told: _Told = await asyncio.to_thread(pipe.recv)
    for task in watching:
        task.cancel()
    for one in viewers:
        one.transport.abort()
    if slow:
        slow.close()
    delays = [
        at - told.versions[version]
        for one in came
        for version, at in one.items()
        if version in told.versions
    ]
    return told, sorted(delays)


async def _viewer(port: int, number: int) -> ClientConnection:
    line = await connect(
        f"ws://127.0.0.1:{port}/live",
        compression=None,
        open_timeout=_TAKES_S,
        ping_interval=None,
        proxy=None,
    )
    await line.send(_WISHES[number >= _OF_A_CLUSTER])
    return line


async def _note(line: ClientConnection, came: dict[int, float]) -> None:
    async for message in line:
        at = time.monotonic()
        came[json.loads(message)["version"]] = at


async def _deaf(port: int) -> socket.socket:
    """Return a viewer of all rows that never reads, with a small buffer."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", port))
    await loop.sock_sendall(line, _UPGRADE)
    await loop.sock_recv(line, 1024)
    wish = _WISHES[0].encode()
    # A client masks its frames (RFC 6455); a mask of zeros leaves them readable.
    await loop.sock_sendall(line, bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)
    return line
