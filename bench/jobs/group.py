"""All figures of jobs: which there are, and what stands while they are measured."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.jobs import (
    dispatch,
    history,
    hyperqueue,
    ours,
    reattaching,
    slurm,
    spooler,
    starting,
    submitting,
)
from bench.jobs.ground import ground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.jobs.contestant import Contestant
    from bench.jobs.ground import Ground
    from bench.tools import Tools

_IN_TURNS: dict[str, Callable[..., list[str]]] = {
    "dispatch": dispatch.lines,
    "starting": starting.lines,
    "submitting": submitting.lines,
}
_ALONE: dict[str, Callable[..., Iterator[list[str]]]] = {
    "history": history.lines,
    "reattaching": reattaching.lines,  # the last one: it leaves the nodes full
}
PARTS = (*_IN_TURNS, *_ALONE)
PEERS = ("clsh", "slurm", "tsp", "hyperqueue")


def run(tools: Tools, *, quick: bool, parts: Sequence[str] = PARTS) -> Iterator[list[str]]:
    """Yield the tables of some parts."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(ground(tools.server.root))
        turns = [part for part in parts if part in _IN_TURNS]
        if turns:
            with contextlib.ExitStack() as contest:
                some = _contestants(place, tools.only or PEERS, contest)
                for part in turns:
                    yield _IN_TURNS[part](some, quick=quick)
        for part in parts:
            if part in _ALONE:
                yield from _ALONE[part](place, quick=quick)


def _contestants(
    place: Ground, wanted: Sequence[str], stack: contextlib.ExitStack
) -> list[Contestant]:
    some: list[Contestant] = []
    if "clsh" in wanted:
        some += [stack.enter_context(ours.contestant(place, login)) for login in ("root", "alice")]
    if "slurm" in wanted:
        some += stack.enter_context(slurm.contestants(place))
    if "tsp" in wanted:
        some += stack.enter_context(spooler.contestants(place.root))
    if "hyperqueue" in wanted:
        some += stack.enter_context(hyperqueue.contestants(place.root))
    return some
