"""What clsh.remote.transport promises of links that break and of nodes out of reach."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Command
from clsh.remote.transports.memory import Faults, Memory
from tests.contract import programs
from tests.contract.conftest import LOSABLE, SSH, descriptors
from tests.contract.test_transports import SLACK_S, Kept, Stuck, number, run, until
from tests.support.relay import Relay
from tests.support.sshd import Sshd, free_port, keygen, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clsh.remote.transport import Session, Transport, TransportOptions
    from tests.contract.conftest import Reach

losable = pytest.mark.parametrize("kind", LOSABLE, indirect=True)
over_ssh = pytest.mark.parametrize("kind", SSH, indirect=True)
as_me = pytest.mark.parametrize("kind", ["asyncssh", "openssh"], indirect=True)


async def talking(session: Session) -> tuple[asyncio.Task[object], Kept]:
    kept = Kept()
    task: asyncio.Task[object] = asyncio.create_task(session.run(Command(programs.TALK), kept))
    await kept.wait(b"line\n")
    return task, kept


@losable
async def test_a_cut_link_is_noticed_at_once(reach: Reach) -> None:
    session = await reach.open()
    task, kept = await talking(session)
    idle = asyncio.create_task(session.lost())
    await reach.cut()
    with pytest.raises(NodeLostError) as caught:
        async with asyncio.timeout(2 + SLACK_S):
            await task
    assert caught.value.node == reach.node.name
    assert caught.value.reason
    assert kept.out.startswith(b"line\n")
    assert (await asyncio.wait_for(idle, 1)).reason
    with pytest.raises(NodeLostError):
        await run(session, programs.TRUE)
    await session.signal("KILL")
    await session.aclose()


@losable
async def test_a_lost_node_can_be_opened_again(reach: Reach) -> None:
    first = await reach.open()
    if reach.kind == "container":  # a container that was killed stays away
        await first.aclose()
    else:
        await reach.cut()
    await asyncio.wait_for(first.lost(), 2)
    second = await reach.open()
    assert (await run(second, programs.BOTH))[1].out == b"a\xff\0b"


@as_me
async def test_a_dead_link_is_noticed_within_8_seconds(reach: Reach) -> None:
    session, idle = await reach.open(), await reach.open()
    task, kept = await talking(session)
    assert reach.relay is not None
    reach.relay.stall()
    seen = kept.out
    begun = time.monotonic()
    async with asyncio.timeout(8):
        with pytest.raises(NodeLostError):
            await task
        assert (await idle.lost()).node == reach.node.name
    assert time.monotonic() - begun > 3
    assert kept.out.startswith(seen)
    begun = time.monotonic()
    await session.aclose()
    await idle.aclose()
    assert time.monotonic() - begun < 2 + SLACK_S


@over_ssh
async def test_a_dead_link_does_not_hold_up_cancel_signal_and_close(reach: Reach) -> None:
    session = await reach.open()
    task, _ = await talking(session)
    assert reach.relay is not None
    reach.relay.stall()
    begun = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert time.monotonic() - begun < 0.3 + SLACK_S
    starting = asyncio.create_task(run(session, programs.TRUE))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    starting.cancel()
    await asyncio.wait([starting])
    assert time.monotonic() - begun < 0.3 + SLACK_S
    begun = time.monotonic()
    await session.aclose()
    assert time.monotonic() - begun < 3 + SLACK_S
    assert (await session.lost()).reason == "closed"


@over_ssh
async def test_a_close_does_not_overtake_a_kill(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()
    running = asyncio.create_task(session.run(Command(programs.STUBBORN.format(n=n)), kept))
    await kept.wait(b"ready")
    assert reach.relay is not None
    reach.relay.stall()
    running.cancel()
    await asyncio.wait([running])
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0.2)
    reach.relay.go_on()
    await closing
    assert await until(lambda: reach.alive(n) == 0)


@pytest.mark.parametrize("kind", ["asyncssh"], indirect=True)
async def test_a_cancel_in_the_moment_of_the_start_leaves_nothing(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = await reach.open()
    create, n = session._create, number()
    starting: list[asyncio.Task[object]] = []
    runs = asyncio.Event()

    async def cancelled_when_created(*args: object, **named: object) -> None:
        monkeypatch.undo()
        await create(*args, **named)
        await runs.wait()
        starting[0].cancel()

    monkeypatch.setattr(session, "_create", cancelled_when_created)
    work = session.run(Command(programs.STUBBORN.format(n=n)), Kept())
    starting.append(asyncio.create_task(work))
    assert await until(lambda: reach.alive(n) > 0)
    runs.set()
    await asyncio.wait(starting)
    assert starting[0].cancelled()
    await session.aclose()
    assert await until(lambda: reach.alive(n) == 0)


@over_ssh
async def test_a_slow_link_does_not_keep_a_command_alive(reach: Reach) -> None:
    session = await reach.open()
    n, kept = number(), Kept()
    running = asyncio.create_task(session.run(Command(programs.STUBBORN.format(n=n)), kept))
    await kept.wait(b"ready")
    assert reach.relay is not None
    reach.relay.stall()
    running.cancel()
    await asyncio.wait([running])
    reach.relay.go_on()
    assert await until(lambda: reach.alive(n) == 0)
    await session.aclose()


@as_me
async def test_a_busy_link_is_not_taken_for_dead(reach: Reach) -> None:
    session = await reach.open()
    assert reach.relay is not None
    reach.relay.slow(2_000_000)
    sink = Kept()
    how = await session.run(Command(programs.BIG), sink)
    assert how.code == 0
    assert len(sink.out) == 5_000_000


@over_ssh
async def test_output_before_the_loss_is_kept(reach: Reach) -> None:
    session = await reach.open()
    assert reach.relay is not None
    reach.relay.halve(1_000_000)
    sink = Kept()
    with pytest.raises(NodeLostError):
        await session.run(Command(programs.BIG), sink)
    assert 800_000 < len(sink.out) < 1_000_000


@over_ssh
async def test_a_slow_sink_gets_what_came_before_the_loss(reach: Reach) -> None:
    session = await reach.open()
    sink = Stuck()
    task = asyncio.create_task(session.run(Command(programs.BIG), sink))
    assert await until(lambda: sink.taken > 0)
    await asyncio.sleep(0.3)
    await reach.cut()
    await asyncio.wait_for(session.lost(), 2)
    before = sink.taken
    sink.room.set()
    with pytest.raises(NodeLostError):
        await asyncio.wait_for(task, 2)
    assert sink.taken > before


@as_me
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "nowhere.invalid"}, "name"),
        ({"port": "closed"}, "refused"),
    ],
)
async def test_why_a_node_is_unreachable(
    reach: Reach, fields: dict[str, object], words: str
) -> None:
    if fields.get("port"):
        fields = {"port": free_port()}
    reach.node = dataclasses.replace(reach.node, **fields)  # type: ignore[arg-type]  # by name
    with pytest.raises(UnreachableError, match=words) as caught:
        await reach.open()
    assert caught.value.node == reach.node.name


@as_me
async def test_a_silent_host_meets_the_deadline(reach: Reach) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reach.node = dataclasses.replace(reach.node, port=silent.getsockname()[1])
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match=r"timed out after 0\.5 s"):
            await reach.open(0.5)
        assert time.monotonic() - begun < 0.5 + 0.3 + SLACK_S


@as_me
async def test_a_cancelled_open_leaves_nothing(reach: Reach) -> None:
    assert reach.relay is not None
    assert reach.server is not None
    (await reach.open()).node  # noqa: B018 - what is shared is loaded now
    await reach.sessions.pop().aclose()
    assert await until(lambda: not reach.server.connections())  # type: ignore[union-attr]  # it has one
    before = descriptors()
    for after_s in (0.0, 0.002, 0.01, 0.03, 0.06):
        opening = asyncio.create_task(reach.transport.open(reach.node, 5))
        await asyncio.sleep(after_s)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled():
            await opening.result().aclose()
    assert await until(lambda: not reach.server.connections())  # type: ignore[union-attr]  # it has one
    assert await until(lambda: descriptors() <= before)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Sshd]:
    with running(tmp_path / "sshd") as server:
        yield server


@as_me
async def test_a_changed_host_key_is_refused(
    own_server: Sshd, build: Callable[[TransportOptions], Transport]
) -> None:
    for policy in ("accept-new", "strict"):
        transport = build(own_server.options(host_keys=policy))
        await (await transport.open(own_server.node(), 10)).aclose()
        await transport.aclose()
    await asyncio.to_thread(own_server.new_host_key)
    known = own_server.known_hosts.read_bytes()
    for policy in ("accept-new", "strict"):
        transport = build(own_server.options(host_keys=policy))
        with pytest.raises(UnreachableError, match="IDENTIFICATION HAS CHANGED") as caught:
            await transport.open(own_server.node(), 10)
        assert "ssh-keygen -R" in caught.value.hint
        await transport.aclose()
    assert own_server.known_hosts.read_bytes() == known
    assert b"Accepted publickey" not in own_server.log.read_bytes().rpartition(b"listening")[2]


@as_me
async def test_a_new_host_is_stored_or_refused(
    own_server: Sshd, build: Callable[[TransportOptions], Transport], tmp_path: Path
) -> None:
    known = tmp_path / "new" / "known_hosts"
    strict = build(own_server.options(host_keys="strict", known_hosts=str(known)))
    with pytest.raises(UnreachableError, match=r"(?i)host key.*not known|no .* host key"):
        await strict.open(own_server.node(), 10)
    await strict.aclose()
    assert not known.exists()
    if not known.parent.exists():
        known.parent.mkdir()
    known.write_text("# no newline at the end")
    transport = build(own_server.options(host_keys="accept-new", known_hosts=str(known)))
    sessions = await asyncio.gather(*(transport.open(own_server.node(), 10) for _ in range(3)))
    for session in sessions:
        await session.aclose()
    await transport.aclose()
    own_server.trust()
    lines = [line.split()[:3] for line in known.read_text().splitlines() if line[0] != "#"]
    assert lines == [own_server.known_hosts.read_text().split()[:3]] * len(lines)
    assert lines


@as_me
async def test_without_a_key_permission_is_denied(
    own_server: Sshd, build: Callable[[TransportOptions], Transport], tmp_path: Path
) -> None:
    other = keygen(tmp_path / "other")
    transport = build(own_server.options(identities=(str(other),)))
    with pytest.raises(UnreachableError, match="permission denied"):
        await transport.open(own_server.node(), 10)
    await transport.aclose()


@as_me
async def test_a_node_behind_a_jump_host(
    own_server: Sshd, sshd: Sshd, build: Callable[[TransportOptions], Transport], tmp_path: Path
) -> None:
    known = tmp_path / "known"
    known.write_text(own_server.known_hosts.read_text() + sshd.known_hosts.read_text())
    config = tmp_path / "config"
    config.write_text(
        f"UserKnownHostsFile {known}\nIdentityFile {own_server.identity}\n"
        f"Host 127.0.0.1\n  IdentityFile {sshd.identity}\n"
    )
    options = own_server.options(known_hosts=None, identities=(), ssh_config=str(config))
    transport = build(options)
    node = own_server.node(jump=f"{sshd.user}@127.0.0.1:{sshd.port}")
    sessions = await asyncio.gather(*(transport.open(node, 10) for _ in range(2)))
    for session in sessions:
        how, kept = await run(session, programs.BOTH)
        assert (how.code, kept.out) == (0, b"a\xff\0b")
        await session.aclose()
    closed = own_server.node("far", jump=f"127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match=r"(?i)refused|closed|jump"):
        await transport.open(closed, 10)
    await transport.aclose()


@pytest.mark.parametrize("kind", [k for k in LOSABLE if k == "container"], indirect=True)
async def test_containers_that_cannot_be_entered(reach: Reach) -> None:
    there = reach.node
    reach.node = dataclasses.replace(there, host="nobody")
    with pytest.raises(UnreachableError, match="no such container"):
        await reach.open()
    reach.node = dataclasses.replace(there, user="guest")
    _, kept = await run(await reach.open(), "id -un")
    assert kept.out == b"guest\n"
    reach.node = dataclasses.replace(there, options={"engine": "no-such-engine"})
    with pytest.raises(UnreachableError, match="no-such-engine is not installed"):
        await reach.open()


async def test_memory_fails_as_it_is_told() -> None:
    node = Node(node_name("m1"), "m1", transport="memory")
    memory = Memory(faults={"m1": Faults(refuse="refused")})
    with pytest.raises(UnreachableError, match="refused"):
        await memory.open(node, 1)
    memory.faults["m1"] = Faults(open_s=60)
    with pytest.raises(UnreachableError, match=r"timed out after 0\.05 s"):
        await memory.open(node, 0.05)
    for faults, reason in (
        (Faults(lose_after_bytes=5), "ended"),
        (Faults(stall_after_bytes=5, notice_s=0.05), "no answer"),
        (Faults(lose_after_s=0.03), "ended"),
    ):
        memory.faults["m1"] = faults
        if faults.lose_after_s:
            memory.default = programs.Twins()
        session, kept = await memory.open(node, 1), Kept()
        with pytest.raises(NodeLostError, match=reason):
            await session.run(Command(programs.TALK if faults.lose_after_s else "12345678"), kept)
        assert kept.out == (b"line\n" if faults.lose_after_s else b"12345")
        assert not memory.sessions


async def test_a_relay_passes_on_what_it_is_not_told_to_spoil(sshd: Sshd) -> None:
    async with Relay(sshd.port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert (await reader.readline()).startswith(b"SSH-2.0-OpenSSH")
        relay.stall()
        writer.write(b"SSH-2.0-x\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(10), 0.2)
        relay.go_on()
        assert await asyncio.wait_for(reader.read(10), 2)
        relay.cut()
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(reader.read(1000), 2):
                pass
        writer.close()
        assert relay.accepted == 1
