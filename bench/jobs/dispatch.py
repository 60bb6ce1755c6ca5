"""Jobs a second from the first submission until all have ended, and the CPU that one costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import table
from bench.jobs import contestant
from bench.jobs.ground import NODES, SLOTS
from bench.measure import median

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.jobs.contestant import Contestant

TARGET = 400
_WAYS = {
    "jobs of their own": ("batch", "command", "singly"),
    "one array": ("array",),
}
_CPU = "CPU a job"


def lines(some: Sequence[Contestant], *, quick: bool) -> list[str]:
    """Return the table."""
    rounds = 1 if quick else 3
    found = contestant.in_turns(some, rounds, lambda one: _once(one, quick=quick))
    middle = {
        (name, what): median(values)
        for name, all_ in found.items()
        for what, values in all_.items()
    }

    def row(what: str, target: str, shown: Callable[[float], str]) -> list[str]:
        values = [middle.get((one.name, what)) for one in some]
        cells = ["-" if value is None else shown(value) for value in values]
        return [what, target, *cells]

    cores = os.cpu_count() or 1
    return table.lines(
        f"jobs: dispatch of `true` over {NODES} nodes with {SLOTS} slots each, median of {rounds}",
        ["jobs a second", "target", *(one.name for one in some)],
        [
            *(row(what, f"{TARGET}", lambda rate: f"{rate:.0f}") for what in _WAYS),
            row(_CPU, f"{cores / TARGET * 1000:.1f} ms", lambda cpu_s: f"{cpu_s * 1000:.1f} ms"),
        ],
        f"All nodes share the {cores} cores of this machine, so the CPU that a job costs, all of",
        "client, daemons and nodes, is a limit; tsp and HyperQueue are on one host without sshd.",
        "Jobs of their own: clsh 1,000 a request, Slurm and tsp a command each, HyperQueue a",
        "call each. As root: the manager logs in as root, and jobs are run as alice.",
        "Of each contestant as many as take it some seconds: "
        + ", ".join(f"{one.name} {_count(one, quick=quick):,}" for one in some),
    )


def _once(one: Contestant, *, quick: bool) -> dict[str, list[float]]:
    """Return a rate for each way, and the CPU seconds of a job that is no task of an array."""
    count = _count(one, quick=quick)
    found: dict[str, list[float]] = {}
    for what, ways in _WAYS.items():
        spent_s = one.cpu_s() + contestant.clients_cpu_s()
        took_s = next((took for way in ways if (took := one.dispatch(count, way))), None)
        spent_s = one.cpu_s() + contestant.clients_cpu_s() - spent_s
        if took_s is not None:
            found[what] = [count / took_s]
            found.setdefault(_CPU, [spent_s / count])
    return found


def _count(one: Contestant, *, quick: bool) -> int:
    return one.count // 2 if quick else one.count
