"""Every field of the form: what Slurm's `scontrol show job` says of it, or who keeps it.

A new field without a row fails a test of tests/unit/jobs/engines/slurm/test_rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "/home/alice"


@dataclass(frozen=True)
class Row:
    """What a request has, and what scontrol then shows of it.

    `ours` says who keeps a field of which Slurm is told nothing; `refused` is what is said
    before submission of a value without equivalent.
    """

    fields: Mapping[str, Any]
    shows: Mapping[str, str] = field(default_factory=dict[str, str])
    ours: str = ""
    refused: tuple[tuple[Mapping[str, Any], str], ...] = ()


_PARALLEL = {"kind": "parallel", "tasks": 4, "tasks_per_node": 2}
ROWS = {
    "argv": Row({}, {"JobName": "true", "BatchFlag": "1", "Requeue": "0"}),
    "name": Row({"name": "mine"}, {"JobName": "mine"}),
    "kind": Row({**_PARALLEL}, {"NumTasks": "4", "NumNodes": "2"}),
    "directory": Row({"directory": "/tmp"}, {"WorkDir": "/tmp"}),
    "input": Row({"input": ".profile"}, {"StdIn": f"{HOME}/.profile"}),
    "output": Row({"output": "o.%j"}, {"StdOut": f"{HOME}/o.JOB"}),
    "error": Row({"error": "e.%t"}, {"StdErr": f"{HOME}/e.0"}),
    "environment": Row({"environment": {"A": "b"}}, ours="the script sets it"),
    "send": Row({}, ours="see test_files_are_sent_along"),
    "priority": Row(
        {"priority": -7}, {"Nice": "7"}, refused=(({"priority": 7}, "not raise it"),)
    ),
    "slots": Row({"slots": 3}, {"CPUs/Task": "3"}),
    "memory": Row({"memory": 64 << 20}, {"MinMemoryNode": "64M"}),
    "rss_limit": Row(
        {"rss_limit": 96 << 20, "memory": 0},
        {"MinMemoryNode": "96M"},
        refused=(({"rss_limit": 1 << 20, "memory": 2 << 20}, "one figure for both"),),
    ),
    "time_limit": Row(
        {"time_limit": 7260},
        {"TimeLimit": "02:01:00"},
        refused=(({"time_limit": 61}, "whole minutes"),),
    ),
    "gpus": Row({"gpus": 1}, {"TresPerNode": "gres:gpu:1"}),
    "tasks": Row({**_PARALLEL, "tasks": 3}, {"NumTasks": "3", "NumNodes": "2"}),
    "tasks_per_node": Row({**_PARALLEL, "tasks_per_node": 1}, {"NtasksPerN:B:S:C": "1:0:*:*"}),
    "once": Row({**_PARALLEL, "once": True}, {"NumTasks": "4", "NumNodes": "2"}),
    "array": Row({"kind": "batch", "array": (0, 5)}, ours="a job of Slurm for each index"),
    "metric": Row(
        {"metric": "free"},
        ours="Slurm chooses by what is free",
        refused=tuple(
            ({"metric": one}, "by what is free, not by their load")
            for one in ("queue", "load+memory", "round-robin")
        ),
    ),
    "nodes": Row({"nodes": ("node2",)}, {"ReqNodeList": "node2"}),
    "after": Row({}, ours="see test_a_job_waits_for_another"),
    "restart": Row(
        {"restart": "start"},
        {"Requeue": "0"},
        refused=(
            ({"restart": "criu"}, "CRIU or DMTCP"),
            ({"restart": "dmtcp"}, "CRIU or DMTCP"),
        ),
    ),
    "again": Row({"restart": "start", "again": 3}, {"Requeue": "0", "Restarts": "0"}),
    "restart_argv": Row({"restart": "own", "restart_argv": ("x",)}, ours="the script"),
    "checkpoint_signal": Row(
        {"restart": "own", "checkpoint_signal": "USR1", "time_limit": 600},
        ours="--signal is not shown by scontrol",
        refused=(({"restart": "own", "checkpoint_signal": "USR1"}, "before the time limit only"),),
    ),
    "notify": Row({"notify": ("a@b",)}, ours="our manager tells"),
    "held": Row({"held": True}, ours="our queue submits it when it is released"),
    "key": Row({"key": "k"}, ours="our queue"),
}  # fmt: skip
