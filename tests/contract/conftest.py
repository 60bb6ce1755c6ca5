"""One node for each transport, reached through a link that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base import plugins
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions
from clsh.remote.transports.memory import Memory
from tests.contract.programs import Twins
from tests.support.podman import Podman, available, podman
from tests.support.relay import Relay
from tests.support.sshd import Sshd, ordinary_sshd, sshd

if TYPE_CHECKING:
    from clsh.remote.transport import Session, Transport

__all__ = ["ordinary_sshd", "podman", "sshd"]  # fixtures

# A new transport is one more line here.
SSH = ("asyncssh", "asyncssh-ordinary", "openssh", "openssh-ordinary")
ALL = (*SSH, "local", *(["container"] if available() else []), "memory")
LOSABLE = tuple(kind for kind in ALL if kind != "local")


@dataclass
class Reach:
    """A node of one kind of transport, its transport, and what a test may do to the link."""

    kind: str
    transport: Transport
    node: Node
    alive: Callable[[str], int]
    cut: Callable[[], Awaitable[None]]
    relay: Relay | None = None
    server: Sshd | None = None
    sessions: list[Session] = field(default_factory=list)

    async def open(self, deadline_s: float = 10) -> Session:
        session = await self.transport.open(self.node, deadline_s)
        self.sessions.append(session)
        return session


def sleepers(number: str) -> list[int]:
    """Processes `sleep NUMBER` of this machine, those in its containers included."""
    wanted = f"sleep\0{number}\0".encode()
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == wanted:
                found.append(int(path.parent.name))
    return found


def sleeping(number: str) -> int:
    return len(sleepers(number))


def children() -> set[str]:
    """Processes that we started and that are not zombies."""
    found: set[str] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        pids: list[str] = []
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            pids = path.read_text().split()
        for pid in pids:
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
                if not stat.startswith("Z"):
                    found.add(pid)
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(params=ALL)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def build(kind: str) -> Callable[[TransportOptions], Transport]:
    """Make the transport; loaded outside the event loop, for asyncssh starts ldconfig then."""
    found: Callable[[TransportOptions], Transport]
    found = plugins.find("clsh.remote.transports", kind.partition("-")[0])
    return found


@pytest.fixture
def peer(kind: str, request: pytest.FixtureRequest) -> Sshd | Podman | None:
    """What the node is made of; started outside the event loop."""
    if kind in SSH:
        name = "ordinary_sshd" if kind.endswith("ordinary") else "sshd"
        server: Sshd = request.getfixturevalue(name)
        return server
    if kind == "container":
        engine: Podman = request.getfixturevalue("podman")
        return engine
    return None


@pytest.fixture
async def reach(
    kind: str,
    build: Callable[[TransportOptions], Transport],
    peer: Sshd | Podman | None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Reach]:
    """The node; afterwards no task, no process and no descriptor may be left."""
    await asyncio.to_thread(int)  # the threads of the pool are no leak
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(peer, Sshd):
            made = await _over_ssh(stack, kind, build, peer)
        elif isinstance(peer, Podman):
            transport = build(TransportOptions())
            made = await _in_container(stack, transport, peer, monkeypatch)
        else:
            made = _in_memory() if kind == "memory" else _here(build(TransportOptions()))
        before = asyncio.all_tasks(), children(), descriptors()
        yield made
        for session in made.sessions:
            await session.aclose()
        await made.transport.aclose()
        if made.relay is not None:
            made.relay.cut()  # what it still holds is its own
        await _nothing_left(*before)


async def _over_ssh(
    stack: contextlib.AsyncExitStack,
    kind: str,
    build: Callable[[TransportOptions], Transport],
    server: Sshd,
) -> Reach:
    relay = await stack.enter_async_context(Relay(server.port))
    known = server.known_at(relay.port)
    transport = build(server.options(known_hosts=str(known)))

    async def cut() -> None:
        relay.cut()

    return Reach(kind, transport, server.node(port=relay.port), sleeping, cut, relay, server)


async def _in_container(
    stack: contextlib.AsyncExitStack,
    transport: Transport,
    engine: Podman,
    monkeypatch: pytest.MonkeyPatch,
) -> Reach:
    monkeypatch.setenv("PATH", f"{engine.folder}/bin:{os.environ['PATH']}")
    await asyncio.to_thread(engine.run, "clsh1")
    stack.push_async_callback(asyncio.to_thread, engine.remove, "clsh1")
    node = Node(node_name("clsh1"), "clsh1", transport="container", options={"engine": "podman"})

    async def cut() -> None:
        await asyncio.to_thread(engine, "kill", "clsh1")

    return Reach("container", transport, node, sleeping, cut)


def _in_memory() -> Reach:
    twins = Twins()
    memory = Memory(default=twins)
    node = Node(node_name("m1"), "m1", transport="memory")

    async def cut() -> None:
        for session in list(memory.sessions):
            session.lose()

    return Reach("memory", memory, node, lambda n: int(n in twins.lives), cut)


def _here(transport: Transport) -> Reach:
    node = Node(node_name("here"), "here", transport="local")

    async def cut() -> None:
        raise AssertionError("this machine cannot be lost")

    return Reach("local", transport, node, sleeping, cut)


async def _nothing_left(tasks: set[asyncio.Task[object]], processes: set[str], files: int) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + 3
    while loop.time() < ends:
        left = {task for task in asyncio.all_tasks() - tasks if "Relay" not in repr(task)}
        left.discard(asyncio.current_task())
        if not left and children() <= processes and descriptors() <= files:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{left=} {children() - processes=} {descriptors() - files=}")
