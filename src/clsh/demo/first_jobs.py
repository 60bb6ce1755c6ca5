"""Say which jobs a person sees first, one of each class; compile the program of the last.

The nodes have what this machine has: where it lacks Open MPI there is no job of ranks, and
where it lacks a compiler they say who they are instead of computing together.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from clsh.base.messages import tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.demo.cluster import Cluster, Status

USER = "alice"
"""Whose jobs they are where the nodes have users of their own: nobody needs root for jobs."""

PROGRAM = f"/home/{USER}/allreduce"
_COMPILE_S = 30.0
_MOST_RANKS = 4
_NAME = 'echo "task $CLSH_TASK_ID on $(uname -n)"'
_RANK = 'echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE on $(uname -n)"'


class First(NamedTuple):
    """Jobs as fields of the form, whose they are ("": who asks), and what is left out and why."""

    jobs: Sequence[Mapping[str, object]]
    owner: str
    left_out: str


def owner(status: Status) -> str:
    """Return whose jobs they are, "" for who asks."""
    return USER if status.flavour == "namespaces" else ""


def first_jobs(cluster: Cluster) -> First:
    """Return the jobs for a cluster that runs, the program of the parallel one compiled there."""
    status = cluster.running()
    user = owner(status)
    # In servers of our own the home of who asks is that of this machine, if there is one.
    where: Mapping[str, object] = {} if user else {"directory": "/"}
    jobs: list[dict[str, object]] = [
        {"name": "single", "argv": ["uname", "-n"], **where},
        {"name": "batch", "array": "1-8", "argv": ["sh", "-c", _NAME], **where},
    ]
    if not user:
        return First(jobs, "", tr("Ranks of MPI are left out: the nodes need sshd, thus root."))
    if not shutil.which("mpirun"):
        return First(jobs, user, tr("Ranks of MPI are left out: there is no mpirun here."))
    argv, told = _ranks(cluster)
    count = max(1, min(_MOST_RANKS, sum(status.nodes.values())))  # not those that are lost
    mpi = {"name": "mpi", "kind": "parallel", "tasks": count, "tasks_per_node": 1, "argv": argv}
    return First([*jobs, mpi], user, told)


def _ranks(cluster: Cluster) -> tuple[list[str], str]:
    """Return what each rank runs, and in words what is missing for more."""
    if not shutil.which("mpicc"):
        said = tr("There is no mpicc here: the ranks of MPI only say who they are.")
        return ["sh", "-c", _RANK], said
    source = (resources.files("clsh.demo") / "allreduce.c").read_bytes()
    # As the user: root writes nothing where others may plant links.
    line = ["runuser", "-u", USER, "--", "mpicc", "-x", "c", "-", "-o", PROGRAM]
    argv, environ = cluster.entered(line)
    try:
        done = subprocess.run(
            argv,
            input=source,
            env=environ,
            capture_output=True,
            timeout=_COMPILE_S,
            check=False,
            cwd=os.sep,
        )
        failed = done.stderr.decode(errors="replace").strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        failed = f"{_COMPILE_S:g} s"
    if not failed:
        return [PROGRAM], ""
    said = tr("mpicc failed ({reason}): the ranks of MPI only say who they are.", reason=failed)
    return ["sh", "-c", _RANK], said
