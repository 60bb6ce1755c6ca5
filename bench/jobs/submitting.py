"""Submissions a second that are acknowledged, of jobs that do not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import table
from bench.jobs import contestant
from bench.measure import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.jobs.contestant import Contestant

TARGET = 1000
# title -> way, target, how many at each turn
_WAYS = {
    "jobs in batches": ("batch", f"{TARGET:,}", 2000),
    "tasks of one array": ("array", "-", 1000),
    "one by one over a kept connection": ("singly", "-", 200),
    "one by one by a command": ("command", "-", 20),
}


def lines(some: Sequence[Contestant], *, quick: bool) -> list[str]:
    """Return the table."""
    rounds = 1 if quick else 3
    found = contestant.in_turns(some, rounds, _once)

    def cells(what: str) -> list[str]:
        rates = {name: median(all_[what]) for name, all_ in found.items() if what in all_}
        return contestant.cells(some, rates, lambda rate: f"{rate:,.0f}")

    return table.lines(
        f"jobs: submissions a second, median of {rounds}",
        ["submissions a second", "target", *contestant.heads(some)],
        [[what, target, *cells(what)] for what, (_, target, _) in _WAYS.items()],
        "clsh and Slurm: held jobs; tsp: behind one that sleeps; HyperQueue: without workers.",
        "What clsh has acknowledged is on the disk. HyperQueue keeps it in memory alone here.",
    )


def _once(one: Contestant) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for what, (way, _, count) in _WAYS.items():
        took_s = one.submit(count, way)
        if took_s is not None:
            found[what] = [count / took_s]
    return found
