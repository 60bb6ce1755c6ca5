"""Jobs as values: what is asked for, what runs, what became of it. Pure.

A job is one request. It has tasks: a single or a parallel job has one, a batch has one for
each index of its array. Each time a task is started is an attempt of its own; an attempt is
started at most once. Times are Unix seconds, lengths seconds, sizes bytes; 0 and "" are
"not said" unless told otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["single", "batch", "parallel"]
"""single: one process. batch: independent tasks, an array. parallel: ranks of MPI that start
together, or not at all."""

Metric = Literal["load", "queue", "load+memory", "free", "round-robin", "named"]
"""How nodes are chosen: load average a core, runnable processes a core, load and memory
together, most free slots, in turn, or those that the request names, in their order."""

Restart = Literal["none", "start", "own", "criu", "dmtcp"]
"""After an attempt that was lost or killed: nothing, again from the start, by the job's own
checkpoint, or by one that CRIU or DMTCP made."""

After = Literal["ok", "notok", "any"]
"""A dependency is met when the other job is done, when it is not, or when it has ended."""

TaskState = Literal[
    "pending", "starting", "running", "unknown", "done", "failed", "cancelled", "lost"
]
"""pending: waits for a place. starting: its nodes are chosen and recorded, the node may have
claimed it; or an engine that chooses nodes itself has taken it, and chooses. running: the node
said so. unknown: its node cannot be asked; no second attempt is made. done, failed: it ended by
itself, with status 0 or another. cancelled: by its user. lost: its node
went down with it, or it vanished without a status."""

JobState = Literal["held", "waiting", "pending", "running", "done", "failed", "cancelled"]
"""Of all tasks together. waiting: for other jobs. running: at least one task runs, or its node
cannot be asked. failed: all have ended and one of them failed or was lost."""

ENDED: frozenset[TaskState] = frozenset({"done", "failed", "cancelled", "lost"})
PLACED: frozenset[TaskState] = frozenset({"starting", "running", "unknown"})


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for: the fields of the form, the same in `cl submit`, Python and the web.

    `argv` is run without a shell. `directory` must exist on the node ("": the owner's home).
    The files are relative to it and may hold `%j` (job), `%t` (task index), `%N` (node) and
    `%%`; an `output` or `error` of "" is kept in the spool, `error` equal to `output` is one
    file. `memory` and `gpus` are for each task, `slots` are cores for each task or rank.
    `tasks` is the number of ranks of a parallel job, with at most `tasks_per_node` on a node
    (0: as many as fit). With `once` its program is run on the first node alone, and starts the
    ranks itself, as a script with `mpirun` does. `array` are the indexes of a batch, `at_once` how
    many of them may run side by side (0: all). `key` is the client's: the same owner and key is
    the same job, so a submission may be repeated. `again` is how often a lost task is started
    anew without being asked (with `restart` other than none).
    """

    argv: tuple[str, ...]
    kind: Kind = "single"
    name: str = ""
    directory: str = ""
    input: str = ""
    output: str = ""
    error: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    send: tuple[str, ...] = ()
    priority: int = 0
    slots: int = 1
    memory: int = 0
    rss_limit: int = 0
    time_limit: int = 0
    gpus: int = 0
    tasks: int = 1
    tasks_per_node: int = 0
    once: bool = False
    array: tuple[int, ...] = ()
    at_once: int = 0
    metric: Metric = "load"
    nodes: tuple[str, ...] = ()
    after: tuple[tuple[int, After], ...] = ()
    restart: Restart = "none"
    again: int = 0
    restart_argv: tuple[str, ...] = ()
    checkpoint_signal: str = ""
    notify: tuple[str, ...] = ()
    held: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of an attempt, and how many ranks run on it (1 but for parallel jobs)."""

    node: str
    ranks: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a job: where it stands now.

    `attempt` counts from 1, 0 before the first. `places` are those of the latest attempt, the
    first of them starts it; `why` says in words how they were chosen, or why it waits.
    `status` is the exit status, or None with `signal` (`KILL`) when one ended it. `reason`
    says in words why it failed. `rss` is the highest that was seen.
    """

    job: int
    index: int
    state: TaskState = "pending"
    attempt: int = 0
    places: tuple[Place, ...] = ()
    why: str = ""
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    signal: str = ""
    reason: str = ""
    rss: int = 0
    cancelled: bool = False
    """Somebody asked for its end, which has not been seen yet."""
    queue: str = ""
    """The name of the queue that made the attempt, where that was not the one it is in now."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job without its tasks; `counts` says how many of them are in which state."""

    id: int
    owner: str
    request: Request
    state: JobState
    submitted: float
    started: float = 0.0
    ended: float = 0.0
    counts: Mapping[TaskState, int] = field(default_factory=dict["TaskState", int])
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Slots:
    """What a node has for jobs: cores, bytes of memory, GPUs; 0 bytes is not known."""

    node: str
    slots: int
    memory: int = 0
    gpus: int = 0


def attempt_id(queue: str, task: Task) -> str:
    """Return the name of an attempt, the same for ever and of no other: `q7f3a9c01-12.0.1`.

    `queue` is the random name that a queue got when it was made, so that the attempts of a
    queue that was lost are never taken for those of the next one. A queue that was restored
    from a backup has a new one, but for the attempts that it knows.
    """
    return f"{task.queue or queue}-{task.job}.{task.index}.{task.attempt}"
