"""A real Slurm on the demo's nodes: its controller in the head, a slurmd on each node.

    def test_x(slurm4):                      # the module's; leave no job in it
        slurm4.head("sinfo")

Each machine has a munged of its own, since one would take a credential that two nodes get for
a replayed one. All of it ends with the module, as the nodes are others' too who kill them, and
nothing of it is outside the demo.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.jobs.engine import EngineContext, Launch
from clsh.jobs.engines import slurm
from clsh.jobs.model import Request
from clsh.nodes.model import Node, node_name
from clsh.remote.quoting import quote
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from clsh.base.errors import NodeLostError
    from clsh.jobs.engine import Engine
    from clsh.remote.transport import Command, Exit, Session, SignalName, Sink
    from tests.support.demo import Demo

START_S = 30.0
FOLDER = "/shared/slurm"
# v2 of cgroups would look for a mount that a node does not have.
CONF = """\
ClusterName=demo
SlurmctldHost=head
SlurmUser=root
AuthInfo=socket=/etc/clsh-munge/socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile=/run/slurmd.pid
SlurmdLogFile=/run/slurmd.log
SlurmdSpoolDir=/var/spool/clsh-slurmd
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,sched_interval=1,batch_sched_delay=0,bf_interval=1
GresTypes=gpu
KillWait=2
MinJobAge=300
MaxArraySize=1001
ReturnToService=2
MessageTimeout=4
SlurmctldTimeout=60
SlurmdTimeout=60
MailProg=/bin/true
NodeName={nodes} CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=node1 MaxTime=5 State=UP
"""
_MUNGED = """\
set -e
mkdir -p -m 711 /etc/clsh-munge
cp {folder}/munge.key /etc/clsh-munge/key
chown -R munge: /etc/clsh-munge
chmod 400 /etc/clsh-munge/key
cd /etc/clsh-munge
runuser -u munge -- munged --force --socket=$PWD/socket --key-file=$PWD/key --pid-file=$PWD/pid \\
    --log-file=$PWD/log --seed-file=$PWD/seed --num-threads=1
mkdir -p /etc/slurm
cp {folder}/slurm.conf /etc/slurm/slurm.conf
echo CgroupPlugin=cgroup/v1 >/etc/slurm/cgroup.conf
"""

_END = """\
pid=$(cat {pid}) && rm {pid} && kill $pid || exit 0
for _ in $(seq 100); do
    kill -0 $pid 2>/dev/null || exit 0
    sleep 0.1
