"""A queue with 100,000 jobs: the manager's memory and start, its pages and routes of jobs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from bench import table
from bench.jobs import manager
from bench.jobs.contestant import until
from bench.jobs.ground import NODES, SLOTS
from bench.measure import median, tree_memory
from clsh.jobs.model import Place, Request, Task
from clsh.jobs.queue import Batch, JobRow, New
from clsh.jobs.queue.codec import encode
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.queue.rows import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.jobs.ground import Ground
    from bench.jobs.manager import Line, Manager

JOBS = 100_000
PAGE_TARGET_S, MEMORY_TARGET = 0.05, 100e6
_SLICE = 5000
_LARGE = 10_000  # tasks of the one array
_ENDS: tuple[Literal["done", "failed", "cancelled"], ...] = (
    *("done",) * 47,
    "failed",
    "failed",
    "cancelled",
)
_NOT_NOW = 503
_NAMES = ("cfd-mesh", "param-sweep", "train-small", "etl-night", "render", "align", "")
_JOB, _ARRAY = JOBS // 2, JOBS + 1
_ROUTES = (
    "/jobs",
    "/jobs?state=failed",
    "/jobs?q=sweep",
    "/jobs?q=no+such+text",
    "/jobs?owner=alice",
    "/jobs?node=node3",
    "/jobs?sort=name",
    "/jobs?sort=owner",
    "/jobs?sort=-submitted",
    f"/jobs?offset={JOBS - 50}",
    f"/jobs?sort=name&offset={JOBS // 2}",
    "/jobs/new",
    f"/jobs/new?like={_JOB}",
    "/jobs/{ran}",
    "/jobs/{ran}/0/output",
    f"/jobs/{_ARRAY}",
    "/api/v1/jobs",
    "/api/v1/jobs?limit=1000",
    "/api/v1/jobs?state=failed&owner=alice",
    "/api/v1/jobs?q=no+such+text",
    "/api/v1/jobs?node=node3",
    "/api/v1/jobs?sort=name",
    f"/api/v1/jobs?offset={JOBS - 50}",
    "/api/v1/jobs/{ran}",
    "/api/v1/jobs/{ran}/output",
    f"/api/v1/jobs/{_ARRAY}",
    "/api/v1/status",
)
_ACTS = (f"POST /api/v1/jobs/{_JOB}/hold", f"POST /api/v1/jobs/{_JOB}/release")


class _Cost(NamedTuple):
    """Seconds of each answer, and CPU seconds of the manager for one of them."""

    took_s: list[float]
    cpu_s: float


class _Life(NamedTuple):
    """Seconds of a start and its CPU, bytes of memory before and after, costs of routes."""

    start_s: float
    start_cpu_s: float
    memory: int
    after: int
    costs: dict[str, _Cost]


def lines(ground: Ground, *, quick: bool) -> Iterator[list[str]]:
    """Yield the tables of memory and of pages."""
    turns = 5 if quick else 20
    kinds = {
        "no job": _life(ground, "none", 0, turns),
        f"{JOBS:,} that ended": _life(ground, "ended", JOBS, turns),
        f"{JOBS:,} that wait": _life(ground, "waiting", JOBS, turns),
    }
    yield table.lines(
        "jobs: the manager with many jobs",
        ["jobs", "target", "PSS", "after all pages", "cl up until it takes jobs", "CPU"],
        [
            [
                name,
                _megabytes(MEMORY_TARGET),
                _megabytes(life.memory),
                _megabytes(life.after),
                table.seconds(life.start_s),
                table.seconds(life.start_cpu_s),
            ]
            for name, life in kinds.items()
        ],
    )
    _, ended, waiting = kinds.values()
    yield table.lines(
        f"jobs: an answer of the manager over its socket, {JOBS:,} jobs, {turns} times",
        [
            *("for an administrator", "target"),
            *("ended, p50", "worst", "CPU"),
            *("waiting, p50", "worst", "CPU"),
        ],
        [
            [
                route,
                table.seconds(PAGE_TARGET_S),
                *_told(ended.costs.get(route)),
                *_told(waiting.costs.get(route)),
            ]
            for route in (*_ROUTES, *_ACTS)
        ],
        f"Job {_ARRAY} is an array of {_LARGE:,} tasks. {{ran}} ran just now, or is the one in the",
        "middle that waits; what it has written is read from its node each time.",
    )


def _life(ground: Ground, kind: str, count: int, turns: int) -> _Life:
    """Fill a queue, start a manager on it, and ask all there is to ask."""
    one = manager.Manager(ground, kind, login="root", slots=SLOTS if kind == "ended" else 0)
    _fill(one.state, kind, count)
    begun = time.perf_counter()
    try:
        one.start()
        with one.line() as line:
            until(lambda: _takes_jobs(line), "the manager takes no jobs", 0.02)
            start_s = time.perf_counter() - begun
            start_cpu_s = time.clock_gettime(_cpu_clock(one.pid))
            until(lambda: _hears_all(line), "not all nodes are heard", 0.2)
            memory = tree_memory(one.pid)
            routes = (*_ROUTES, *_ACTS) if kind == "waiting" else _ROUTES
            ran = _run(line) if kind == "ended" else _JOB
            costs = {
                route: _asked(one, line, route.format(ran=ran), turns) for route in routes if count
            }
        return _Life(start_s, start_cpu_s, memory, tree_memory(one.pid), costs)
    finally:
        one.stop()


def _takes_jobs(line: Line) -> bool:
    """Tell whether its queue is open: it refuses as long as that takes, whatever is asked."""
    held = {"jobs": [{"argv": ["true"], "held": True}]}
    return line.answer("/api/v1/jobs", held)[0] != _NOT_NOW


def _hears_all(line: Line) -> bool:
    told = json.loads(line.ask("/api/v1/status"))
    return bool(told["up"] == NODES)


def _run(line: Line) -> int:
    """Run a job that writes something, and return its number."""
    (number,) = line.submit([{"argv": ["seq", "10000"]}])

    def is_done() -> bool:
        return bool(json.loads(line.ask(f"/api/v1/jobs/{number}"))["state"] == "done")

    until(is_done, "a job has not ended", 0.05)
    return number


def _asked(one: Manager, line: Line, route: str, turns: int) -> _Cost:
    clock = _cpu_clock(one.pid)
    costs: list[float] = []
    cpu_s = time.clock_gettime(clock)
    for _ in range(turns):
        begun = time.perf_counter()
        line.ask(route)
        costs.append(time.perf_counter() - begun)
    return _Cost(costs, (time.clock_gettime(clock) - cpu_s) / turns)


def _cpu_clock(pid: int) -> int:
    """Return the clock of the CPU time of a process, all its threads together."""
    return (~pid << 3) | 2


def _fill(state: Path, kind: str, count: int) -> None:
    """Write jobs as the manager would have."""
    file = QueueFile(state)
    for at in range(0, count, _SLICE):
        some = range(at, min(at + _SLICE, count))
        stored = file.write(Batch(new=[_new(number) for number in some]))
        if kind == "ended":
            batch = Batch()
            for one in stored:
                _end(batch, one.id)
            file.write(batch)
    if count:
        (array,) = file.write(Batch(new=[_new(count, size=_LARGE)]))
        batch = Batch()
        _end(batch, array.id, _LARGE)
        file.write(batch)
    file.close()


def _new(number: int, size: int = 1) -> New:
    name = _NAMES[number % len(_NAMES)]
    argv = (f"./{name or 'run'}", "--seed", str(number))
    array = tuple(range(size)) if size > 1 else ()
    request = Request(argv, "batch" if array else "single", name, array=array)
    owner = "alice" if number % 5 < 3 else "bob"
    at = time.time() - 80 * 86_400 + number * 60
    words = words_of(name, argv)
    return New(owner, encode(request), "pending", name, words, "", at, held=False, size=size)


def _end(batch: Batch, number: int, size: int = 1) -> None:
    """Let all tasks of a job have ended some time after it was submitted."""
    state = _ENDS[number % len(_ENDS)] if size == 1 else "done"
    at = time.time() - 80 * 86_400 + number * 60
    for index in range(size):
        node = _node(number + index)
        why = f"{node}: score 0.21, the lowest of 4; node4: score 0.30"
        status = {"done": 0, "failed": 3}.get(state)
        task = Task(
            number, index, state, 1, (Place(node),), why, at + 1, at + 31, status, rss=9 << 20
        )
        batch.tasks[number, index] = (task, index)
    batch.jobs[number] = JobRow(
        number, state, at + 1, at + 31, False, size, "pending", {state: size}, ""
    )


def _node(number: int) -> str:
    return f"node{number % NODES + 1}"


def _told(cost: _Cost | None) -> list[str]:
    if cost is None:
        return ["-"] * 3
    return [table.seconds(one) for one in (median(cost.took_s), max(cost.took_s), cost.cpu_s)]


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
