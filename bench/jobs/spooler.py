"""task-spooler (`tsp`) as a contestant: one host, one process for each job that waits."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.contestant import LIMIT_S, Cpu, told_at, until
from bench.jobs.ground import NODES, SLOTS
from clsh.demo import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.jobs.ground import Ground

_ENDS_S = 5.0


class Spooler:
    """A server of tsp with as many slots as all nodes. A Contestant."""

    name = "tsp"
    count = 500

    def __init__(self, root: Path) -> None:
        self._told = root / "tsp.told"
        self._slots = NODES * SLOTS
        self._environ = {
            "PATH": os.environ["PATH"],
            "TS_SOCKET": str(root / "tsp.sock"),
            "TS_MAXFINISHED": "10",
            "TMPDIR": str(root),
        }

    def open(self) -> None:
        """Start the server, which the first command does."""
        self._sh(f"tsp -S {self._slots}")

    def close(self) -> None:
        """End the server, and what it ran, which would go on."""
        self._sh("tsp -K || :")
        processes.end(filter(None, map(processes.find, self._pids())), signal.SIGKILL, _ENDS_S)

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def dispatch(self, count: int, way: str) -> float | None:
        """See Contestant."""
        if way != "command":
            return None
        begun = time.perf_counter()
        self._submit(count)
        self._empty()
        return time.perf_counter() - begun

    def start(self, way: str) -> float | None:
        """See Contestant."""
        if way != "command":
            return None
        begun = time.time()
        self._sh(f"tsp -n sh -c 'date +%s.%N >{self._told}'")
        took_s = told_at(self._told) - begun
        self._empty()
        return took_s

    def submit(self, count: int, way: str) -> float | None:
        """See Contestant: behind one that sleeps."""
        if way != "command":
            return None
        self._sh("tsp -S 1; tsp -n sleep 600")
        begun = time.perf_counter()
        self._submit(count)
        took_s = time.perf_counter() - begun
        self.close()
        self.open()
        return took_s

    def cpu(self) -> Cpu | None:
        """Return None: what runs its jobs is waited for by process 1, and nobody can tell."""

    def _pids(self) -> list[int]:
        """Return the pids of the server and of all that it started: they have its socket's name."""
        wanted = f"TS_SOCKET={self._environ['TS_SOCKET']}".encode()
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def _submit(self, count: int) -> None:
        self._sh(f"seq {count} | xargs -P 2 -I{{}} tsp -n true")

    def _empty(self) -> None:
        def is_so() -> bool:
            states = [line.split()[1:2] for line in self._sh("tsp -l").splitlines()[1:]]
            return ["running"] not in states and ["queued"] not in states

        until(is_so, "tsp has jobs left", 0.05)

    def _sh(self, line: str) -> str:
        done = subprocess.run(
            ["sh", "-c", line],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        if done.returncode:
            raise SystemExit(f"bench: {line}: {done.stderr.strip()[-500:]}")
        return done.stdout


@contextlib.contextmanager
def contestants(ground: Ground) -> Iterator[list[Spooler]]:
    """Start tsp's server, and end it; none where it is not installed."""
    if shutil.which("tsp") is None:
        yield []
        return
    one = Spooler(ground.root)
    one.open()
    try:
        yield [one]
    finally:
        one.close()
