"""The openssh transport against real sshd: beyond what the contract suite asks of all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, cast

import asyncssh
import pytest

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote import sweep
from clsh.remote.transport import Command, Exit, TransportOptions
from clsh.remote.transports import _ssh_master, openssh
from clsh.remote.transports._mux_link import SESSIONS
from tests.support.masters import Kept, opened, said, transport
from tests.support.sshd import Sshd, free_port, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from clsh.remote.transport import Stream
    from clsh.remote.transports.openssh import OpenSshSession


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory below which control directories are made; a short name."""
    path = Path("/tmp", f"t{os.getpid()}-{tmp_path.name[-20:]}")
    path = tmp_path / "r" if len(str(tmp_path)) < 60 else path
    path.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


def children(pid: int | None = None) -> set[int]:
    tasks = Path(f"/proc/{pid or os.getpid()}/task").glob("*/children")
    return {int(word) for path in tasks for word in path.read_text().split()}


def left_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def modes_in(folder: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], limit_s: float = 5) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def far_pid(sink: Kept) -> int:
    async with asyncio.timeout(5):
        while b"\n" not in sink.stdout:
            sink.some.clear()
            await sink.some.wait()
    return int(sink.stdout.split()[0])


async def test_commands_and_what_is_left_behind(sshd: Sshd, runtime: Path) -> None:
    before = children()
    async with opened(sshd) as session:
        assert modes_in(runtime) == [0o700]
        sink = Kept()
        assert await session.run(Command("echo a; echo b >&2; exit 7"), sink) == Exit(status=7)
        assert (sink.stdout, sink.stderr) == (b"a\n", b"b\n")
        assert await session.run(Command("kill -9 $$"), Kept()) == Exit(signal="KILL")
        assert (await said(session, "stty size; tty", tty=True)).startswith("24 80\r\n/dev/")
        assert len(children() - before) == 2  # the guard and the master
    assert children() == before
    assert left_in(runtime) == []


async def test_more_commands_than_sshd_allows_wait_for_their_turn(sshd: Sshd) -> None:
    async with opened(sshd) as session:
        count = 3 * SESSIONS
        lines = (said(session, f"sleep 0.1; echo {number}") for number in range(count))
        assert await asyncio.gather(*lines) == [f"{number}\n" for number in range(count)]


async def test_a_channel_is_left_to_signal_a_full_connection(sshd: Sshd) -> None:
    async with opened(sshd) as session:
        lines = [asyncio.create_task(said(session, "sleep 60")) for _ in range(SESSIONS)]
        rest = asyncio.create_task(said(session, "echo next"))
        await until(lambda: len(session._running) == SESSIONS)
        async with asyncio.timeout(2):
            while not all(line.done() for line in lines):
                await session.signal("KILL")
            assert await rest == "next\n"


async def test_a_node_that_allows_fewer_sessions(tmp_path: Path) -> None:
    with running(tmp_path / "few", extra="MaxSessions 2") as server:
        async with opened(server) as session:
            lines = (said(session, f"sleep 0.05; echo {number}") for number in range(8))
            assert await asyncio.gather(*lines) == [f"{number}\n" for number in range(8)]


async def test_a_node_that_allows_no_session_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "none", extra="MaxSessions 0") as server:
        async with opened(server) as session:
            with pytest.raises(NodeLostError, match="no command can be started: open failed"):
                await session.run(Command("true"), Kept())


async def cancelled(session: OpenSshSession) -> tuple[int, int]:
    """Cancel one of two commands, return the process ids of both."""
    sinks = (Kept(), Kept())
    line = Command("echo $$; sleep 60; true")
    victim = asyncio.create_task(session.run(line, sinks[0]))
    first = await far_pid(sinks[0])
    other = asyncio.create_task(session.run(line, sinks[1]))
    second = await far_pid(sinks[1])
    victim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await victim
    await until(lambda: not is_alive(first), 2)
    assert is_alive(second)
    assert await said(session, "echo still here") == "still here\n"
    await session.signal("TERM")
    assert (await other).code in {143, 255}
    return first, second


async def test_a_cancel_kills_one_command_where_sshd_signals(ordinary_sshd: Sshd) -> None:
    async with opened(ordinary_sshd) as session:
        await cancelled(session)


async def test_a_cancel_kills_one_command_where_sshd_refuses(sshd: Sshd) -> None:
    async with opened(sshd) as session:
        await cancelled(session)


