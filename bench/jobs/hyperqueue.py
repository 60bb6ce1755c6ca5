"""HyperQueue as a contestant: the package `hyperqueue` of PyPI, in an environment of its own.

The wheel has no `hq` command, but its server, workers and client behind Python; they run in
one process on one host, and keep no journal on a disk.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.contestant import Cpu, told_at
from bench.jobs.ground import NODES, SLOTS, below, cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.jobs.ground import Ground

_VERSION = "0.27.0"
_ENV = Path("build/bench-peers")
_CHILD = Path(__file__).with_name("hq_child.py")
_ENDS_S = 10
_TELLS = 1  # the task that tells the time


class HyperQueue:
    """A server with a worker for each of our nodes. A Contestant."""

    name = "hyperqueue"
    count = 1500

    def __init__(self, python: Path, root: Path) -> None:
        self._told = root / "hq.told"
        self._python = python
        self._root = root
        self._child = self._start(NODES)

    def close(self) -> None:
        """End the server and its workers."""
        _end(self._child)

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def dispatch(self, count: int, way: str) -> float | None:
        """See Contestant."""
        if way not in {"array", "singly"}:
            return None
        begun = time.time()
        self._tell(self._child, count - _TELLS, array=way == "array", file=self._told)
        return told_at(self._told) - begun

    def start(self, way: str) -> float | None:
        """See Contestant."""
        if way != "singly":
            return None
        begun = time.time()
        self._tell(self._child, 0, array=False, file=self._told)
        return told_at(self._told) - begun

    def submit(self, count: int, way: str) -> float | None:
        """See Contestant: to a server that has no worker."""
        if way not in {"array", "singly"}:
            return None
        child = self._start(0)
        try:
            begun = time.perf_counter()
            self._tell(child, count, array=way == "array")
            return time.perf_counter() - begun
        finally:
            _end(child)

    def cpu(self) -> Cpu | None:
        """See Contestant; server, workers and client are one process."""
        all_s = cpu_s(below(self._child.pid))
        return Cpu(all_s, all_s)

    def _start(self, workers: int) -> subprocess.Popen[str]:
        directory = self._root / f"hq{workers}-{time.monotonic_ns()}"
        directory.mkdir()
        with (self._root / "hq.log").open("a") as log:
            child = subprocess.Popen(
                [self._python, "-P", _CHILD, directory, str(workers), str(SLOTS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=directory,
                text=True,
            )
        self._expect(child, "ready")
        return child

    def _tell(
        self, child: subprocess.Popen[str], count: int, *, array: bool, file: Path | None = None
    ) -> None:
        assert child.stdin is not None
        told = {"count": count, "array": array, "file": str(file or "")}
        child.stdin.write(json.dumps(told) + "\n")
        child.stdin.flush()
        self._expect(child, "taken")

    def _expect(self, child: subprocess.Popen[str], word: str) -> None:
        assert child.stdout is not None
        if child.stdout.readline().strip() != word:
            _end(child)
            log = (self._root / "hq.log").read_text()[-500:]
            raise SystemExit(f"bench: HyperQueue ended early: {log}")


def _end(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        child.stdin.close()
    try:
        child.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _python() -> Path | None:
    """Return the Python of an environment that has the package; it is made once."""
    python = _ENV.resolve() / "bin/python"
    has: list[str | Path] = [python, "-c", "import hyperqueue"]
    if python.exists() and subprocess.run(has, capture_output=True, check=False).returncode == 0:
        return python
    print(f"installing hyperqueue {_VERSION} into {_ENV}\n", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", _ENV], check=True)
    wanted = ["--quiet", "--only-binary=:all:", f"hyperqueue=={_VERSION}"]
    done = subprocess.run([python, "-m", "pip", "install", *wanted], check=False)
    return python if done.returncode == 0 else None


@contextlib.contextmanager
def contestants(ground: Ground) -> Iterator[list[HyperQueue]]:
    """Start HyperQueue, and end it; none where its package cannot be had."""
    python = _python()
    if python is None:
        yield []
        return
    one = HyperQueue(python, ground.root)
    try:
        yield [one]
    finally:
        one.close()
