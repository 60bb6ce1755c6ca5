"""What sbatch is told of a request, and what of it Slurm has no words for. Pure.

Every task is a batch job of its own, with its id in `--comment`: so each can be found again,
cancelled and started anew alone. An attempt is started once, therefore `--no-requeue`: a new
attempt is made by our queue. How many run side by side is kept by our queue too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clsh.jobs.engine import Launch
    from clsh.jobs.engines._slurm.files import Files
    from clsh.jobs.model import After, Request

BEFORE_S = 60
"""How long before the time limit a job is told to write its checkpoint."""

_MB = 1 << 20
_AFTER: Mapping[After, str] = {"ok": "afterok", "notok": "afternotok", "any": "afterany"}


def options(
    launch: Launch,
    files: Files,
    nodes: Collection[str],
    living: Mapping[int, Sequence[int]],
    settings: Mapping[str, object],
) -> list[str]:
    """Return the options of sbatch; each is one word, so no text can be taken for another.

    `nodes` are all that Slurm has, `living` its ids of those of our jobs that have
    not ended.
    Raises RequestError for nodes that it does not have.
    """
    request = launch.request
    words = [
        f"--comment={launch.id}",
        f"--job-name={_name(request)}",
        f"--chdir={files.directory}",
        f"--output={files.output.for_slurm()}",
        f"--open-mode={'append' if launch.attempt > 1 else 'truncate'}",
        "--no-requeue",
        "--export=ALL",
        f"--cpus-per-task={request.slots}",
        *_shape(request),
    ]
    words += [
        f"--{name}={settings[name]}"
        for name in ("partition", "account", "qos")
        if settings.get(name)
    ]
    if files.error != files.output:
        words.append(f"--error={files.error.for_slurm()}")
    if files.input is not None:
        words.append(f"--input={files.input.for_slurm()}")
    if request.time_limit:
        words.append(f"--time={_minutes(request.time_limit)}")
    if request.priority < 0:
        words.append(f"--nice={-request.priority}")
    if request.restart == "own" and request.checkpoint_signal:
        words.append(f"--signal=B:{request.checkpoint_signal}@{BEFORE_S}")
    if after := dependency(request.after, living):
        words += [f"--dependency={after}", "--kill-on-invalid-dep=yes"]
    if request.nodes:
        words += _only(request.nodes, nodes)
    return words


def complaints(request: Request) -> list[str]:
    """Return what of a request has no equivalent in Slurm, in words."""
    found: list[str] = []
    if request.metric not in {"load", "free", "named"}:  # the first is nobody's wish
        found.append(tr("Slurm chooses nodes by what is free, not by their load"))
    if request.priority > 0:
        found.append(tr("Slurm lets users lower the priority of a job, not raise it"))
    if request.restart in {"criu", "dmtcp"}:
        found.append(tr("jobs in Slurm are not restarted from a checkpoint by CRIU or DMTCP"))
    if request.restart == "own" and request.checkpoint_signal and not request.time_limit:
        found.append(
            tr("Slurm sends the checkpoint signal before the time limit only, and there is none")
        )
    if request.time_limit % 60:
        found.append(tr("Slurm counts time limits in whole minutes; this one is rounded up"))
    if request.rss_limit and request.memory and request.rss_limit != request.memory:
        found.append(tr("Slurm has one figure for both memory and RSS limit: the RSS limit is it"))
    return found


def dependency(after: Sequence[tuple[int, After]], living: Mapping[int, Sequence[int]]) -> str:
    """Return the value of `--dependency`, "" when none of the jobs lives in Slurm.

    A job that has ended is no condition any more: our queue has seen how it ended.
    """
    ids = [
        (_AFTER[how], [str(one) for one in living[job]]) for job, how in after if living.get(job)
    ]
    if len(ids) == 1 and ids[0][0] == "afternotok":
        # One task that failed is enough; Slurm would wait for all of them to fail.
        return "?".join(f"afternotok:{one}" for one in ids[0][1])
    return ",".join(f"{how}:{':'.join(some)}" for how, some in ids)


def _name(request: Request) -> str:
    name = request.name or request.argv[0].rpartition("/")[2]
    return "".join(c if c.isprintable() else "?" for c in name)[:200] or "clsh"


def _shape(request: Request) -> list[str]:
    """Return how many tasks, where, and what each of them gets."""
    bytes_ = request.rss_limit or request.memory
    words: list[str] = []
    if request.kind != "parallel":
        words += ["--nodes=1", "--ntasks=1"]
        if bytes_:
            words.append(f"--mem={math.ceil(bytes_ / _MB)}M")
        if request.gpus:
            words.append(f"--gres=gpu:{request.gpus}")
        return words
    words.append(f"--ntasks={request.tasks}")
    if request.tasks_per_node:
        words.append(f"--nodes={math.ceil(request.tasks / request.tasks_per_node)}")
        words.append(f"--ntasks-per-node={request.tasks_per_node}")
    if bytes_:
        words.append(f"--mem-per-cpu={math.ceil(bytes_ / request.slots / _MB)}M")
    if request.gpus:
        words.append(f"--gpus-per-task={request.gpus}")
    return words


def _minutes(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 1440}-{minutes // 60 % 24:02}:{minutes % 60:02}:00"


def _only(wanted: Sequence[str], nodes: Collection[str]) -> list[str]:
    """Keep to some nodes: Slurm's `-w` would take all of them, so the others are left out."""
    if missing := [name for name in wanted if name not in nodes]:
        raise RequestError(
            "nodes", tr("Slurm has no node {name}", name=missing[0]), hint="sinfo -N"
        )
    if len(wanted) == 1:
        return [f"--nodelist={wanted[0]}"]
    others = [name for name in nodes if name not in wanted]
    return [f"--exclude={','.join(others)}"] if others else []
