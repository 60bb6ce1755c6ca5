"""Slurm as a contestant, with its default settings and tuned: slurmctld on the head, four slurmd.

What it keeps of jobs is on the same disk as ours, and its nodes have as many cores.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.support.slurm_daemons import CONF, FOLDER, Daemons

from bench.jobs.contestant import LIMIT_S, Cpu, told_at, until
from bench.jobs.ground import SLOTS, below, cpu_s
from clsh.demo import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.jobs.ground import Ground

_TUNED = re.compile(r"^SchedulerParameters=.*\n", re.MULTILINE)
_SCRIPTS = {
    "true": "#!/bin/sh\ntrue\n",
    "told": "#!/bin/sh\ndate +%s.%N >/shared/told\n",
}
_SBATCH = "sbatch -Q -o /dev/null --mem=100M"


class Shared:
    """The one Slurm of both contestants; `tuned` is how it runs now."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.tuned = True
        conf = CONF.replace("{folder}/state", str(ground.folder / "slurm"))
        self._conf = conf.replace("CPUs=4", f"CPUs={SLOTS}")
        self.daemons = Daemons(ground, self._conf)

    def start(self) -> None:
        """Start it; returns when all nodes are idle."""
        (self.ground.folder / "slurm").mkdir()
        self.daemons.start()
        for name, text in _SCRIPTS.items():
            self.daemons.head(f"cat >/shared/{name}.sh; chmod 755 /shared/{name}.sh", text)

    def tune(self, *, tuned: bool) -> None:
        """Give it the settings of jobs.md, or its own."""
        if tuned == self.tuned:
            return
        conf = self._conf if tuned else _TUNED.sub("", self._conf)
        text = conf.format(folder=FOLDER, nodes=",".join(self.ground.names))
        self.daemons.head("cat >/etc/slurm/slurm.conf; scontrol reconfigure", text)
        self.tuned = tuned
        time.sleep(1)

    def alice(self, line: str) -> str:
        """Run a line of shell in the head as alice."""
        argv = [*self.daemons.enter, "runuser", "-u", "alice", "--", "sh", "-c", line]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=LIMIT_S,
        )
        if done.returncode:
            raise SystemExit(f"bench: {line}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def empty(self) -> None:
        """Wait until no job is left."""
        until(lambda: not self.alice("squeue -h -o %i"), "Slurm has jobs left", 0.2)


class Slurm:
    """Slurm with one kind of settings. A Contestant."""

    def __init__(self, shared: Shared, *, tuned: bool) -> None:
        self.name = "slurm tuned" if tuned else "slurm default"
        self.count = 150 if tuned else 60
        self._shared = shared
        self._tuned = tuned

    def prepare(self) -> None:
        """Give Slurm these settings."""
        self._shared.tune(tuned=self._tuned)

    def dispatch(self, count: int, way: str) -> float | None:
        """See Contestant."""
        begun = time.perf_counter()
        if way == "array":
            self._shared.alice(f"{_SBATCH} -a 0-{count - 1} /shared/true.sh")
        elif way == "command":
            self._shared.alice(f"seq {count} | xargs -P 2 -I{{}} {_SBATCH} /shared/true.sh")
        else:
            return None
        self._shared.empty()
        return time.perf_counter() - begun

    def start(self, way: str) -> float | None:
        """See Contestant."""
        if way != "command":
            return None
        begun = time.time()
        self._shared.alice(f"{_SBATCH} /shared/told.sh")
        took_s = told_at(self._shared.ground.shared / "told") - begun
        self._shared.empty()
        return took_s

    def submit(self, count: int, way: str) -> float | None:
        """See Contestant."""
        if way not in {"array", "command"}:
            return None
        begun = time.perf_counter()
        if way == "array":
            self._shared.alice(f"{_SBATCH} -H -a 0-{count - 1} /shared/true.sh")
        else:
            self._shared.alice(f"seq {count} | xargs -I{{}} {_SBATCH} -H /shared/true.sh")
        took_s = time.perf_counter() - begun
        self._shared.alice("scancel -u alice")
        self._shared.empty()
        return took_s

    def cpu(self) -> Cpu | None:
        """See Contestant."""
        pids = below(self._shared.ground.head_pid())
        head = [pid for pid in pids if processes.words(pid)[:1] == ["slurmctld"]]
        return Cpu(cpu_s(pids), cpu_s(head))


@contextlib.contextmanager
def contestants(ground: Ground) -> Iterator[list[Slurm]]:
    """Start Slurm, and end it; none where it is not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    if not all(shutil.which(name, path=path) for name in ("slurmctld", "slurmd", "munged")):
        yield []
        return
    shared = Shared(ground)
    try:
        shared.start()
        yield [Slurm(shared, tuned=True), Slurm(shared, tuned=False)]
    finally:
        shared.daemons.stop()
