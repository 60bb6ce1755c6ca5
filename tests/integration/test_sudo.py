"""sudo on a node, by the real sudo behind a real sshd, as an ordinary user.

The users, the password and the sudoers file exist in a mount namespace of this sshd alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NotAllowedError
from clsh.remote import sudo
from clsh.remote.quoting import quote
from clsh.remote.sudo import SudoError, SudoSession
from clsh.remote.transport import Command, Exit
from clsh.remote.transports import asyncssh
from tests.support.sshd import ORDINARY, Sshd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from clsh.remote.transport import Session, Stream

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo"
)

PASSWORD = "open sesame!"
HASHED = (
    "$6$clshtest$Ru9fu6.YrG4wQmpJBHWpJnelr.dESoHHh1V0vsJBfgHWaYzF"
    "d6kDpMgCUnfvJPAq8Fr6hYrLPC6M87CSBEdOG1"
)
SUDOERS = f"""\
Defaults !syslog, timestamp_timeout=0, lecture=always, env_reset
{{more}}
root ALL=(ALL:ALL) ALL
{ORDINARY} ALL=(root) {{tag}} ALL
"""


@dataclass
class SudoSshd(Sshd):
    """An sshd whose ordinary user may use sudo, as the sudoers file says."""

    user: str = ORDINARY
    sudoers: str = field(default=SUDOERS)

    def _with_own_users(self, argv: list[str]) -> list[str]:
        argv = super()._with_own_users(argv)
        passwd = self.folder / "passwd"
        passwd.write_text(passwd.read_text().replace("$6$none", HASHED))
        self.policy = self.folder / "sudoers"
        self.policy.write_text(self.sudoers)
        self.policy.chmod(0o440)
        mount = shlex.join(["mount", "--bind", str(self.policy), "/etc/sudoers"])
        own = "mount -t tmpfs none /run/sudo && mount -t tmpfs none /var/lib/sudo"
        return [*argv[:-1], f"{own} && {mount} && {argv[-1]}"]


@pytest.fixture(scope="module", params=["", "Defaults use_pty"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SudoSshd]:
    made = SudoSshd(tmp_path_factory.mktemp("sudo"))
    made.sudoers = SUDOERS.format(more=request.param, tag="")
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def session(server: SudoSshd) -> AsyncIterator[Session]:
    async with opened(server) as session:
        yield session


@contextlib.asynccontextmanager
async def opened(server: SudoSshd) -> AsyncIterator[Session]:
    transport = asyncssh.build(server.options())
    session = await transport.open(server.node(), 10)
    yield session
    await session.aclose()
    await transport.aclose()


class Kept:
    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def write(self, stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            self.out += data
        else:
            self.err += data


async def given(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def until(condition: Callable[[], bool], limit_s: float = 2) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_password_is_given_and_the_command_runs(session: Session) -> None:
    kept = Kept()
    line = "id -un; echo $HOME; echo 'a  b' >&2; cat; exit 7"
    how = await SudoSession(session, PASSWORD).run(Command(line), kept, given(b"in", b"put"))
    assert how == Exit(status=7)
    assert kept.out == b"root\n/root\ninput"
    assert kept.err == b"a  b\n", "neither prompt nor lecture nor marks"


async def test_no_input_is_an_empty_one(session: Session) -> None:
    kept = Kept()
    assert await SudoSession(session, PASSWORD).run(Command("cat; id -u"), kept) == Exit(0)
    assert kept.out == b"0\n"


async def test_a_wrong_password_is_sent_once_and_said(session: Session) -> None:
    kept = Kept()
    asked = given(b"open sesame!\n" * 3)
    with pytest.raises(SudoError, match="node1 sudo: wrong password") as caught:
        await SudoSession(session, "wrong").run(Command("id"), kept, asked)
    assert isinstance(caught.value, NotAllowedError)
    assert caught.value.exit_code == 11
    assert (kept.out, kept.err) == (b"", b"")


async def test_another_user_may_not_be_asked_for(session: Session) -> None:
    with pytest.raises(SudoError, match="not allowed to execute"):
        await SudoSession(session, PASSWORD, "nobody").run(Command("id"), Kept())


async def test_without_a_password_sudo_says_what_it_wants(session: Session) -> None:
    with pytest.raises(SudoError, match="a password is required"):
        await SudoSession(session, None).run(Command("id"), Kept())


async def test_on_a_terminal(session: Session) -> None:
    kept = Kept()
    line = "id -un; tty >/dev/null && echo terminal"
    how = await SudoSession(session, PASSWORD).run(Command(line, tty=True), kept)
    assert how == Exit(0)
    assert kept.out == b"root\r\nterminal\r\n"


# A shell's trap may take two signals for one; this tells of each.
COUNTER = """
import os, signal
read, write = os.pipe()
os.set_blocking(write, False)
signal.signal(signal.SIGHUP, lambda *_: None)
signal.set_wakeup_fd(write)
os.write(1, b"ready")
while True:
    os.write(1, b"+" * len(os.read(read, 100)))
