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
from clsh.demo import namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

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
_PEERS: dict[str, Callable[[Ground], AbstractContextManager[Sequence[Contestant]]]] = {
    "clsh": ours.contestants,
    "slurm": slurm.contestants,
    "tsp": spooler.contestants,
    "hyperqueue": hyperqueue.contestants,
}
PARTS = (*_IN_TURNS, *_ALONE)


def run(tools: Tools, *, quick: bool, parts: Sequence[str] = PARTS) -> Iterator[list[str]]:
    """Yield the tables of some parts."""
    if why := namespaces.unavailable():
        yield [f"## jobs: left out, as there can be no nodes: {why}", ""]
        return
    with ground(tools.server.root) as place:
        if turns := [name for name in _IN_TURNS if name in parts]:
            with contextlib.ExitStack() as stack:
                some: list[Contestant] = []
                for name, contestants in _PEERS.items():
                    if tools.only and name not in tools.only:
                        continue
                    found = stack.enter_context(contestants(place))
                    some += found
                    if not found:
                        yield [f"{name} is left out: it is not installed", ""]
                for name in turns if some else ():
                    yield _IN_TURNS[name](some, quick=quick)
        for name, lines in _ALONE.items():
            if name in parts:
                yield from lines(place, quick=quick)
