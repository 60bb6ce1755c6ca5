"""Child processes: terminals, how docker is called, what cannot be started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Command, Exit, TransportOptions
from clsh.remote.transports import container, local
from clsh.remote.transports._child import Child
from tests.unit.remote.transports.sinks import Kept, run, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def typed(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def test_a_terminal_takes_input_to_its_end() -> None:
    child, kept = Child(kept := Kept()), kept
    await child.start(
        ("sh", "-c", "stty -echo; echo up; cat"), feed=True, terminal=Command("", tty=True)
    )

    async def after_the_prompt() -> AsyncIterator[bytes]:
        assert await until(lambda: b"up" in kept.out)
        yield b"hello\n"

    how = await asyncio.wait_for(child.run(after_the_prompt()), 5)
    assert (how, kept.out) == (Exit(status=0), b"up\r\nhello\r\n")


async def test_a_terminal_that_is_not_read_stops_the_command() -> None:
    room = asyncio.Event()

    class Slow(Kept):
        async def write(self, stream: object, data: bytes) -> None:  # type: ignore[override]  # waits
            self.out += data
            await room.wait()

    child = Child(slow := Slow())
    await child.start(("seq", "200000"), feed=False, terminal=Command("", tty=True))
    running = asyncio.create_task(child.run(None))
    assert await until(lambda: slow.out)
    await asyncio.sleep(0.2)
    assert len(slow.out) < 300_000
    room.set()
    assert (await asyncio.wait_for(running, 10)).status == 0
    assert slow.out.count(b"\r\n") == 200_000


async def test_what_is_typed_too_fast_waits() -> None:
    child = Child(kept := Kept())
    line = b"x" * 1000 + b"\n"
    script = "stty -echo raw; sleep 0.3; head -c 2002000 | wc -c"
    await child.start(("sh", "-c", script), feed=True, terminal=Command("", tty=True))
    await asyncio.sleep(0.1)
    how = await asyncio.wait_for(child.run(typed(*[line] * 2000)), 10)
    assert (how.status, kept.out.strip()) == (0, b"2002000")


async def test_what_cannot_be_started() -> None:
    child = Child(kept := Kept())
    child.signal("KILL")  # nothing is there yet
    with pytest.raises(FileNotFoundError):
        await child.start(("/no/such/file",), feed=False)
    child = Child(kept)
    await child.start(("/no/such/file",), feed=False, terminal=Command("", tty=True))
    assert (await child.run(None)).status == 127
    assert b"not found" in kept.out


async def test_this_machine_is_entered_as_oneself_only() -> None:
    transport = local.build(TransportOptions())
    with pytest.raises(UnreachableError, match="not as somebody") as caught:
        await transport.open(Node(node_name("here"), "here", "somebody"), 1)
    assert "somebody@localhost" in caught.value.hint
    await transport.aclose()


# docker by a stand-in that shows how it is called


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that runs what is to be executed on this machine and notes its words."""
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    command.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{tmp_path}/calls\n'
        f"[ -e {tmp_path}/stopped ] && {{ echo 'Error: container c1 is not running' >&2; "
        "exit 1; }\n"
        'shift; while [ "$1" != c1 ]; do [ "$1" = -e ] && export "$2" && shift; shift; done\n'
        'shift; exec "$@"\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    return tmp_path


def node(user: str | None = None) -> Node:
    return Node(node_name("c1"), "c1", user, transport="container", options={"engine": "docker"})


async def test_how_docker_is_called(docker: Path) -> None:
    transport = container.build(TransportOptions())
    session = await transport.open(node("bob"), 10)
    assert await run(session, "cat", typed(b"in")) == (Exit(status=0), b"in")
    kept = Kept()
    await session.run(Command("exit 3", tty=True), kept)
    await session.aclose()
    await transport.aclose()
    calls = (docker / "calls").read_text().splitlines()
    assert calls[0].startswith("exec -i -e CLSH_RUN=")
    assert calls[0].endswith(" --user bob c1 sh -c echo clsh-ready; exec cat")
    assert calls[1].endswith(" --user bob c1 sh -c cat")
    assert calls[2].startswith("exec -it -e CLSH_RUN=")


async def test_a_container_that_does_not_run(docker: Path) -> None:
    (docker / "stopped").touch()
    with pytest.raises(UnreachableError, match="the container is not running"):
        await container.build(TransportOptions()).open(node(), 10)


async def test_a_container_that_hangs(docker: Path) -> None:
    (docker / "bin" / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(UnreachableError, match=r"timed out after 0\.2 s"):
        await container.build(TransportOptions()).open(node(), 0.2)
    assert await until(lambda: not our_children("sleep"))


async def test_a_container_that_begins_to_hang(docker: Path) -> None:
    session = await container.build(TransportOptions()).open(node(), 10)
    task = asyncio.create_task(run(session, "sleep 60"))
    await asyncio.sleep(0.2)
    (docker / "bin" / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    begun = time.monotonic()
    await session.signal("TERM")
    assert time.monotonic() - begun < 10
    task.cancel()
    await asyncio.wait([task])
    begun = time.monotonic()
    await session.aclose()
    assert time.monotonic() - begun < 10
    assert await until(lambda: not our_children("sleep"))


async def test_a_command_of_a_container_that_stops_under_it(docker: Path) -> None:
    session = await container.build(TransportOptions()).open(node(), 10)
    assert await until(lambda: our_children("cat"))
    watch = our_children("cat")[0]
    running = asyncio.create_task(run(session, "exit 137"))
    os.kill(watch, 9)
    with pytest.raises(NodeLostError, match="the container stopped"):
        await running
    with pytest.raises(NodeLostError):
        await run(session, "true")
    await session.signal("TERM")
    await session.aclose()


def our_children(name: str = "") -> list[int]:
    """The children of this process that are no zombies and have this name, or any."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in path.read_text().split():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text()
                if f"({name or ''}" in stat and not stat.rpartition(") ")[2].startswith("Z"):
                    found.append(int(pid))
    return found
