"""What every scheduler is asked in the same way, so that they can take turns."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bench import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LIMIT_S = 120.0
_BESIDE = "slurm tuned"


class Cpu(NamedTuple):
    """CPU seconds of all daemons and nodes, and of them those of the one that decides."""

    all_s: float
    head_s: float


class Contestant(Protocol):
    """One scheduler, running and idle.

    What it cannot do it answers with None. A way to submit is `array` (one request of many
    tasks), `batch` (many jobs in one request), `singly` (over a connection that is kept) or
    `command` (a process for each, as a person does).
    """

    name: str
    count: int
    """How many jobs take it some 3 seconds."""

    def prepare(self) -> None:
        """Make it ready for the turns that follow; not measured."""
        ...

    def dispatch(self, count: int, way: str) -> float | None:
        """Submit so many `true`, and return the seconds until all have ended."""
        ...

    def start(self, way: str) -> float | None:
        """Submit one job, and return the seconds until it said the time."""
        ...

    def submit(self, count: int, way: str) -> float | None:
        """Submit so many jobs that do not run, and return the seconds until all are taken."""
        ...

    def cpu(self) -> Cpu | None:
        """Return what it has spent so far, without what its clients did."""
        ...


def heads(some: Sequence[Contestant]) -> list[str]:
    """Return the heads of the columns: each contestant, and ours beside tuned Slurm."""
    return [*(one.name for one in some), f"x {_BESIDE}"]


def cells(
    some: Sequence[Contestant],
    values: Mapping[str, float],
    shown: Callable[[float], str],
    *,
    less_is_better: bool = False,
) -> list[str]:
    """Return the cells of a row; "-" for what somebody cannot do."""
    ours, theirs = values.get(some[0].name), values.get(_BESIDE)
    times = "-"
    if ours and theirs:
        times = table.ratio(theirs, ours) if less_is_better else table.ratio(ours, theirs)
    given = [values.get(one.name) for one in some]
    return [*("-" if value is None else shown(value) for value in given), times]


def clients_cpu_s() -> float:
    """Return the CPU seconds of the bench itself and of the commands that it ran."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(one.ru_utime + one.ru_stime for one in both)


def told_at(file: Path) -> float:
    """Wait for a file with the output of `date +%s.%N`, remove it, and return what it says."""
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends:
        text = file.read_text() if file.exists() else ""
        if text.endswith("\n"):
            file.unlink()
            return float(text)
        time.sleep(0.005)
    raise SystemExit(f"bench: no job wrote {file.name} within {LIMIT_S:g} s")


def until(is_so: Callable[[], bool], what: str, every_s: float) -> None:
    """Look again and again until it is so."""
    ends = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > ends:
            raise SystemExit(f"bench: {what}: not within {LIMIT_S:g} s")
        time.sleep(every_s)


def in_turns(
    some: Sequence[Contestant],
    rounds: int,
    once: Callable[[Contestant], Mapping[str, Sequence[float]]],
) -> dict[str, dict[str, list[float]]]:
    """Let all take turns, the first one changing; return the figures by contestant and what."""
    found: dict[str, dict[str, list[float]]] = {one.name: {} for one in some}
    for number in range(rounds):
        at = number % len(some)
        for one in [*some[at:], *some[:at]]:
            one.prepare()
            for what, values in once(one).items():
                found[one.name].setdefault(what, []).extend(values)
    return found
