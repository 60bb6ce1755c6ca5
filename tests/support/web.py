"""The web application around a real grid, asked without a network."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from clsh.monitor.model import Sample
from clsh.monitor.service import Monitor
from clsh.monitor.settings import Settings
from clsh.monitor.store import StoreError
from clsh.nodes.model import Node, node_name
from clsh.web.app import build
from clsh.web.control import Control

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp

    from clsh.monitor.store import Store
    from clsh.web.live import Live

TOKEN = "a-token-that-is-only-for-tests"
TOKEN_DIGEST = "sha256:1911cc37dacf650cf0041488cfd188a0708f0b06f80295ed6ec467854c811bed"
HOST = "127.0.0.1:8650"


def no_store() -> Store:
    raise StoreError("no test opens one")


def a_monitor(nodes: Mapping[str, Sequence[str]] | None = None, **settings: Any) -> Monitor:
    """Return a monitor that hears what the test tells it, and nothing else."""
    given = {"push_tokens": (TOKEN_DIGEST,), **settings}
    places = [
        (cluster, Node(node_name(name), name))
        for cluster, names in (nodes or {"red": ["n1", "n2", "n10"]}).items()
        for name in names
    ]
    return Monitor(Settings(**given), places, no_store, Path("/nonexistent"))


def tell(monitor: Monitor, node: str, cluster: str = "red", **values: float | str) -> None:
    usual: dict[str, float | str] = {
        "load_one": 1.0, "cpu_num": 4.0, "cpu_idle": 75.0, "mem_total": 8e9, "mem_available": 6e9,
        "os_name": "Linux",
    }  # fmt: skip
    now = monitor.clock.unix()
    monitor.grid.hear(Sample(cluster, node, now, {**usual, **values}, address="10.0.0.1"))


def a_control(stopped: list[bool] | None = None, **facts: Any) -> Control:
    stop = stopped if stopped is not None else []
    given: dict[str, Any] = {
        "version": "1.2.3",
        "pid": os.getpid(),
        "started": 1e9,
        "listen": HOST,
        "owner_uid": 1234,
        "stop": lambda: stop.append(True),
        **facts,
    }
    return Control(**given)


def an_app(
    monitor: Monitor,
    control: Control | None = None,
    live: Live | None = None,
    jobs: Any = None,
) -> ASGIApp:
    return build(monitor, control or a_control(), live=live, pages=(), jobs=jobs)


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def text(self) -> str:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


@dataclass
class Browser:
    """Asks an app as a TCP client does, or as a process of `uid` on the Unix socket."""

    app: ASGIApp
    uid: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def scope(self, kind: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        where, _, query = path.partition("?")
        given = {"host": HOST, **self.headers, **headers}
        client = ("10.9.9.9", 40000) if self.uid is None else (f"uid:{self.uid}", 77)
        return {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "path": where,
            "raw_path": quote(where).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items() if v],
            "client": client,
            "server": ("127.0.0.1", 8650),
            "state": {},
        }

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Got:
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        scope = {**self.scope("http", path, given), "method": method}
        sent: list[Any] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return parts.pop() if parts else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head = cast("dict[str, Any]", sent[0])
        pairs = {k.decode().lower(): v.decode("latin-1") for k, v in head["headers"]}
        return Got(head["status"], pairs, b"".join(one["body"] for one in sent[1:]))
