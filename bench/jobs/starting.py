"""From submitting one job, while nothing else is to do, until it runs: it says the time itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import table
from bench.jobs import contestant
from bench.measure import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.jobs.contestant import Contestant

TARGET_S = 0.1
_WAYS = {"over a kept connection": "singly", "by a command": "command"}


def lines(some: Sequence[Contestant], *, quick: bool) -> list[str]:
    """Return the table."""
    rounds, turns = (1, 3) if quick else (4, 5)
    found = contestant.in_turns(some, rounds, lambda one: _once(one, turns))
    rows: list[list[str]] = []
    for what in _WAYS:
        given = {name: all_[what] for name, all_ in found.items() if what in all_}
        for title, of in (("median", median), ("worst", max)):
            took_s = {name: of(values) for name, values in given.items()}
            cells = contestant.cells(some, took_s, table.seconds, less_is_better=True)
            rows.append([f"{what}, {title}", table.seconds(TARGET_S), *cells])
    return table.lines(
        f"jobs: from submitting one job until it runs, when idle, {rounds * turns} times",
        ["submit to start", "target", *contestant.heads(some)],
        rows,
        "By a command: with the start of `cl submit`, sbatch or tsp itself.",
    )


def _once(one: Contestant, turns: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for what, way in _WAYS.items():
        took = [one.start(way) for _ in range(turns)]
        if known := [seconds for seconds in took if seconds is not None]:
            found[what] = known
    return found
