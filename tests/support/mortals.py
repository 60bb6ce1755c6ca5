"""A real manager over the demo's nodes that is killed and started again, and who submits to it.

What really ran is read from a ledger on the nodes: a line of each start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsh.base.errors import ClshError
from clsh.jobs.forms import asking
from tests.support.manager import CL, Person, eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from tests.support.demo import Demo

LONGEST_S = 100.0
_IDLE_S = 900.0  # longer than any test lasts
_TOGETHER = 7
_OVER = ("done", "failed", "cancelled")
_ROOT = Path(__file__).parents[2]

CONFIG = """
[manager]
listen = "127.0.0.1:0"
[monitor]
interval = 60
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
[shell]
keepalive = {keepalive:g}
keepalive_count = 2
[jobs]
spool = "/var/lib/clsh-faults"
[jobs.slots]
"node[1-4]" = 16
"""

# One write of one line, by programs of the shell alone.
_RECORD = """read -r host </proc/sys/kernel/hostname
echo "$1 $CLSH_JOB_ID.$CLSH_TASK_ID $host $$" >>"$0/$host"
"""


class Mortal:
    """`cl up` in the foreground, in the network of the demo's head; `fault` as in `faulty`.

    A socket of its own is where `cl` of this process finds it.
    """

    def __init__(self, demo: Demo, home: Path, keepalive_s: float = 1.0) -> None:
        reach = demo.cluster.reach()
        config = reach.config.read_text() + CONFIG.format(keepalive=keepalive_s)
        self.person = Person(home, config)
        # What is killed leaves no coverage, and is slower for it.
        self.person.environ.pop("COVERAGE_PROCESS_CONFIG", None)
        self.log = home / "manager.log"
        self._before = reach.before
        self._process: subprocess.Popen[bytes] | None = None
        self._runtime = os.environ["XDG_RUNTIME_DIR"]

    def __enter__(self) -> Self:
        os.environ["XDG_RUNTIME_DIR"] = self.person.environ["XDG_RUNTIME_DIR"]
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.environ["XDG_RUNTIME_DIR"] = self._runtime
        self.person.close()

    def start(self, fault: str = "") -> None:
        """Begin a life; it answers a little later."""
        words = [sys.executable, "-m", "tests.support.faulty", fault] if fault else [CL]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, *words, "up", "--foreground"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.person.environ,
                cwd=_ROOT,
            )

    def kill(self) -> None:
        """End its life by SIGKILL, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def died(self) -> None:
        """Wait until it has died by itself."""
        assert self._process is not None
        assert self._process.wait(LONGEST_S) == -signal.SIGKILL
        self._process = None

    def ready(self) -> None:
        """Wait until it answers about jobs."""

        def takes() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            with contextlib.suppress(ClshError):
                asking.listing(limit=1)
                return True
            return False

        eventually(takes, LONGEST_S)

    def all_over(self, count: int, within_s: float = LONGEST_S) -> dict[str, dict[str, Any]]:
        """Wait until `count` jobs have ended, and return all jobs by their names."""

        def over() -> bool:
            states: dict[str, int] = asking.listing(limit=1)["states"]
            return sum(states.get(state, 0) for state in _OVER) >= count

        eventually(over, within_s)
        return stored()


def stored() -> dict[str, dict[str, Any]]:
    """Return all jobs that the manager knows, by name; each has a name of its own."""
    rows: list[dict[str, Any]] = []
    while True:
        found = asking.listing(limit=1000, offset=len(rows), sort="id")
        rows += found["jobs"]
        if len(rows) >= found["total"]:
            break
    named = {row["name"]: row for row in rows}
    assert len(named) == len(rows), "a key was stored twice"
    return named


class Ledger:
    """A directory that all nodes share; whoever starts there writes a line."""

    def __init__(self, demo: Demo, name: str) -> None:
        self._demo = demo
        self._folder = f"/shared/{name}"
        demo.on(demo.names[0], f"mkdir {self._folder}")

    def request(self, key: str, then: str = "", **more: object) -> dict[str, object]:
        """Return a job that says by its key that it runs, and does something then."""
        argv = ["sh", "-c", _RECORD + then, self._folder, key]
        return {"argv": argv, "name": key, "key": key, **more}

    def started(self) -> Counter[str]:
        """Return how often each key was started, on all nodes together."""
        text = self._demo.on(self._demo.names[0], f"cat {self._folder}/* 2>/dev/null || :")
        return Counter(line.split(" ", 1)[0] for line in text.splitlines())


class Clients:
    """Two that submit until all is acknowledged; a broken submission is made again.

    `allow` says how many of the requests may be submitted by now.
    """

    def __init__(self, requests: Sequence[Mapping[str, object]]) -> None:
        self.acknowledged: dict[str, int] = {}
        self.retries = 0
        self._requests = requests
        self._next = 0
        self._allowed = 0
        self._gate = threading.Condition()
        self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def allow(self, more: int) -> None:
        """Let some more be submitted."""
        with self._gate:
            self._allowed = min(len(self._requests), self._allowed + more)
            self._gate.notify_all()

    def finish(self) -> None:
        """Submit the rest."""
        self.allow(len(self._requests))
        ends = time.monotonic() + LONGEST_S
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        told, wanted = len(self.acknowledged), len(self._requests)
        assert told == wanted, f"{told} of {wanted} acknowledged"

    def _take(self) -> Sequence[Mapping[str, object]]:
        with self._gate:
            self._gate.wait_for(
                lambda: self._next < self._allowed or self._allowed == len(self._requests),
                _IDLE_S,
            )
            some = self._requests[self._next : min(self._next + _TOGETHER, self._allowed)]
            self._next += len(some)
            return some

    def _submit(self) -> None:
        while some := self._take():
            ids = self._insist(some)
            told = zip((str(one["key"]) for one in some), ids, strict=True)
            with self._gate:
                self.acknowledged.update(told)

    def _insist(self, some: Sequence[Mapping[str, object]]) -> list[int]:
        ends = time.monotonic() + LONGEST_S
        while True:
            try:
                return asking.submit(some)
            except ClshError:
                self.retries += 1
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)
