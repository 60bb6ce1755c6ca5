"""What squeue, scontrol and sinfo print, of 22.05 and of 24.11 alike. Pure.

`--json` differs from version to version; formats of our own and `scontrol -o` do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.nodes.nodeset import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

# The comment is last: those of others may hold anything. Ours is `[A-Za-z0-9._-]`.
SQUEUE = "%A|%T|%r|%u|%N|%k"
SINFO = "%R|%N"

_LINE = re.compile(r"(\d+)\|([A-Z_]+)\|([^|]*)\|([^|]+)\|([^|]*)\|([A-Za-z0-9._-]+)\s*", re.ASCII)
_TASK = re.compile(r"([A-Za-z0-9_-]+)-(\d+)\.(\d+)\.(\d+)", re.ASCII)
_FIELD = re.compile(r"(?:^| )([A-Za-z/:]+)=(\S*)")
_LIVING = frozenset(
    {
        "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING",
        "STAGE_OUT", "RESIZING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as squeue tells it; `reason` is "" where Slurm says None."""

    job: int
    state: str
    reason: str
    owner: str
    nodes: tuple[str, ...]

    @property
    def lives(self) -> bool:
        """Whether it waits or runs."""
        return self.state in _LIVING


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended, by scontrol: status, or the number of the signal, and its limits."""

    status: int
    signal: int
    time_limit: str = ""
    memory: str = ""


def squeue(text: str) -> dict[tuple[str, str], list[Seen]]:
    """Return jobs by (owner, comment), in the order in which Slurm got them."""
    found: dict[tuple[str, str], list[Seen]] = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            job, state, reason, owner, nodes, token = match.groups()
            why = "" if reason in {"None", "(null)"} else reason
            seen = Seen(int(job), state, why, owner, _nodes(nodes))
            found.setdefault((owner, token), []).append(seen)
    for some in found.values():
        some.sort(key=lambda seen: seen.job)
    return found


def living_jobs(jobs: Mapping[tuple[str, str], list[Seen]], like: str) -> dict[int, list[int]]:
    """Return Slurm's ids of the living by our job, of the queue that made the id `like`."""
    mine = _TASK.fullmatch(like)
    found: dict[int, list[int]] = {}
    for (_, token), some in jobs.items():
        task = _TASK.fullmatch(token)
        if mine and task and task[1] == mine[1]:
            found.setdefault(int(task[2]), []).extend(seen.job for seen in some if seen.lives)
    return found


def scontrol(text: str) -> dict[int, Ended]:
    """Return by id how jobs ended, from lines of `scontrol -o show job`."""
    found: dict[int, Ended] = {}
    for line in text.splitlines():
        fields = dict(_FIELD.findall(line))
        code = re.fullmatch(r"(\d+):(\d+)", fields.get("ExitCode", ""))
        if fields.get("JobId", "").isdigit() and code:
            memory = fields.get("MinMemoryNode") or fields.get("MinMemoryCPU") or ""
            limit = fields.get("TimeLimit", "")
            found[int(fields["JobId"])] = Ended(int(code[1]), int(code[2]), limit, memory)
    return found


def sinfo(text: str) -> tuple[list[str], list[str]]:
    """Return the partitions and all nodes, each once, from lines of `partition|nodes`."""
    partitions: dict[str, None] = {}
    nodes: dict[str, None] = {}
    for line in text.splitlines():
        name, bar, some = line.partition("|")
        if bar:
            partitions[name] = None
            nodes.update(dict.fromkeys(_nodes(some)))
    return list(partitions), list(nodes)


def _nodes(text: str) -> tuple[str, ...]:
    try:
        return tuple(expand(text.strip())) if text.strip() else ()
    except UsageError:
        return (text.strip(),)
