"""HyperQueue's server with four workers, told by lines of JSON what to submit.

A script for the environment that has the package `hyperqueue` and nothing of ours:
`hq_child.py DIRECTORY WORKERS CORES`. It ends with its standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def submit(hq: Any, client: Any, told: dict[str, Any]) -> None:
    """Submit jobs of one task each, or one job of all of them, and then who tells the time."""
    count = told["count"]
    per_job = count if told["array"] else 1
    for _ in range(count // per_job if count else 0):
        job = hq.Job(max_fails=None)
        for _ in range(per_job):
            job.program(["true"], stdout=None, stderr=None)
        client.submit(job)
    if told["file"]:
        job = hq.Job()
        line = f"date +%s.%N >{told['file']}"
        job.program(["sh", "-c", line], stdout=None, stderr=None, priority=-1)
        client.submit(job)


def main(directory: str, workers: str, cores: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # it prints where it listens
    hq = importlib.import_module("hyperqueue")
    config = importlib.import_module("hyperqueue.cluster").WorkerConfig(cores=int(cores))
    with hq.LocalCluster(directory) as cluster:
        for _ in range(int(workers)):
            cluster.start_worker(config)
        client = cluster.client()
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            submit(hq, client, json.loads(line))
            print("taken", file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
