"""The asyncssh transport against real sshd: agents, certificates, proxies, narrow servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from clsh.base.errors import NodeError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import Command, TransportOptions
from clsh.remote.transports._asyncssh.errors import explain, explain_loss
from clsh.remote.transports._asyncssh.session import SshSession, _Channel
from clsh.remote.transports.asyncssh import AsyncsshTransport, build
from tests.support.sshd import Sshd, free_port, keygen
from tests.unit.remote.transports.sinks import Kept, run, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from clsh.remote.transport import Session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "own"


@contextlib.asynccontextmanager
async def reached(options: TransportOptions, node: Node) -> AsyncIterator[Session]:
    transport = build(options)
    session = await transport.open(node, 10)
    try:
        yield session
    finally:
        await session.aclose()
        await transport.aclose()


@contextlib.asynccontextmanager
async def serving(folder: Path, extra: str = "") -> AsyncIterator[Sshd]:
    server = await asyncio.to_thread(Sshd, folder, extra=extra)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def refused(options: TransportOptions, node: Node) -> UnreachableError:
    transport = build(options)
    with pytest.raises(UnreachableError) as caught:
        await transport.open(node, 10)
    await transport.aclose()
    return caught.value


def sleeping(number: int) -> bool:
    return subprocess.run(["pgrep", "-x", "-f", f"sleep {number}"], check=False).returncode == 0


# Keys and certificates


@pytest.fixture
def agent(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An ssh-agent that holds the key of sshd's user, and another one."""
    path = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    while not os.path.exists(path):  # noqa: PTH110 - the same
        pass
    keys = [str(keygen(tmp_path / "other")), str(sshd.identity)]
    subprocess.run(["ssh-add", "-q", *keys], check=True)
    yield path
    process.terminate()
    process.wait()


async def test_the_agent_is_asked_once_for_all(sshd: Sshd, agent: str) -> None:
    transport = AsyncsshTransport(sshd.options(identities=()))
    sessions = await asyncio.gather(*(transport.open(sshd.node(f"n{n}"), 10) for n in range(5)))
    assert [(await run(s, "echo hi"))[1] for s in sessions] == [b"hi\n"] * 5
    assert len(transport._agents) == 1
    for session in sessions:
        await session.aclose()
    await transport.aclose()


