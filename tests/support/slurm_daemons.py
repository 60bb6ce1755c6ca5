"""The daemons of a real Slurm on the nodes of a demo: for tests, and for the bench without pytest.

Each machine has a munged of its own, since one would take a credential that two nodes get for
a replayed one. Nothing of it is outside the demo.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
NodeName={nodes} CPUs=4 RealMemory=2000 Gres=gpu:2 State=UNKNOWN
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
printf "Name=gpu File=/dev/%s\\n" null zero >/etc/slurm/gres.conf
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


class Machines(Protocol):
    """The demo: the names of its nodes, and lines of shell run on them as root."""

    @property
    def names(self) -> Sequence[str]: ...

    def head_pid(self) -> int: ...

    def on(self, name: str, line: str, *, check: bool = True) -> str: ...


class Daemons:
    """Slurm on a demo cluster; the head submits."""

    def __init__(self, machines: Machines, conf: str = CONF) -> None:
        self.machines = machines
        namespaces = ["--net", "--uts", "--ipc", "--pid", "--mount"]
        self.enter = ["nsenter", "--target", str(machines.head_pid()), *namespaces]
        self._conf = conf.format(folder=FOLDER, nodes=",".join(machines.names))

    def start(self) -> None:
        self.head(f"mkdir -p -m 755 {FOLDER}/state; head -c 128 /dev/urandom >{FOLDER}/munge.key")
        self.head(f"cat >{FOLDER}/slurm.conf", self._conf)
        munged = _MUNGED.format(folder=FOLDER)
        for name in self.machines.names:
            self.machines.on(name, f"{munged}mkdir -p /var/spool/clsh-slurmd")
        self.head(f"{munged}slurmctld -c")
        for name in self.machines.names:
            self.machines.on(name, f"slurmd -N {name}")
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
        for name in self.machines.names:
            self.machines.on(name, _END.format(pid="/run/slurmd.pid"), check=False)
            self.machines.on(name, _END.format(pid="/etc/clsh-munge/pid"), check=False)
        self.head(_END.format(pid=f"{FOLDER}/slurmctld.pid"), check=False)
        self.head(_END.format(pid="/etc/clsh-munge/pid"), check=False)
