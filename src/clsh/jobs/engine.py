"""The interface to what runs tasks: the nodes themselves (`remote`), Slurm, or memory.

One contract suite (tests/contract/engines) runs over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.jobs.model import Place, Request, Slots
    from clsh.nodes.model import Node
    from clsh.remote.transport import Transport

Phase = Literal["absent", "running", "ended", "lost", "refused", "unknown"]
"""absent: no such attempt was ever claimed, so it may be started. running: it was claimed and
lives. ended: its status is known. lost: it was claimed and is gone without a status, and will
never run. refused: it was not started and never will be, `reason` says why (no such
directory). unknown: its node cannot be asked now."""

Stream = Literal["output", "error"]


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt of a task, with all that an engine needs to start it.

    `id` is a name of `[A-Za-z0-9._-]`, unique for ever; `owner` the user to run as; `places`
    are the nodes, of which the first starts it.
    """

    id: str
    owner: str
    job: int
    task: int
    attempt: int
    request: Request
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine knows of an attempt; times in Unix seconds by the manager's clock.

    `status` is the exit status, None when `signal` (`TERM`) ended it. `reason` is for people:
    why it was refused, lost, or ended by us (`RSS 8.2 GB of 8 GB allowed`).
    """

    id: str
    phase: Phase
    at: float
    status: int | None = None
    signal: str = ""
    reason: str = ""
    rss: int = 0
    nodes: tuple[str, ...] = ()
    """Where it runs, when that was not ours to choose."""
    ran_s: float = 0.0
    """How long it runs by the clock of its node: that of the manager may be set meanwhile."""


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What `build(context)` of an engine is given.

    `nodes` are those that it may use, reached over `transport`, which keeps its sessions;
    `sent` gives the file of an owner and a digest that is sent along; it blocks, and raises
    OSError. Without it none can be.
    """

    clock: Clock
    nodes: Sequence[Node] = ()
    transport: Transport | None = None
    spool: str = ""
    settings: dict[str, object] = field(default_factory=dict[str, object])
    sent: Callable[[str, str], Path] | None = None


class Engine(Protocol):
    """One way to run tasks. Made by the `build` of its file, see `clsh.jobs.engines`."""

    chooses: bool
    """It chooses nodes itself: `slots` is empty, and its launches have no places."""

    async def run(self, tell: Callable[[Report], None]) -> None:
        """Tell of attempts that end or vanish until cancelled; `tell` never blocks or raises.

        An engine that chooses nodes itself tells `running` too, when it has chosen them. What
        runs on a node that cannot be asked is told as `unknown`, and as `running` when it can
        again. The same end may be told more than once. What happened while this did not run
        is told by `ask`. A cancel leaves no connection of ours, and every attempt running.
        """
        ...

    def slots(self) -> Sequence[Slots]:
        """Return what each node that can be used now has; grows and shrinks with them.

        An engine that chooses nodes itself returns none, and its launches have no places.
        """
        ...

    def complaints(self, request: Request) -> Sequence[str]:
        """Return in words what of a request has no equivalent here; pure, told at submission."""
        ...

    async def start(self, launch: Launch) -> Report:
        """Start an attempt and return `running`, `ended` or `refused`.

        Idempotent by `launch.id`: whatever happened before, at most one process is ever
        started, and the report is that of the first. Calls may run side by side; many of them
        cost little more than one. Raises NodeError (NodeLostError, UnreachableError) when it
        is not known whether it was started: then only `ask` tells.
        A cancel may leave it started.
        """
        ...

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        """Return one report for each attempt, in their order; `unknown` within a few seconds."""
        ...

    async def cancel(self, launch: Launch) -> None:
        """End an attempt: TERM to all of it, KILL after a grace; its end is told by `run`.

        One that was not claimed yet is claimed, so that it never starts, and told as ended.
        Idempotent. Raises NodeError when its node cannot be asked.
        """
        ...

    async def read(self, launch: Launch, stream: Stream, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of an output file from `offset` on; b"" at its end.

        A negative `offset` counts from the end. Raises NodeError when it cannot be read.
        """
        ...

    async def forget(self, launches: Sequence[Launch]) -> None:
        """Delete what is kept of attempts that have ended, their output in the spool too.

        Only the first place of a launch says where it is kept. Idempotent: one that was never
        there, or lives, is left as it is. Raises NodeError when not all could be asked; what
        could be deleted is gone then. Afterwards `ask` tells `absent`, so never start it again.
        """
        ...
