"""The web pages and the API of 1,000 nodes: server time, bytes, requests a second, viewers."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import table, viewers
from clsh.monitor.model import Sample
from clsh.monitor.service import Monitor
from clsh.monitor.settings import Settings
from clsh.monitor.store import StoreError
from clsh.nodes.model import Node, node_name
from clsh.web import topics
from clsh.web.app import build
from clsh.web.control import Control

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools
    from clsh.monitor.store import Store

_NODES = 1000
_HOST = b"localhost"
_PATHS = (
    "/", "/c/cluster", "/c/cluster/node0001", "/api/v1/grid", "/api/v1/clusters/cluster",
    "/api/v1/heat/cluster", "/metrics",
)  # fmt: skip


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the answers and the live viewers."""
    del tools
    yield asyncio.run(_measure(3 if quick else 15))
    yield viewers.lines(quick=quick)


def _no_store() -> Store:
    raise StoreError("the bench stores nothing")


def a_monitor() -> Monitor:
    """Return a monitor of 1,000 nodes that were heard."""
    names = [f"node{number:04}" for number in range(_NODES)]
    places = [("cluster", Node(node_name(name), name)) for name in names]
    monitor = Monitor(Settings(), places, _no_store, Path("/nonexistent"))
    for name in names:
        hear(monitor, name)
    return monitor


def hear(monitor: Monitor, name: str) -> None:
    """Let a node tell 30 new values."""
    numbers = {f"metric{place}": random.random() * 1e9 for place in range(25)}
    usual = {
        "load_one": random.random() * 20, "cpu_num": 16.0, "cpu_idle": random.random() * 100,
        "mem_total": 64e9, "mem_available": random.random() * 64e9,
    }  # fmt: skip
    monitor.grid.hear(Sample("cluster", name, monitor.clock.unix(), {**numbers, **usual}))


async def _ask(app: Any, path: str, **headers: str) -> tuple[int, bytes, bytes]:
    """Return status, tag and body."""
    given = [(b"host", _HOST), (b"accept-encoding", b"gzip")]
    scope = {
        "type": "http", "http_version": "1.1", "scheme": "http", "method": "GET", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8650),
        "headers": given + [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head = dict(sent[0]["headers"])
    return sent[0]["status"], head.get(b"etag", b""), b"".join(m["body"] for m in sent[1:])


async def _measure(turns: int) -> list[str]:
    monitor = a_monitor()
    control = Control("0", os.getpid(), time.time(), "localhost:8650", os.getuid(), lambda: None)
    rows: list[list[str]] = []
    for path in _PATHS:
        costs: list[float] = []
        body = b""
        app = build(monitor, control)
        for _ in range(turns):
            app = build(monitor, control)  # nothing kept: each answer is made
            begun = time.perf_counter()
            _, _, body = await _ask(app, path)
            costs.append(time.perf_counter() - begun)
        kept = await _rate(app, path, "")
        _, tag, _ = await _ask(app, path)
        same = await _rate(app, path, tag.decode())
        made = sorted(costs)[turns // 2]
        size = f"{len(body) / 1000:.1f} kB"
        rows.append([path, table.seconds(made), size, f"{kept:,.0f}/s", f"{same:,.0f}/s"])
    return table.lines(
        f"web: {_NODES:,} nodes, in one process without the network",
        ["answer", "made", "gzip", "kept", "304"],
        rows,
        *_ticks(monitor),
    )


async def _rate(app: Any, path: str, tag: str) -> float:
    count = 300
    begun = time.perf_counter()
    for _ in range(count):
        await (_ask(app, path, if_none_match=tag) if tag else _ask(app, path))
    return count / (time.perf_counter() - begun)


def _ticks(monitor: Monitor) -> Iterator[str]:
    """Yield the bytes of live messages; a second brings one in fifteen nodes."""
    for wish in (
        topics.Wish("grid", metric="load_one"),
        topics.Wish("cluster", "cluster", metric="load_one"),
        topics.Wish("node", "cluster", "node0001"),
    ):
        topic = topics.topic(monitor, wish)
        topic.refresh()
        seen = topic.version
        for number in range(0, _NODES, 15):
            hear(monitor, f"node{number:04}")
        begun = time.perf_counter()
        topic.refresh()
        text = topic.message(seen).encode()
        cost = time.perf_counter() - begun
        packed = len(gzip.compress(text))
        yield (
            f"live {wish.page}: {len(text):,} bytes a message ({packed:,} as gzip),"
            f" {cost * 1000:.1f} ms for all viewers"
        )
