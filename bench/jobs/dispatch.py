"""Jobs a second from the first submission until all have ended, and the CPU that one costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import table
from bench.jobs import contestant
from bench.jobs.ground import NODES, SLOTS
from bench.measure import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.jobs.contestant import Contestant

TARGET = 400
_OWN, _ARRAY = "jobs of their own", "one array"
_WAYS = {_OWN: ("batch", "command", "singly"), _ARRAY: ("array",)}
_FEWEST = 30
_CPU, _HEAD = "CPU a job", "of it the manager's"


def lines(some: Sequence[Contestant], *, quick: bool) -> list[str]:
    """Return the table."""
    rounds, turn_s = (1, 1.5) if quick else (3, 2.0)
    counts = {one.name: round(one.count * turn_s / 3) for one in some}

    def once(one: Contestant) -> dict[str, list[float]]:
        figures = _once(one, counts[one.name])
        counts[one.name] = max(_FEWEST, round(figures[_OWN][0] * turn_s))
        return figures

    found = contestant.in_turns(some, rounds, once)

    def middle(what: str) -> dict[str, float]:
        return {name: median(all_[what]) for name, all_ in found.items() if what in all_}

    def rate(what: str) -> list[str]:
        cells = contestant.cells(some, middle(what), lambda rate: f"{rate:.0f}")
        return [what, f"{TARGET}", *cells]

    def cost(what: str, target: str) -> list[str]:
        cells = contestant.cells(some, middle(what), _milliseconds, less_is_better=True)
        return [what, target, *cells]

    cores = os.cpu_count() or 1
    return table.lines(
        f"jobs: dispatch of `true` over {NODES} nodes with {SLOTS} slots each, median of {rounds}",
        ["jobs a second", "target", *contestant.heads(some)],
        [rate(_OWN), rate(_ARRAY), cost(_CPU, _milliseconds(cores / TARGET)), cost(_HEAD, "-")],
        f"All nodes share the {cores} cores of this machine, so the CPU that a job costs, all of",
        "client, daemons and nodes, is a limit; tsp and HyperQueue are on one host without sshd.",
        "Jobs of their own: clsh 1,000 a request, Slurm and tsp a command each, HyperQueue a",
        "call each. As root: the manager logs in as root, and jobs are run as alice.",
        f"A turn takes each about {turn_s:g} s, and as many jobs as that needs.",
        "x slurm tuned, here and below: how many times better the first column is.",
    )


def _once(one: Contestant, count: int) -> dict[str, list[float]]:
    """Return a rate for each way, and the CPU seconds of a job that is no task of an array."""
    found: dict[str, list[float]] = {}
    for what, ways in _WAYS.items():
        before, clients_s = one.cpu(), contestant.clients_cpu_s()
        took_s = next((took for way in ways if (took := one.dispatch(count, way))), None)
        clients_s, after = contestant.clients_cpu_s() - clients_s, one.cpu()
        if took_s is None:
            continue
        found[what] = [count / took_s]
        if what == _OWN and before and after:
            found[_CPU] = [(after.all_s - before.all_s + clients_s) / count]
            found[_HEAD] = [(after.head_s - before.head_s) / count]
    return found


def _milliseconds(value: float) -> str:
    return f"{value * 1000:.1f} ms"
