"""The manager over a real Slurm and over the nodes themselves: `cl` says the same of both."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.manager import CL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.demo import Demo
    from tests.support.slurm import Slurm

pytestmark = [pytest.mark.namespaces, pytest.mark.timeout(110)]

WAIT_S = 60.0
CONFIG = """\
[manager]
listen = "127.0.0.1:0"
[monitor]
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
[clusters.demo]
nodes = "node[1-4]"
[jobs]
engine = "{engine}"
[jobs.slurm]
host = "local://"
path = "{path}"
"""
# It stops between the job that Slurm has and telling of it.
_SLOW = """\
#!/bin/sh
told=$(/usr/bin/sbatch "$@") || exit
touch {at}/sent
while [ ! -e {at}/go ]; do sleep 0.05; done
echo $told
"""
ACTS = (
    ("submit", "--json", "sh", "-c", "echo out; exit 3"),
    ("submit", "--json", "-a", "0-2", "true"),
    ("submit", "--json", "--hold", "sleep", "600"),
)


class Head:
    """A manager in the demo's head, as root there."""

    def __init__(self, demo: Demo, engine: str, path: str = "") -> None:
        self._demo = demo
        # A short name: the path of a socket has at most 107 bytes.
        self.at = Path(tempfile.mkdtemp(prefix="clsh-"))
        (self.at / "clsh.toml").write_text(CONFIG.format(engine=engine, path=path))
        self._env = {
            "CLSH_CONFIG": f"{self.at}/clsh.toml",
            "XDG_STATE_HOME": f"{self.at}/state",
            "XDG_RUNTIME_DIR": str(self.at),
            "LC_ALL": "C.UTF-8",
        }

    def cl(self, *words: str, code: int = 0) -> Any:
        """Run `cl`; returns what it says as JSON, or as text when that is none."""
        done = self._demo.run(CL, *words, env=self._env)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        if "--json" not in words:
            return done.stdout
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return told[0] if words[0] == "job" else told

    def pid(self) -> int:
        """Return the manager's; the head shares our pids when it runs `cl`."""
        done = self._demo.run(CL, "status", "--json", env=self._env)
        return int(json.loads(done.stdout)["pid"])

    def until(self, number: int, *states: str) -> Any:
        ends = time.monotonic() + WAIT_S
        while (told := self.cl("job", str(number), "--json"))["state"] not in states:
            assert told["state"] != "running" or told["tasks"][0]["nodes"], "it waits in Slurm"
            assert time.monotonic() < ends, (states, json.dumps(told))
            time.sleep(0.2)
        return told


@contextlib.contextmanager
def managing(demo: Demo, engine: str, path: str = "") -> Iterator[Head]:
    head = Head(demo, engine, path)
    head.cl("up")
    try:
        yield head
    finally:
        head.cl("down")
        shutil.rmtree(head.at)


def shape(value: Any) -> Any:
    """Return the names and kinds of what JSON has, without what they hold."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def acted(head: Head) -> dict[str, Any]:
    """Do everything that `cl` does with jobs, and return what it said."""
    said: dict[str, Any] = {}
    for number, words in enumerate(ACTS, 1):
        said[f"submit {number}"] = head.cl(*words)
    said["failed"] = head.until(1, "failed")
    said["batch"] = head.until(2, "done")
    said["held"] = head.until(3, "held")
    said["release"] = head.cl("release", "3", "--json")
    said["running"] = head.until(3, "running")
    said["cancel"] = head.cl("cancel", "3", "--json")
    said["cancelled"] = head.until(3, "cancelled")
    said["requeue"] = head.cl("requeue", "1", "--json")
    said["again"] = head.until(1, "failed")
    said["list"] = head.cl("jobs", "-a", "--json")
    assert "out\n" in head.cl("job", "1", "--follow", code=3)
    return said


def test_it_says_the_same_over_both(demo4: Demo, slurm4: Slurm) -> None:
    said = {}
    before = slurm4.head("squeue -h -t all -o %i").split()
    for engine in ("remote", "slurm"):
        with managing(demo4, engine) as head:
            said[engine] = acted(head)
        jobs = (line.split() for line in slurm4.head("squeue -h -t all -o '%i %j'").splitlines())
        names = [name for number, name in jobs if number not in before]
        assert sorted(names) == ([] if engine == "remote" else ["sh", "sh", "sleep", *["true"] * 3])
    for act, told in said["remote"].items():
        assert shape(said["slurm"][act]) == shape(told), act


def test_a_manager_killed_between_sbatch_and_the_record(demo4: Demo, slurm4: Slurm) -> None:
    at = "/shared/killed"
    slurm4.head(f"mkdir -p {at}; cat >{at}/sbatch; chmod 755 {at}/sbatch", _SLOW.format(at=at))
    with managing(demo4, "slurm", at) as head:
        head.cl("submit", "-J", "once", "sh", "-c", f"echo ran >>{at}/ran")
        slurm4.wait_for(f"ls {at}/sent", bool)
        pid = head.pid()
        manager = os.pidfd_open(pid)
        signal.pidfd_send_signal(manager, signal.SIGKILL)
        assert select.select([manager], [], [], WAIT_S)[0]
        os.close(manager)
        slurm4.head(f"touch {at}/go")
        head.cl("up")
        assert head.until(1, "done", "failed")["state"] == "done"
    assert slurm4.head("squeue -h -t all -n once -o %j") == "once\n"
    assert slurm4.head(f"cat {at}/ran") == "ran\n"
