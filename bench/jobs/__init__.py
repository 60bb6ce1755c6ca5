"""Jobs beside Slurm, task-spooler and HyperQueue, on one machine in one run."""

from bench.jobs.group import PARTS, run

__all__ = ["PARTS", "run"]