done
kill -9 $pid
"""


class Slurm:
    """Slurm on a demo cluster; the head submits."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        namespaces = ["--net", "--uts", "--ipc", "--pid", "--mount"]
        self.enter = ["nsenter", "--target", str(demo.head_pid()), *namespaces]
        self._conf = CONF.format(folder=FOLDER, nodes=",".join(demo.names))

    def start(self) -> None:
        self.head(f"mkdir -p -m 755 {FOLDER}/state; head -c 128 /dev/urandom >{FOLDER}/munge.key")
        self.head(f"cat >{FOLDER}/slurm.conf", self._conf)
        munged = _MUNGED.format(folder=FOLDER)
        for name in self.demo.names:
            self.demo.on(name, f"{munged}mkdir -p /var/spool/clsh-slurmd")
        self.head(f"{munged}slurmctld -c")
        for name in self.demo.names:
            self.demo.on(name, f"slurmd -N {name}")
        self.wait_for("sinfo -h -o %T", lambda text: set(text.split()) == {"idle"})

    def head(self, line: str, stdin: str = "", *, check: bool = True) -> str:
        """Run a line of shell in the head as root, as a process of the demo alone."""
        return subprocess.run(
            [*self.enter, "sh", "-c", line],
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
            timeout=50,
        ).stdout

    def wait_for(self, line: str, is_so: Callable[[str], bool], wait_s: float = START_S) -> str:
        """Run a line again and again until its output is so."""
        ends = time.monotonic() + wait_s
        while not is_so(text := self.head(line, check=False)):
            assert time.monotonic() < ends, f"{line}: {text}"
            time.sleep(0.05)
        return text

    def stop(self) -> None:
        """End all of it, so that it can be started again."""
        for name in self.demo.names:
            self.demo.on(name, _END.format(pid="/run/slurmd.pid"), check=False)
            self.demo.on(name, _END.format(pid="/etc/clsh-munge/pid"), check=False)
        self.head(_END.format(pid=f"{FOLDER}/slurmctld.pid"), check=False)
        self.head(_END.format(pid="/etc/clsh-munge/pid"), check=False)

    @contextlib.contextmanager
    def without_controller(self, options: str = "") -> Iterator[None]:
        """Slurm's head is away, the nodes go on; `-c` has it forget all jobs."""
        pid = self.head(f"cat {FOLDER}/slurmctld.pid").strip()
        self.head(f"kill {pid}")
        self.wait_for(f"kill -0 {pid} 2>&1 || :", lambda text: "No such process" in text)
        try:
            yield
        finally:
            self.head(f"slurmctld {options}")
            self.wait_for("sinfo -h -o %T", lambda text: bool(text) and "unk" not in text)

    def forget(self) -> None:
        """Have Slurm forget all jobs, as it does some time after they have ended."""
        with self.without_controller("-c"):
            pass

    def engine(self, user: str = "root", spool: str = "", **settings: object) -> Engine:
        """An engine whose submit host is the head, logged in as `user`."""
        return engine(self.enter, user, spool, None, **settings)

    def job(self, id_: str) -> dict[str, str]:
        """Return the fields that scontrol shows of the one job with this token."""
        (line,) = self.jobs(id_)
        pairs = (word.partition("=") for word in line.split())
        return {name: value for name, _, value in pairs}

    def jobs(self, id_: str) -> list[str]:
        """Return a line of scontrol for each job with this token."""
        lines = self.head("scontrol -o -a show job").splitlines()
        return [line for line in lines if f" Comment={id_} " in line]


def engine(
    enter: Sequence[str],
    user: str = "root",
    spool: str = "",
    sent: Callable[[str, str], Path] | None = None,
    **settings: object,
) -> Engine:
    node = Node(node_name("head"), "head")
    return slurm.build(
        EngineContext(
            SystemClock(),
            [node],
            Entering(enter, user),
            spool,
            {"host": "head", **settings},
            sent,
        )
    )


def launch(id_: str, *argv: str, owner: str = "alice", attempt: int = 1, **fields: Any) -> Launch:
    """An attempt whose id is `QUEUE-JOB.TASK.ATTEMPT`."""
    job, task, _ = id_.rpartition("-")[2].split(".")
    return Launch(id_, owner, int(job), int(task), attempt, Request(argv, **fields), ())


class Entering:
    """A transport whose node is the head: commands of this machine that enter it."""

    def __init__(self, enter: Sequence[str], user: str = "root") -> None:
        self._enter = [*enter, *(["runuser", "-u", user, "--"] if user != "root" else [])]
        self._local = local.build(TransportOptions())

    async def open(self, node: Node, deadline_s: float) -> Session:
        return Entered(await self._local.open(node, deadline_s), self._enter)

    async def aclose(self) -> None:
        await self._local.aclose()


class Entered:
    def __init__(self, session: Session, enter: Sequence[str]) -> None:
        self._session = session
        self._enter = enter

    @property
    def node(self) -> Node:
        return self._session.node

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        line = quote([*self._enter, "sh", "-c", command.line])
        return await self._session.run(replace(command, line=line), sink, stdin)

    async def signal(self, name: SignalName) -> None:
        await self._session.signal(name)

    async def lost(self) -> NodeLostError:
        return await self._session.lost()

    async def aclose(self) -> None:
        await self._session.aclose()


@contextlib.contextmanager
def running(demo: Demo) -> Iterator[Slurm]:
    """Slurm on a demo cluster, gone afterwards."""
    cluster = Slurm(demo)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def slurm4(demo4: Demo) -> Iterator[Slurm]:
    """A Slurm of four nodes with 4 cores and 2,000 MB each; the head submits."""
    with running(demo4) as cluster:
        yield cluster