"""


async def test_signals_reach_what_runs_as_root_and_come_once(session: Session) -> None:
    as_root = SudoSession(session, PASSWORD)
    kept = Kept()
    line = quote(["python3", "-c", COUNTER])
    doing = asyncio.create_task(as_root.run(Command(line), kept))
    await until(lambda: b"ready" in kept.out)
    for count in range(1, 6):
        await as_root.signal("HUP")
        await until(lambda: kept.out.count(b"+") >= count)  # noqa: B023 - awaited here
        await asyncio.sleep(0.05)
    await as_root.signal("TERM")
    assert (await doing).code == 143
    assert kept.out == b"ready+++++"


@pytest.mark.parametrize("tty", [False, True])
async def test_a_cancel_kills_what_runs_as_root(session: Session, tty: bool) -> None:
    as_root = SudoSession(session, PASSWORD)
    kept = Kept()
    doing = asyncio.create_task(as_root.run(Command("sleep 4321 & echo $!; wait", tty=tty), kept))
    await until(lambda: b"\n" in kept.out)
    pid = int(kept.out)
    assert is_alive(pid)
    began = time.monotonic()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert time.monotonic() - began < 5
    await as_root.aclose()
    await until(lambda: not is_alive(pid))


async def test_sudo_that_does_not_ask_gets_no_password(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The command would read the password, if it were sent before the mark."""
    made = SudoSshd(tmp_path_factory.mktemp("nopasswd"))
    made.sudoers = SUDOERS.format(more="", tag="NOPASSWD:")
    await asyncio.to_thread(made.start)
    try:
        async with opened(made) as session:
            for password in (PASSWORD, None):
                kept = Kept()
                run = SudoSession(session, password).run(Command("cat"), kept, given(b"mine"))
                assert await run == Exit(0)
                assert (kept.out, kept.err) == (b"mine", b"")
    finally:
        await asyncio.to_thread(made.stop)


async def test_the_password_is_in_no_process_list(session: Session) -> None:
    seen: set[bytes] = set()

    async def look() -> None:
        while True:
            seen.update(await asyncio.to_thread(command_lines))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    for _ in range(5):
        await SudoSession(session, PASSWORD).run(Command("sleep 0.05"), Kept())
    looking.cancel()
    assert any(b"sudo" in line for line in seen), "the looking must see something"
    assert not any(b"sesame" in line for line in seen)


def command_lines() -> list[bytes]:
    lines: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return lines


async def test_a_sudo_that_asks_for_something_else(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudo, "START_S", 0.3)
    monkeypatch.setattr(sudo, "_OUTER", 'echo "One-time code:" >&2; exec sleep 100')
    began = time.monotonic()
    with pytest.raises(SudoError, match="One-time code:"):
        await SudoSession(session, PASSWORD).run(Command("id"), Kept())
    assert time.monotonic() - began < 5


async def test_endless_talk(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "_OUTER", "yes >&2")
    with pytest.raises(SudoError, match="endless talk"):
        await SudoSession(session, PASSWORD).run(Command("id"), Kept())


async def test_no_sudo_at_all(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "_OUTER", "exec sudo-that-is-not-there")
    with pytest.raises(SudoError, match="not found"):
        await SudoSession(session, PASSWORD).run(Command("id"), Kept())
    monkeypatch.setattr(sudo, "_OUTER", "exit 5")
    with pytest.raises(SudoError, match="sudo ended with 5"):
        await SudoSession(session, PASSWORD).run(Command("id"), Kept())
