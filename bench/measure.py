"""Run one command and say what it cost: wall time, CPU of its process tree, peak memory."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Job:
    """A command to measure; its output goes to the file `output`, or nowhere."""

    argv: Sequence[str | Path]
    env: Mapping[str, str]
    output: Path = Path(os.devnull)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took; `cpu_s` is that of the command and all children it waited for."""

    wall_s: float
    cpu_s: float
    status: int


def run(job: Job, limit_s: float = 240) -> Cost:
    """Run `job` to its end; after `limit_s` it is killed and its status is 137."""
    with job.output.open("wb") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(
            job.argv,
            env=dict(job.env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = threading.Timer(limit_s, _kill_group, [process.pid])
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        watch.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, code)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def peak_memory(job: Job, every_s: float = 0.1) -> int:
    """Run `job`, and return the largest sum of PSS of its process tree, in bytes.

    PSS shares a page among the processes that map it, so 64 ssh are not counted 64 times.
    """
    with job.output.open("wb") as out:
        process = subprocess.Popen(
            job.argv,
            env=dict(job.env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    peak = 0
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(every_s)
    return peak


def tree_memory(root: int) -> int:
    """Return the sum of PSS of `root` and all its descendants now, in bytes."""
    total, pids = 0, [root]
    while pids:
        pid = pids.pop()
        with suppress(OSError):  # ended meanwhile
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for task in Path(f"/proc/{pid}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
    return total * 1024


def rounds(
    names: Iterable[str], count: Callable[[str], int], once: Callable[[str], Cost]
) -> dict[str, list[Cost]]:
    """Let the named tools take turns, `count(name)` runs each, the first one changing."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    order = list(costs)
    for number in range(max(map(count, order), default=0)):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            if number < count(name):
                costs[name].append(once(name))
    return costs


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)