async def test_identities_only_names_the_agents_key(sshd: Sshd, agent: str, tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.write_bytes(sshd.identity.with_suffix(".pub").read_bytes())
    config = tmp_path / "config"
    config.write_text(f"IdentitiesOnly yes\nIdentityFile {public}\n")
    options = sshd.options(identities=(), ssh_config=str(config))
    async with reached(options, sshd.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"
    config.write_text(f"IdentitiesOnly yes\nIdentityFile {tmp_path}/other.pub\n")
    assert "permission denied" in (await refused(options, sshd.node())).reason


async def test_an_agent_that_is_gone_does_not_matter(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", os.devnull)
    async with reached(sshd.options(), sshd.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"


@pytest.fixture
def certified(folder: Path) -> Iterator[Sshd]:
    """An sshd that takes and has certificates of one authority and no plain user key."""
    server = Sshd(folder)
    authority = keygen(folder / "authority")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test"]
    user = server.identity.with_suffix(".pub")
    subprocess.run([*sign, "-n", server.user, str(user)], check=True)
    host = server.host_key.with_suffix(".pub")
    subprocess.run([*sign, "-h", "-n", server.address, str(host)], check=True)
    server.authorized.write_text("")
    server.extra = (
        f"TrustedUserCAKeys {authority}.pub\nHostCertificate {folder}/host_key-cert.pub\n"
    )
    server.start()
    yield server
    server.stop()


async def test_certificates_of_users_and_hosts(certified: Sshd) -> None:
    authority = (certified.folder / "authority.pub").read_text()
    certified.known_hosts.write_text(f"@cert-authority [127.0.0.1]:* {authority}")
    async with reached(certified.options(), certified.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"
    # Its certificate is of no use to who does not know the authority: the plain key counts.
    certified.trust()
    async with reached(certified.options(), certified.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"


async def test_a_revoked_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    public = sshd.host_key.with_suffix(".pub").read_text()
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text() + f"@revoked * {public}")
    error = await refused(sshd.options(known_hosts=str(known)), sshd.node())
    assert error.reason == "host key is revoked"
    async with reached(sshd.options(known_hosts=str(known), host_keys="off"), sshd.node()):
        pass


async def test_a_host_that_lost_its_key_type_has_changed(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    other = keygen(tmp_path / "rsa", "-t", "rsa").with_suffix(".pub").read_text()
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    error = await refused(sshd.options(known_hosts=str(known)), sshd.node())
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in error.reason


async def test_known_under_an_alias(sshd: Sshd, tmp_path: Path) -> None:
    known, config = tmp_path / "known", tmp_path / "config"
    known.write_text(sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port}", "alias"))
    config.write_text("HostKeyAlias alias\n")
    options = sshd.options(known_hosts=str(known), ssh_config=str(config))
    async with reached(options, sshd.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"


async def test_a_key_that_cannot_be_stored_is_told(
    sshd: Sshd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    options = sshd.options(host_keys="accept-new", known_hosts=str(tmp_path / "file/known"))
    with caplog.at_level(logging.WARNING):
        async with reached(options, sshd.node()):
            pass
    assert "the key of 127.0.0.1 cannot be stored" in caplog.text


async def test_two_keys_under_one_name_at_once(sshd: Sshd, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("HostKeyAlias twins\n")
    async with serving(folder) as server:
        options = sshd.options(
            host_keys="accept-new",
            known_hosts=str(tmp_path / "known"),
            ssh_config=str(config),
            identities=(str(sshd.identity), str(server.identity)),
        )
        transport = build(options)
        opened = await asyncio.gather(
            transport.open(sshd.node("a"), 10), transport.open(server.node("b"), 10),
            return_exceptions=True,
        )  # fmt: skip
        failed = [error for error in opened if isinstance(error, UnreachableError)]
        assert len(failed) == 1
        assert "HAS CHANGED" in failed[0].reason
        for session in opened:
            if not isinstance(session, BaseException):
                await session.aclose()
        await transport.aclose()


# Passwords, with a server of asyncssh's own (sshd would need PAM)


class _Server(asyncssh.SSHServer):
    prompts: tuple[tuple[str, bool], ...] = (("Kennwort: ", False),)
    kbdint = True

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return not self.kbdint

    def validate_password(self, username: str, password: str) -> bool:
        return password == "secret"

    def kbdint_auth_supported(self) -> bool:
        return self.kbdint

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "", "", list(self.prompts)

    def validate_kbdint_response(
        self, username: str, responses: object
    ) -> bool | tuple[str, str, str, list[tuple[str, bool]]]:
        if not responses and not self.prompts:
            self.prompts = (("Kennwort: ", False),)
            return "", "", "", list(self.prompts)
        return responses == ["secret"]


@contextlib.asynccontextmanager
async def asking(folder: Path, **fields: object) -> AsyncIterator[tuple[Node, TransportOptions]]:
    kind = type("Server", (_Server,), fields)
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def answer(process: asyncssh.SSHServerProcess[str]) -> None:
        process.stdout.write("in\n")
        process.exit(0)

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=kind, server_host_keys=[key], process_factory=answer
    )
    node = Node(node_name("n"), "127.0.0.1", "bob", server.get_port())
    options = TransportOptions(
        ssh_config=os.devnull, known_hosts=str(folder / "known"), password="secret"
    )
    async with server:
        yield node, options


@pytest.mark.parametrize("fields", [{}, {"kbdint": False}, {"prompts": ()}])
async def test_a_password_answers(tmp_path: Path, fields: dict[str, object]) -> None:
    async with asking(tmp_path, **fields) as (node, options), reached(options, node) as session:
        assert (await run(session, "x"))[1] == b"in\n"


@pytest.mark.parametrize(
    "prompts",
    [
        (("Name: ", True),),
        (("Password: ", False), ("Code: ", False)),
    ],
)
async def test_other_questions_are_not_answered(
    tmp_path: Path, prompts: tuple[tuple[str, bool], ...]
) -> None:
    async with asking(tmp_path, prompts=prompts) as (node, options):
        error = await refused(options, node)
        assert error.reason == "permission denied for user bob"
        assert "--ask-pass" in error.hint


async def test_without_a_password_nothing_is_asked(tmp_path: Path) -> None:
    async with asking(tmp_path) as (node, options):
        bare = TransportOptions(ssh_config=os.devnull, known_hosts=options.known_hosts)
        assert "permission denied" in (await refused(bare, node)).reason
    async with asking(tmp_path, kbdint=False) as (node, options):
        wrong = TransportOptions(ssh_config=os.devnull, host_keys="off", password="wrong")
        assert "permission denied" in (await refused(wrong, node)).reason


# Servers that are narrow


async def test_fewer_sessions_than_usual_are_waited_for(folder: Path) -> None:
    async with (
        serving(folder, "MaxSessions 2") as server,
        reached(server.options(), server.node()) as session,
    ):
        done = await asyncio.gather(*(run(session, f"sleep 0.1; echo {n}") for n in range(6)))
        assert [out for _, out in done] == [b"%d\n" % n for n in range(6)]
        sinks, over = [Kept(), Kept()], asyncio.Event()

        async def later() -> AsyncIterator[bytes]:
            await over.wait()
            yield b"\n"

        long = Command("echo up; head -n 1")
        busy = [asyncio.create_task(session.run(long, sink, later())) for sink in sinks]
        assert await until(lambda: all(sink.out for sink in sinks))
        waiting = asyncio.create_task(run(session, f"touch {folder}/ran"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.wait([waiting])
        over.set()
        assert [how.code for how in await asyncio.gather(*busy)] == [0, 0]
        assert (await run(session, "echo hi"))[1] == b"hi\n"
        assert not (folder / "ran").exists()


async def test_short_commands_are_forgotten(sshd: Sshd) -> None:
    transport = AsyncsshTransport(sshd.options())
    session = await transport.open(sshd.node(), 10)
    assert isinstance(session, SshSession)
    await asyncio.gather(*(run(session, "exit 0") for _ in range(100)))
    early = _Channel(session, Kept())
    early.exit_status_received(0)  # it came with the answer to the request to start
    early.session_started()
    assert session.living == []
    assert session.opened == set()
    await session.aclose()
    await transport.aclose()


async def test_a_server_that_runs_nothing_says_so(folder: Path) -> None:
    async with (
        serving(folder, "MaxSessions 0") as server,
        reached(server.options(), server.node()) as session,
    ):
        with pytest.raises(NodeError, match="the node refuses to run commands"):
            await run(session, "true")


async def test_a_forced_command_is_killed_as_well(folder: Path) -> None:
    forced = 'ForceCommand sh -c "$SSH_ORIGINAL_COMMAND; exit"'
    async with (
        serving(folder, forced) as server,
        reached(server.options(), server.node()) as session,
    ):
        kept = Kept()
        command = Command("sleep 31991 & echo up; sleep 31992; wait")
        task = asyncio.create_task(session.run(command, kept))
        assert await until(lambda: kept.out)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(50):
            left = await asyncio.to_thread(lambda: sleeping(31991) or sleeping(31992))
            if not left:
                break
            await asyncio.sleep(0.02)
        assert not left


async def test_an_empty_line_is_no_shell(sshd: Sshd) -> None:
    async with reached(sshd.options(), sshd.node()) as session:

        async def tempting() -> AsyncIterator[bytes]:
            yield b"echo a shell\n"

        how, out = await asyncio.wait_for(run(session, "", tempting()), 5)
        assert (how.code, out) == (0, b"")
        assert (await run(session, "printf '\udcff\udc80'"))[1] == b"\xff\x80"


async def test_a_host_that_is_no_ssh_server(tmp_path: Path) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-1.0-old\r\n" if old else b"")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        options = TransportOptions(ssh_config=os.devnull, known_hosts=str(tmp_path / "k"))
        node = Node(node_name("n"), "127.0.0.1", "bob", port)
        old = False
        assert "closed the connection during login" in (await refused(options, node)).reason
        old = True
        assert "nsupported SSH version" in (await refused(options, node)).reason


async def test_a_bad_configuration_names_its_line(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("\nPort many\n")
    error = await refused(sshd.options(ssh_config=str(config)), sshd.node())
    assert f"{config} line 2" in error.reason
    error = await refused(sshd.options(kex="nonsense"), sshd.node())
    assert "none of the key exchanges 'nonsense'" in error.reason
    error = await refused(sshd.options(kex="diffie-hellman-group1-sha1"), sshd.node())
    assert re.search("no common key exchange|closed the connection", error.reason)  # who is first


# Ways to the node


@pytest.mark.parametrize("way", ["ProxyCommand", "Match final"])
async def test_what_only_asyncssh_itself_can_do(sshd: Sshd, tmp_path: Path, way: str) -> None:
    config = tmp_path / "config"
    nc = f"{shutil.which('busybox')} nc"
    config.write_text(
        f"ProxyCommand {nc} %h %p\n" if way == "ProxyCommand" else "Match final all\n  User root\n"
    )
    options = sshd.options(ssh_config=str(config))
    async with reached(options, sshd.node()) as session:
        assert (await run(session, "echo hi"))[1] == b"hi\n"
    strict = sshd.options(ssh_config=str(config), known_hosts=str(tmp_path / "none"))
    assert "host key not known" in (await refused(strict, sshd.node())).reason
    async with asyncio.timeout(10):
        while proxies := commands_of_proxies():  # noqa: ASYNC110 - a process tells nobody
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)  # its end is told to this loop before that is closed
    assert proxies == []


def commands_of_proxies() -> list[str]:
    """Return the `nc` that run below this process."""
    pids = [
        pid
        for path in Path("/proc/self/task").glob("*/children")
        for pid in path.read_text().split()
    ]
    names: list[str] = []
    for pid in pids:
        with contextlib.suppress(OSError):
            names.append(Path(f"/proc/{pid}/cmdline").read_text())
    return [name for name in names if "\0nc\0" in name]


async def test_two_jumps_and_a_jump_that_comes_back(sshd: Sshd, folder: Path) -> None:
    async with serving(folder) as server:
        known = folder / "all"
        known.write_text(server.known_hosts.read_text() + sshd.known_hosts.read_text())
        options = server.options(
            known_hosts=str(known), identities=(str(server.identity), str(sshd.identity))
        )
        transport = AsyncsshTransport(options)
        first = f"{sshd.user}@127.0.0.1:{sshd.port}"
        node = server.node(jump=f"{first},{server.user}@[127.0.0.1]:{server.port}")
        for _ in range(2):
            session = await transport.open(node, 10)
            assert (await run(session, "echo hi"))[1] == b"hi\n"
            assert len(transport._jumps) == 2
            for task in transport._jumps.values():  # the jump hosts are lost
                task.result().abort()
            assert (await asyncio.wait_for(session.lost(), 2)).node == "node1"
            await session.aclose()
        with pytest.raises(UnreachableError, match="jump host nowhere unreachable: name") as caught:
            await transport.open(server.node("n9", jump="nowhere"), 10)
        assert caught.value.node == "n9"
        with pytest.raises(UnreachableError, match=r"(?i)refused|failed"):
            await transport.open(server.node("n8", port=free_port(), jump=first), 10)
        stuck = asyncio.create_task(transport.open(server.node("n7", jump=first), 10))
        await asyncio.sleep(0)
        await transport.aclose()
        await asyncio.wait([stuck])


async def test_a_jump_host_may_change_its_key(sshd: Sshd, folder: Path, tmp_path: Path) -> None:
    known = tmp_path / "known"
    other = keygen(tmp_path / "other").with_suffix(".pub").read_text()
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    options = sshd.options(known_hosts=str(known))
    node = sshd.node("far", port=1, jump=f"127.0.0.1:{sshd.port}")
    error = await refused(options, node)
    assert "jump host 127.0.0.1" in error.reason
    assert "HAS CHANGED" in error.reason
    assert "ssh-keygen -R" in error.hint


def test_nothing_is_said_by_asyncssh_itself(sshd: Sshd, capfd: pytest.CaptureFixture[str]) -> None:
    async def once() -> None:
        async with reached(sshd.options(), sshd.node()) as session:
            await run(session, "true")

    asyncio.run(once())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "the node closed the connection"),
        (asyncssh.ConnectionLost("Connection lost"), "the connection ended"),
        (asyncssh.ConnectionLost("Server not responding to keepalive"), "no answer from the node"),
        (OSError(113, "No route to host"), "no route to host"),
        (asyncssh.ProtocolError("Too long"), "Too long"),
        (ValueError("odd"), "odd"),
    ],
)
def test_why_a_node_was_lost(error: Exception | None, reason: str) -> None:
    assert explain_loss(error) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "name not known"),
        (socket.gaierror(socket.EAI_AGAIN, "try later"), "name lookup failed: try later"),
        (OSError(113, "Connect call failed"), "no route to host"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"), "connection refused"),
        (OSError("odd"), "odd"),
        (asyncssh.HostKeyNotVerifiable("not trusted"), "not trusted"),
        (asyncssh.ConnectionLost("x"), "the node closed the connection during login"),
        (ValueError("bad key"), "bad key"),
    ],
)
def test_errors_in_words(error: Exception, reason: str) -> None:
    assert explain(error, None)[0] == reason
