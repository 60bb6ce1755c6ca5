"""Managers for tests: one that only answers what it is told to, and real ones as processes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsh.cli import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CL = str(Path(sys.executable).with_name("cl"))

# This machine as the one node, a tick each second, and no port that others could want.
HERE = """\
[manager]
listen = "127.0.0.1:0"
[monitor]
interval = 1
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
[clusters.here]
nodes = "local://"
"""

STATUS: dict[str, Any] = {
    "version": "0",
    "pid": 4711,
    "started": 1_700_000_000.0,
    "uptime": 5.0,
    "listen": "127.0.0.1:8650",
    "grid": "grid",
    "up": 3,
    "lost": 0,
    "new": 0,
    "alerts": 0,
    "viewers": 2,
    "sources": [{"source": "procfs", "ok": True, "reason": "", "at": 0.0}],
    "store": {"trouble": "", "size": 2_500_000},
    "facts": {"store": "sqlite", "state": "/var/lib/clsh", "demo": "no"},
}


class Answering(HTTPServer):
    """A manager of which only the answers are real: `answers` has (status, body) by path."""

    address_family = socket.AF_UNIX

    def __init__(self, path: Path) -> None:
        self.answers: dict[str, tuple[int, object]] = {"/api/v1/status": (200, dict(STATUS))}
        self.asked: list[tuple[str, str, bytes]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), _Answer)  # type: ignore[arg-type]  # a path is its address

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


class _Answer(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.command, self.path, self.rfile.read(size)))
        status, body = self.server.answers.get(self.path, (404, {"error": "no such page"}))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@contextlib.contextmanager
def answering() -> Iterator[Answering]:
    """A manager that answers where `cl` of this process looks for one."""
    with Answering(client.socket_path()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Person:
    """Someone who types `cl ...`, with directories of their own; `close` ends what they left."""

    def __init__(self, home: Path, config: str = "", **environ: str) -> None:
        self.home = home
        # A short name: the path of a socket has at most 107 bytes.
        self.run = Path(tempfile.mkdtemp(prefix="clsh-"))
        self.address = ""
        self.seconds = 0.0
        home.mkdir(parents=True, exist_ok=True)
        (home / "clsh.toml").write_text(config)
        own = {
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": str(self.run),
            "CLSH_CONFIG": str(home / "clsh.toml"),
            "LC_ALL": "C.UTF-8",
            "PYTHONWARNINGS": "default",
        }
        self.environ = {**os.environ, **own, **environ}

    @property
    def state(self) -> Path:
        return self.home / "state/clsh"

    @property
    def socket(self) -> Path:
        return self.run / "clsh/manager.sock"

    def cl(self, *words: str, timeout: float = 50) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CL, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self.environ,
        )

    def up(self, *words: str) -> str:
        """Start the manager, and return the address that it tells."""
        done = self.cl("up", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @staticmethod
    def limits(pid: int) -> list[int]:
        """Return how many files a process may have open, soft and hard."""
        text = Path(f"/proc/{pid}/limits").read_text()
        line = next(line for line in text.splitlines() if line.startswith("Max open files"))
        return [int(word) for word in line.split()[3:5]]

    def kill(self, pid: int) -> None:
        """End a manager in the background by KILL, and wait until it is gone."""
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 10)
        os.close(handle)

    @contextlib.contextmanager
    def foreground(self, *before: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
        """Run it as a child of this process, by another `cl` when `before` names one."""
        words = [*(before or [CL]), "up", "--foreground"]
        with subprocess.Popen(
            words, stdin=subprocess.DEVNULL, env=self.environ, text=True, **more
        ) as manager:
            try:
                yield manager
            finally:
                manager.kill()

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.cl("status", "--json").stdout)
        return told

    def get(self, path: str) -> Any:
        """Ask over the Unix socket, in this process."""
        with _environment(self.environ):
            return client.get(path)

    def page(self, path: str = "/") -> str:
        """Return a web page."""
        connection = HTTPConnection(self.get("/api/v1/status")["listen"], timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def answers(self, within_s: float = 20) -> dict[str, Any]:
        """Wait until the manager answers."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                told: dict[str, Any] = self.get("/api/v1/status")
            except client.NoManagerError:
                assert time.monotonic() < deadline, "no manager answers"
                time.sleep(0.02)
            else:
                return told

    def close(self) -> None:
        """End the manager, and the demo when there is one."""
        demo = ["--demo"] if (self.run / "clsh/demo").exists() else []
        done = self.cl("down", *demo)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(self.run, ignore_errors=True)


@contextlib.contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    before = os.environ.get("XDG_RUNTIME_DIR", "")
    os.environ["XDG_RUNTIME_DIR"] = environ["XDG_RUNTIME_DIR"]
    try:
        yield
    finally:
        os.environ["XDG_RUNTIME_DIR"] = before


def eventually(true: Callable[[], bool], within_s: float) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s:g} s"
        time.sleep(0.1)
