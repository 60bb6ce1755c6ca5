"""A manager as `cl up` starts it, over the nodes of the ground, and questions over its socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.contestant import LIMIT_S, until
from bench.jobs.ground import SLOTS
from clsh.demo import layer, processes
from clsh.manager import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.jobs.ground import Ground

_CL = Path(sys.executable).parent / "cl"
_ENDS_S = 10.0
_IDLE_S = 2.0
_GOOD = {"held", "pending", "running", "done"}
_CONFIG = """
[manager]
listen = "127.0.0.1:0"
[monitor]
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
[jobs.slots]
"{nodes}" = {slots}
"""


class Manager:
    """A manager that logs in to the nodes as `login`; its jobs are alice's.

    `name` is that of its directories; what was there is there again at the next start.
    """

    def __init__(self, ground: Ground, name: str, *, login: str, slots: int = SLOTS) -> None:
        self.ground = ground
        self.home = ground.folder / name
        self.home.mkdir(exist_ok=True)
        self._run = ground.root / name  # short: a socket's path is
        places = {node: (at, 22) for node, at in layer.addresses(ground.names).items()}
        config = self.home / "clsh.toml"
        nodes = ",".join(ground.names)
        config.write_text(
            layer.inventory(ground.access, login, places) + _CONFIG.format(nodes=nodes, slots=slots)
        )
        self.environ = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "CLSH_CONFIG": str(config),
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self._run),
        }

    @property
    def state(self) -> Path:
        """The directory of its files."""
        return self.home / "clsh"

    @property
    def pid(self) -> int:
        """Its pid, 0 when it does not run."""
        holder = state.holder(self.state)
        return holder.pid if holder else 0

    @property
    def socket(self) -> Path:
        """Where it listens for `cl`."""
        return self._run / "clsh/manager.sock"

    def cl(self, *words: str, before: Sequence[str] = ()) -> str:
        """Run `cl`, and return what it prints; SystemExit when it fails."""
        done = subprocess.run(
            [*before, _CL, *words],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        if done.returncode:
            raise SystemExit(f"bench: cl {words[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def start(self) -> None:
        """Start it; returns when it answers."""
        self.cl("up", before=self.ground.before)

    def ready(self) -> None:
        """Wait until all nodes take jobs: one on each has ended."""
        count = len(self.ground.names)
        with self.line() as line:
            for name in self.ground.names:
                line.submit([{"argv": ["true"], "nodes": [name]}])
            line.until_done(count)

    def kill(self) -> None:
        """End it with -9; what runs on the nodes goes on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order if it runs."""
        if self._end(signal.SIGTERM):
            self.kill()

    def _end(self, signum: signal.Signals) -> bool:
        """Signal it, wait for its end, and tell whether it is still there."""
        found = processes.find(self.pid)
        return bool(found and processes.end([found], signum, _ENDS_S))

    @contextlib.contextmanager
    def line(self) -> Iterator[Line]:
        """Return a connection to it that is kept."""
        line = Line(self.socket)
        try:
            yield line
        finally:
            line.close()


@contextlib.contextmanager
def running(ground: Ground, name: str, login: str, slots: int = SLOTS) -> Iterator[Manager]:
    """Start a manager whose nodes take jobs, and end it."""
    manager = Manager(ground, name, login=login, slots=slots)
    try:
        manager.start()
        manager.ready()
        yield manager
    finally:
        manager.stop()


class _Http(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(str(self._path))


class Line:
    """A connection to a manager that is kept as long as it is used; to the kernel root asks."""

    def __init__(self, path: Path) -> None:
        self._http = _Http(path)
        self._used = 0.0

    def close(self) -> None:
        self._http.close()

    def ask(self, path: str, body: object = None) -> bytes:
        """Return what it answers; SystemExit when it refuses."""
        status, data = self.answer(path, body)
        if status >= 400:
            raise SystemExit(f"bench: {path}: {status} {data[:300]!r}")
        return data

    def answer(self, path: str, body: object = None) -> tuple[int, bytes]:
        """Return the status and the text of what it answers; `path` may have a method before it."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {} if sent is None else {"Content-Type": "application/json"}
        if time.monotonic() - self._used > _IDLE_S:
            self._http.close()  # the manager may be about to do so
        method, _, path = path.rpartition(" ")
        self._http.request(method or ("GET" if sent is None else "POST"), path, sent, headers)
        answer = self._http.getresponse()
        data = answer.read()
        self._used = time.monotonic()
        return answer.status, data

    def submit(self, requests: Sequence[Mapping[str, object]]) -> list[int]:
        """Submit jobs of alice's at once, and return their numbers."""
        told = json.loads(self.ask("/api/v1/jobs", {"jobs": requests, "owner": "alice"}))
        numbers: list[int] = told["jobs"]
        return numbers

    def states(self) -> dict[str, int]:
        """Return how many jobs are in which state."""
        told: dict[str, dict[str, int]] = json.loads(self.ask("/api/v1/jobs?limit=1"))
        return told["states"]

    def running(self) -> int:
        """Return how many of the newest 1,000 jobs run: a job whose start is ordered does not."""
        told = json.loads(self.ask("/api/v1/jobs?limit=1000&state=running"))
        return sum(job["counts"].get("running", 0) for job in told["jobs"])

    def until_done(self, count: int) -> None:
        """Wait until so many jobs are done; SystemExit if one has ended in another way."""

        def are_done() -> bool:
            states = self.states()
            if set(states) - _GOOD:
                raise SystemExit(f"bench: not all jobs were done: {states}")
            return states.get("done", 0) >= count

        until(are_done, "not all jobs were done", 0.1)
