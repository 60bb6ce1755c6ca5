"""A manager for `cl` to ask: HTTP over the Unix socket, answers from a table."""

from __future__ import annotations

import json
import socketserver
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from clsh.cli import client
from tests.unit.cli.monitoring.samples import process

if TYPE_CHECKING:
    from typing import Self

ROW = {
    "name": "node1", "cluster": "lab", "state": "up", "reason": "", "cores": 4, "load_one": 0.5,
    "cpu_busy": 12.0, "memory_used": 2**31, "memory_total": 2**32, "disk_free_percent": 5.0,
    "bytes_in": 1024.0, "bytes_out": 2048.0, "disk_read": 0.0, "disk_write": 1e6,
}  # fmt: skip
LOST = {"name": "node2", "cluster": "lab", "state": "lost", "reason": "connection\x1b[2J lost"}
RANGE = {
    "start": 1.7e9,
    "step": 60.0,
    "series": [
        {
            "cluster": "lab",
            "node": "node1",
            "metric": "load_one",
            "units": "",
            "average": [1.0, None, 3.0],
            "low": [0.5, None, 3.0],
            "high": [2.0, None, 4.0],
        }
    ],
}
METRICS = [
    {"name": "cpu_idle", "value": 88.0, "units": "%", "title": "CPU idle", "group": "cpu"},
    {"name": "mem_free", "value": 2.0**30, "units": "bytes", "title": "", "group": "memory"},
    {"name": "os_name", "value": "Li\x1b[2Jnux", "units": "", "title": "", "group": "memory"},
]
ALERT = {
    "rule": "disk", "cluster": "lab", "node": "node1", "metric": "disk_free_percent", "value": 5.0,
    "since": 1.7e9, "severity": "warning", "text": "below 10 %",
}  # fmt: skip


class FakeManager:
    """Answers by path; `asked` are the paths with their parameters, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {
            "/healthz": {"ok": True},
            "/api/v1/nodes": {"nodes": [ROW, LOST]},
            "/api/v1/clusters/lab/nodes/node1": {"metrics": METRICS},
            "/api/v1/processes": {
                "processes": [
                    asdict(process(pid=7, cpu=3.5, command="work\x1b]0;evil\x07")),
                    asdict(process(pid=8, cpu=99.0, command="노드 work")),
                ],
                "silent": [{"node": "node2", "reason": "connection lost"}],
            },
            "/api/v1/range": RANGE,
            "/api/v1/alerts": {"alerts": [ALERT]},
        }
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    def __enter__(self) -> Self:
        path = client.socket_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                manager.asked.append((unquote(url.path), parse_qs(url.query)))
                answer = manager.answers.get(url.path)
                self.send_response(404 if answer is None else 200)
                text = json.dumps(answer or {"error": f"no {url.path}"}).encode()
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def address_string(self) -> str:
                return "cl"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Say nothing."""

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        self._server = Server(str(path), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        client.socket_path().unlink()