async def test_no_sweep_is_sent_where_sshd_signals(
    ordinary_sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> str:
        raise AssertionError("a sweep")

    monkeypatch.setattr(sweep, "script", refuse)
    monkeypatch.setattr(sweep, "listing", refuse)
    async with opened(ordinary_sshd) as session:
        await cancelled(session)


async def test_one_of_several_is_looked_for_again_and_may_end_meanwhile(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    picked: list[int | None] = []

    def pick(pids: list[int], position: int, living: int) -> int | None:
        picked.append(real(pids, position, living) if picked else None)
        return picked[-1]

    real = sweep.pick
    monkeypatch.setattr(sweep, "pick", pick)
    async with opened(sshd) as session:
        await cancelled(session)
        assert len(picked) == 2
        command = asyncio.create_task(said(session, "sleep 60"))
        await until(lambda: bool(session._running))
        monkeypatch.setattr(session, "_aside", ended_meanwhile(session))
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
        assert len(picked) == 2


def ended_meanwhile(session: OpenSshSession) -> Callable[[str], Awaitable[bytes]]:
    async def aside(_: str) -> bytes:
        session._running[0].ended = True
        return b""

    return aside


async def test_a_server_that_runs_nothing(sshd: Sshd) -> None:
    class Closed(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def session_requested(self) -> asyncssh.SSHServerSession[str]:
            return asyncssh.SSHServerSession()  # refuses shell, command and subsystem

    server = await asyncssh.create_server(
        Closed, "127.0.0.1", 0, server_host_keys=[str(sshd.host_key)]
    )
    node = sshd.node(port=server.get_port())
    try:
        async with opened(sshd, node, host_keys="off") as session:
            with pytest.raises(NodeLostError, match="the server does not run it"):
                await session.run(Command("true"), Kept())
    finally:
        server.close()
        await server.wait_closed()


async def test_a_sink_that_raises_ends_the_command(sshd: Sshd) -> None:
    class Full(Kept):
        def write(self, stream: Stream, data: bytes) -> None:
            super().write(stream, data)
            raise OSError("disk full")

    sink = Full()
    async with opened(sshd) as session:
        with pytest.raises(OSError, match="disk full"):
            await session.run(Command("echo $$; sleep 60; true"), sink)
        await until(lambda: not is_alive(int(sink.stdout)), 2)


async def test_a_sink_without_room_holds_the_node_back(sshd: Sshd) -> None:
    go = asyncio.Event()

    class Slow(Kept):
        taken = 0

        async def _room(self) -> None:
            await go.wait()

        def write(self, stream: Stream, data: bytes) -> object:  # type: ignore[override]  # slow
            self.taken += len(data)
            return None if go.is_set() else self._room()

    sink = Slow()
    async with opened(sshd) as session:
        line = Command("head -c 20000000 /dev/zero; echo done >&2")
        task = asyncio.create_task(session.run(line, sink))  # type: ignore[arg-type]  # slow
        await asyncio.sleep(0.5)
        queued = sum(
            len(getattr(event, "data", b""))
            for channel in session._running
            for event in channel._events
        )
        assert 0 < sink.taken + queued <= 256 * 1024
        go.set()
        assert (await task).status == 0
        assert sink.taken == 20_000_005


async def test_input_goes_in_as_it_is_taken(sshd: Sshd) -> None:
    given = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(200):
            given += 65536
            yield b"x" * 65536

    async with opened(sshd) as session:
        sink = Kept()
        assert (await session.run(Command("wc -c"), sink, much())).status == 0
        assert int(sink.stdout) == 200 * 65536
        given = 0
        await session.run(Command("exec 0<&-; sleep 0.2"), Kept(), much())
        assert 0 < given < 200 * 65536


async def test_input_that_fails_ends_the_command(sshd: Sshd) -> None:
    async def bad() -> AsyncIterator[bytes]:
        yield b"x"
        raise ValueError("bad input")

    async with opened(sshd) as session:
        with pytest.raises(ValueError, match="bad input"):
            await session.run(Command("cat; sleep 60"), Kept(), bad())


async def test_the_end_of_ssh_is_the_loss_of_the_node(sshd: Sshd, runtime: Path) -> None:
    before = children()
    async with opened(sshd) as session:
        command = asyncio.create_task(session.run(Command("sleep 60"), Kept()))
        await asyncio.sleep(0.1)
        os.kill(session._master.pid, signal.SIGKILL)
        async with asyncio.timeout(0.5):
            lost = await session.lost()
        assert str(lost) == "node1 connection lost: the ssh process has ended"
        with pytest.raises(NodeLostError, match="has ended"):
            await command
        with pytest.raises(NodeLostError, match="has ended"):
            await session.run(Command("true"), Kept())
        await session.signal("TERM")
        await session.aclose()
        await session.aclose()
        assert (await session.lost()).reason == "the ssh process has ended"
        assert len(children() - before) == 1
        assert len(left_in(runtime)) == 1
    assert left_in(runtime) == []


async def test_ssh_and_guard_that_do_not_end_are_killed(sshd: Sshd, runtime: Path) -> None:
    before = children()
    async with transport(sshd.options()) as made:
        stuck = cast("OpenSshSession", await made.open(sshd.node(), 10))
        assert stuck.node == sshd.node()
        os.kill(stuck._master.pid, signal.SIGSTOP)
        async with asyncio.timeout(1):
            await stuck.aclose()
        assert len(left_in(runtime)) == 1
        await made.open(sshd.node(), 10)
        assert made._guard is not None
        os.kill(made._guard._pid, signal.SIGSTOP)
    assert children() == before


async def test_a_node_that_hangs_up(tmp_path: Path) -> None:
    with running(tmp_path / "own") as server:
        async with opened(server) as session:
            waiting = [asyncio.create_task(said(session, "sleep 60")) for _ in range(SESSIONS + 5)]
            await asyncio.sleep(0.3)
            for pid in server.connections():
                os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(2):
                assert (await session.lost()).reason == "closed by the node"
                ends = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(end, NodeLostError) for end in ends)


async def test_a_silent_node_is_lost_by_keep_alive(tmp_path: Path) -> None:
    with running(tmp_path / "own") as server:
        async with opened(server, keepalive_s=1, keepalive_count=2) as session:
            pids = server.connections()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(5):
                    assert (await session.lost()).reason == "no answer to keep-alive"
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)


async def test_sshd_that_asks_whether_we_live_gets_an_answer(tmp_path: Path) -> None:
    with running(tmp_path / "own", extra="ClientAliveInterval 1\nClientAliveCountMax 1") as server:
        async with opened(server, keepalive_s=60) as session:
            assert await said(session, "sleep 5; echo well") == "well\n"


async def test_closing_answers_those_who_wait(sshd: Sshd) -> None:
    async with opened(sshd) as session:
        command = asyncio.create_task(said(session, "sleep 60"))
        await asyncio.sleep(0.1)
        await session.aclose()
        with pytest.raises(NodeLostError, match="closed"):
            await command
        assert (await session.lost()).reason == "closed"


async def test_reasons_for_not_reaching_a_node(sshd: Sshd, tmp_path: Path) -> None:
    async def why(node: Node, deadline_s: float = 5, **fields: object) -> UnreachableError:
        async with transport(sshd.options(**fields)) as made:
            with pytest.raises(UnreachableError) as error:
                await made.open(node, deadline_s)
            return error.value

    refused = await why(sshd.node(port=free_port()))
    assert refused.reason == "connection refused"
    assert (await why(sshd.node(host="nowhere.invalid"))).reason.startswith("name not known")
    denied = await why(sshd.node(), identities=("/nowhere",))
    assert denied.reason.startswith("permission denied (publickey")
    unknown = await why(sshd.node(), known_hosts=str(tmp_path / "empty"))
    assert unknown.reason == "host key not known"
    assert "no file" in (await why(sshd.node(), ssh_config="/nowhere")).reason
    assert "bad host name" in (await why(sshd.node(host="-oProxyCommand=touch /tmp/x"))).reason
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        late = await why(sshd.node(port=mute.getsockname()[1]), 1)
        assert late.reason in {"timed out after 1 s", "Connection timed out during banner exchange"}


async def test_a_changed_key_is_refused_and_says_where(tmp_path: Path) -> None:
    with running(tmp_path / "own") as server:
        server.new_host_key()
        async with transport(server.options(host_keys="accept-new")) as made:
            with pytest.raises(UnreachableError, match="HAS CHANGED") as error:
                await made.open(server.node(), 5)
        assert f"({server.known_hosts}:1)" in error.value.reason
        assert "ssh-keygen -R" in error.value.hint
        async with opened(server, host_keys="off") as session:
            assert await said(session, "echo x") == "x\n"


async def test_without_ssh_there_is_a_hint(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(openssh, "_known_kex", tuple)
    async with transport(sshd.options()) as made:
        with pytest.raises(UnreachableError, match="no ssh on this machine") as error:
            await made.open(sshd.node(), 5)
        assert "--transport asyncssh" in error.value.hint


async def test_an_ssh_that_cannot_be_started_is_named(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    (tools / "ssh").write_text("not for people\n")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(openssh, "_known_kex", tuple)
    async with transport(sshd.options()) as made:
        with pytest.raises(UnreachableError, match=r"cannot start ssh: .*denied"):
            await made.open(sshd.node(), 5)


async def test_a_cancelled_open_leaves_nothing(sshd: Sshd, runtime: Path) -> None:
    before = children()
    async with transport(sshd.options()) as made:
        for pause_s in (0.001, 0.01, 0.03, 0.06):
            task = asyncio.create_task(made.open(sshd.node(), 5))
            await asyncio.sleep(pause_s)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).aclose()
        assert len(children() - before) <= 1
        assert len(left_in(runtime)) == 1  # the directory itself
    assert children() == before
    assert left_in(runtime) == []


async def test_a_configuration_with_a_mind_of_its_own(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host web\n HostName {sshd.address}\n Port {sshd.port}\n User {sshd.user}\n"
        f"IdentityFile {sshd.identity}\nUserKnownHostsFile {sshd.known_hosts}\n"
        "Host *\n ControlMaster auto\n ControlPath /nowhere/%C\n ControlPersist 10m\n"
        "RemoteCommand false\n RequestTTY force\n LogLevel QUIET\n LocalForward 1 a:1\n"
        "ForkAfterAuthentication yes\n BatchMode no\n StrictHostKeyChecking yes\n"
    )
    options = TransportOptions(ssh_config=str(config))
    async with transport(options) as made:
        session = await made.open(Node(node_name("n"), "web"), 10)
        assert await said(cast("OpenSshSession", session), "echo x") == "x\n"
        assert is_alive(cast("OpenSshSession", session)._master.pid)  # it did not fork


async def test_a_jump_by_the_same_configuration(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"IdentityFile {sshd.identity}\nUserKnownHostsFile {sshd.known_hosts}\nUser {sshd.user}\n"
        f"Host gate\n  HostName {sshd.address}\n  Port {sshd.port}\n"
    )
    node = sshd.node(options={"config": str(config)}, jump="gate")  # type: ignore[arg-type]  # tests name the fields
    before = children()
    async with transport(TransportOptions()) as made:
        session = cast("OpenSshSession", await made.open(node, 10))
        assert len((await said(session, "echo $SSH_CONNECTION")).split()) == 4
        master = session._master.pid
        (jumper,) = children(master)
        await session.aclose()
        await until(lambda: not is_alive(jumper))
    assert children() == before


async def test_variables_that_the_configuration_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENT_IT", "one")
    config = tmp_path / "config"
    config.write_text("SendEnv SENT_*\nSetEnv SET_IT=two\nForwardAgent yes\n")
    with running(tmp_path / "own", extra="AcceptEnv SENT_* SET_*") as server:
        async with opened(server, ssh_config=str(config)) as session:
            assert await said(session, "echo $SENT_IT $SET_IT") == "one two\n"


@pytest.fixture
def killed(sshd: Sshd, runtime: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has connected and is waiting to be killed."""
    code = f"""
        import asyncio
        from clsh.nodes.model import Node
        from clsh.remote.transport import TransportOptions
        from clsh.remote.transports.openssh import build
        async def main():
            made = build({sshd.options()!r})
            session = await made.open({sshd.node()!r}, 10)
            print(session._master.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_ssh_does_not_outlive_us_when_we_are_killed(
    killed: subprocess.Popen[str], runtime: Path
) -> None:
    assert killed.stdout is not None
    master = int(killed.stdout.readline())
    assert is_alive(master)
    killed.kill()
    killed.wait()
    for _ in range(200):
        if not is_alive(master) and not list(runtime.iterdir()):
            return
        os.sched_yield()
        signal.sigtimedwait([], 0.01)
    raise AssertionError("ssh or its directory is still there")


def test_where_control_directories_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad in ("/tmp/%h", "/" + "x" * 90, "/nowhere"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", bad)
        path = Path(_ssh_master._directory(executable=True))
        assert path.parent == Path("/tmp")
        path.rmdir()
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((0,) * 8 + (os.ST_NOEXEC, 255)))
    with pytest.raises(Exception, match="no directory") as error:
        _ssh_master._directory(executable=True)
    assert "TMPDIR" in error.value.hint  # type: ignore[attr-defined]  # a ClshError
