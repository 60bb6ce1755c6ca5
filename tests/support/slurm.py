"""A real Slurm on the demo's nodes: its controller in the head, a slurmd on each node.

    def test_x(slurm4):                      # the module's; leave no job in it
        slurm4.head("sinfo")

All of it ends with the module, as the nodes are others' too who kill them.
"""

from __future__ import annotations

import contextlib
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
from tests.support.slurm_daemons import FOLDER, START_S, Daemons

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from clsh.base.errors import NodeLostError
    from clsh.jobs.engine import Engine
    from clsh.remote.transport import Command, Exit, Session, SignalName, Sink
    from tests.support.demo import Demo


class Slurm(Daemons):
    """Slurm on a demo cluster; the head submits."""

    def __init__(self, demo: Demo) -> None:
        super().__init__(demo)
        self.demo = demo

    def wait_for_status(self, id_: str, wait_s: float = START_S) -> None:
        """Wait until the script of one of alice's attempts has left its status."""
        self.wait_for(f"cat /home/alice/.clsh/slurm/{id_}/claim/status", bool, wait_s)

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

    @contextlib.contextmanager
    def short_memory(self) -> Iterator[None]:
        """Slurm forgets jobs 2 s after their end, as it does by itself."""
        self._keep_for(2)
        try:
            yield
        finally:
            self._keep_for(300)

    def _keep_for(self, seconds: int) -> None:
        line = f"sed -i s/^MinJobAge=.*/MinJobAge={seconds}/ /etc/slurm/slurm.conf"
        self.head(f"{line} && scontrol reconfigure")

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
