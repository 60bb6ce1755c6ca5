"""Each engine over one node, with what the suite must know of it.

A new engine is one more line in MAKERS: a function that makes a `Bench` for a directory.
What an engine cannot do is left out by its flags, never by a skip.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.clock import SystemClock
from clsh.jobs.engine import EngineContext, Launch
from clsh.jobs.engines import remote
from clsh.jobs.engines._remote import link
from clsh.jobs.model import Place, Request
from clsh.nodes.model import Node, node_name
from clsh.remote.pool import Pool
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import asyncssh, local
from tests.support.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clsh.jobs.engine import Engine, Phase, Report
    from clsh.remote.transport import Transport
    from tests.support.sshd import Sshd

PATIENCE_S = 40
_NAMES = itertools.count(1)


@dataclass
class Bench:
    """An engine under test; `build` makes another one for the same nodes and spool.

    `cut` and `mend` lose its node and bring it back, None where it cannot be lost.
    """

    kind: str
    build: Callable[[], Engine]
    folder: Path
    owner: str = "root"
    nodes: tuple[str, ...] = ("here",)
    cut: Callable[[], None] | None = None
    mend: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    told: list[Report] = field(default_factory=list["Report"])

    def __post_init__(self) -> None:
        self.engine = self.build()
        self._running: asyncio.Task[None] | None = None
        self._came = asyncio.Event()

    def launch(self, *argv: str, name: str = "", **request: Any) -> Launch:
        request.setdefault("directory", str(self.folder))
        name = name or f"attempt-{next(_NAMES)}.0.1"
        places = tuple(Place(node) for node in self.nodes[:1])
        return Launch(name, self.owner, 7, 3, 1, Request(argv, **request), places)

    def sh(self, script: str, **request: Any) -> Launch:
        return self.launch("/bin/sh", "-c", script, **request)

    def run(self) -> None:
        self._running = asyncio.create_task(self.engine.run(self._tell))

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None

    async def again(self) -> None:
        """The head is started again: a new engine, which knows nothing."""
        await self.stop()
        self.told.clear()
        self.engine = self.build()
        self.run()

    async def ended(self, launch: Launch) -> Report:
        return await self.hears(launch, "ended", "lost", "refused")

    async def hears(self, launch: Launch, *phases: Phase) -> Report:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for report in self.told:
                    if report.id == launch.id and report.phase in phases:
                        return report
                self._came.clear()
                await self._came.wait()

    async def until(self, launch: Launch, phase: Phase) -> Report:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                report = await self.ask(launch)
                if report.phase == phase:
                    return report
                await asyncio.sleep(0.05)

    async def ask(self, launch: Launch) -> Report:
        (report,) = await self.engine.ask([launch])
        assert report.id == launch.id
        return report

    def _tell(self, report: Report) -> None:
        self.told.append(report)
        self._came.set()


def _remote(kind: str, folder: Path, node: Node, transport: Callable[[], Transport]) -> Bench:
    pools: list[Pool] = []

    def build() -> Engine:
        pools.append(Pool(transport()))
        spool = str(folder / "spool")
        return remote.build(EngineContext(SystemClock(), [node], pools[-1], spool))

    async def close() -> None:
        for pool in pools:
            await pool.aclose()

    return Bench(kind, build, folder, nodes=(str(node.name),), close=close)


@contextlib.asynccontextmanager
async def _over_local(folder: Path, server: Sshd | None) -> AsyncIterator[Bench]:
    node = Node(node_name("here"), "here", transport="local")
    yield _remote("remote-local", folder, node, lambda: local.build(TransportOptions()))


def _with_shell(name: str, shell: str) -> Maker:
    """The node's sh is another one."""

    @contextlib.asynccontextmanager
    async def make(folder: Path, server: Sshd | None) -> AsyncIterator[Bench]:
        usual, link.SHELL = link.SHELL, shell
        try:
            async with _over_local(folder, server) as bench:
                bench.kind = name
                yield bench
        finally:
            link.SHELL = usual

    return make


@contextlib.asynccontextmanager
async def _over_ssh(folder: Path, server: Sshd | None) -> AsyncIterator[Bench]:
    assert server is not None
    async with Relay(server.port) as relay:
        known = str(server.known_at(relay.port))
        node = server.node(port=relay.port)
        bench = _remote(
            "remote-ssh",
            folder,
            node,
            lambda: asyncssh.build(server.options(known_hosts=known)),
        )

        async def mend() -> None:
            await asyncio.sleep(0)

        bench.cut, bench.mend = relay.cut, mend
        yield bench
        if bench.close is not None:
            await bench.close()
            bench.close = None


Maker = Callable[["Path", "Sshd | None"], contextlib.AbstractAsyncContextManager["Bench"]]
MAKERS: dict[str, Maker] = {
    "remote-local": _over_local,
    "remote-ssh": _over_ssh,
    "remote-bash": _with_shell("remote-bash", "bash --posix"),
    "remote-busybox": _with_shell("remote-busybox", "busybox sh"),
}


@pytest.fixture(params=MAKERS)
def engine_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, engine_kind: str) -> Sshd | None:
    """The peer of those that need one; started outside the event loop."""
    if engine_kind != "remote-ssh":
        return None
    found: Sshd = request.getfixturevalue("sshd")
    return found


@pytest.fixture
async def bench(engine_kind: str, server: Sshd | None, tmp_path: Path) -> AsyncIterator[Bench]:
    async with MAKERS[engine_kind](tmp_path, server) as made:
        made.run()
        yield made
        await made.stop()
        if made.close is not None:
            await made.close()


async def all_of(*waits: Awaitable[Report]) -> Sequence[Report]:
    return await asyncio.gather(*waits)
