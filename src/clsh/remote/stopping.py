"""The table by which a run is stopped: a phase and an event give the next phase and orders.

Pure: `clsh.remote.fanout` tells what happened and carries the orders out. Each row says what
shell.md ("Stopping", "Losing nodes") promises; whatever has no row changes nothing.
"""

from __future__ import annotations

from typing import Literal

Phase = Literal["running", "finishing", "terminating", "ended"]
"""running: nodes are started. finishing: what runs may end by itself. terminating: it was
sent TERM. ended: it is being killed; the run is over as soon as that is done."""

Event = Literal["finish", "now", "lost", "grace over", "kill over"]
"""finish, now: asked by the user. lost: a node that the run cannot do without. grace over,
kill over: the clock started by `time grace`, by `time kill`, has run out."""

Order = Literal["hold", "time grace", "terminate", "time kill", "kill"]
"""hold: start no further node, drop those still connecting. terminate: TERM to all that
runs. kill: end all that runs at once."""

_KILL: tuple[Phase, tuple[Order, ...]] = ("ended", ("hold", "kill"))

_TABLE: dict[tuple[Phase, Event], tuple[Phase, tuple[Order, ...]]] = {
    ("running", "finish"): ("finishing", ("hold", "time grace")),
    ("running", "now"): _KILL,
    ("running", "lost"): _KILL,
    ("finishing", "finish"): _KILL,
    ("finishing", "now"): _KILL,
    ("finishing", "lost"): _KILL,
    ("finishing", "grace over"): ("terminating", ("terminate", "time kill")),
    ("terminating", "finish"): _KILL,
    ("terminating", "now"): _KILL,
    ("terminating", "lost"): _KILL,
    ("terminating", "kill over"): _KILL,
}


def decide(phase: Phase, event: Event) -> tuple[Phase, tuple[Order, ...]]:
    """Return the next phase and what is to be done, in order."""
    return _TABLE.get((phase, event), (phase, ()))
