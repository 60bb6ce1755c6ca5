"""1,000 jobs run, the manager is killed with -9: until the next one knows of all that they run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import bench
from bench import table
from bench.jobs import manager
from bench.jobs.contestant import told_at, until
from bench.jobs.ground import NODES, below
from bench.measure import median
from clsh.demo import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.jobs.ground import Ground
    from bench.jobs.manager import Manager

TARGET_S = 2.0
_JOBS = 1000
_SLEEP = ["sleep", "4711"]


def lines(ground: Ground, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table; the jobs are left for the end of the nodes."""
    count, rounds = (400, 1) if quick else (_JOBS, 3)
    with (
        manager.running(ground, "reattach", "alice", count // NODES) as first,
        first.line() as line,
    ):
        line.submit([{"argv": _SLEEP}] * count)
        until(lambda: line.running() == count, "not all jobs run", 0.3)
        costs = [_killed_and_started(ground, first, count) for _ in range(rounds)]
    running = sum(processes.words(pid) == _SLEEP for pid in below(ground.head_pid()))
    if running != count:
        raise SystemExit(f"bench: of {count} jobs {running} run after the restarts")
    yield table.lines(
        f"jobs: {count:,} jobs run, the manager is killed and started, {rounds} times",
        ["from its start", "target", "median", "worst"],
        [
            ["until all are known to run", *_told([cost[1] for cost in costs])],
            ["until it answers on its socket", *_told([cost[0] for cost in costs])],
        ],
        f"After the last of them {running:,} of the jobs' processes ran.",
    )


def _told(costs: list[float]) -> list[str]:
    return [table.seconds(TARGET_S), table.seconds(median(costs)), table.seconds(max(costs))]


def _killed_and_started(ground: Ground, killed: Manager, count: int) -> tuple[float, float]:
    """Return the seconds until the next manager answers, and until it knows of all jobs."""
    killed.kill()
    file = ground.folder / "heard"
    words = [str(file), str(count), str(killed.state), str(killed.socket)]
    argv = [*ground.before, sys.executable, "-P", "-m", "bench.jobs.heard", *words]
    environ = {**killed.environ, "PYTHONPATH": str(Path(bench.__file__).parents[1])}
    begun = time.time()
    with (ground.folder / "heard.log").open("a") as log:
        child = subprocess.Popen(
            argv, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
        )
    try:
        until(lambda: _answers(killed), "the manager does not answer", 0.01)
        answers_s = time.time() - begun
        return answers_s, told_at(file) - begun
    finally:
        child.kill()
        child.wait()


def _answers(one: Manager) -> bool:
    with contextlib.suppress(OSError), one.line() as line:
        return line.answer("/healthz")[0] < 400
    return False
