"""Passwords reach ssh unseen, once, and only for what asks for a password."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, cast

import asyncssh
import pytest

from clsh.base.errors import UnreachableError
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import _ssh_master
from tests.support.masters import said, transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsh.remote.transports.openssh import OpenSshSession
    from tests.support.sshd import Sshd

PASSWORD = "très secret"


class PasswordServer(asyncssh.SSHServer):
    """Lets in who knows the password, by one of the two methods."""

    method = "password"
    asked = 0

    def password_auth_supported(self) -> bool:
        return self.method == "password"

    def kbdint_auth_supported(self) -> bool:
        return self.method == "keyboard-interactive"

    def validate_password(self, username: str, password: str) -> bool:
        type(self).asked += 1
        return (username, password) == ("bob", PASSWORD)

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return self.validate_password(username, responses[0])


def visible() -> Iterator[bytes]:
    """What /proc shows of all processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
@pytest.mark.parametrize("password", [PASSWORD, "mistaken"], ids=["right", "not"])
async def test_a_password_goes_to_ssh_unseen(
    method: str, password: str, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PasswordServer, "method", method)
    monkeypatch.setattr(PasswordServer, "asked", 0)

    def answer(process: asyncssh.SSHServerProcess[str]) -> None:
        process.stdout.write("in\n")
        process.exit(0)

    server = await asyncssh.create_server(
        PasswordServer, "127.0.0.1", 0, process_factory=answer,
        server_host_keys=[str(sshd.host_key)],
    )  # fmt: skip
    node = sshd.node(port=server.get_port(), user="bob")
    options = TransportOptions(password=password, host_keys="off", ssh_config=os.devnull)
    seen: list[bytes] = []

    async def look() -> None:
        while True:
            seen.extend(visible())
            await asyncio.sleep(0.005)

    looking = asyncio.create_task(look())
    try:
        async with transport(options) as made:
            if password != PASSWORD:
                with pytest.raises(UnreachableError, match="permission denied"):
                    await made.open(node, 10)
            else:
                session = cast("OpenSshSession", await made.open(node, 10))
                assert await said(session, "x") == "in\n"
    finally:
        looking.cancel()
        server.close()
        await server.wait_closed()
    assert PasswordServer.asked == 1
    assert any(b"CLSH_MASTER" in text for text in seen)
    assert not any(password.encode() in text for text in seen if b"CLSH_MASTER" in text)


@pytest.mark.parametrize(
    "prompt", ["Enter passphrase for key '/k': ", "continue connecting (yes/no)? ", "Enter PIN: "]
)
def test_other_questions_get_no_password(prompt: str, tmp_path: Path) -> None:
    script = tmp_path / "askpass"
    script.write_text(_ssh_master._ASKPASS)

    def ask(prompt: str, master: str) -> str:
        line = f'CLSH_MASTER={master}; export CLSH_MASTER; sh {script} "$1"'
        argv = ["sh", "-c", line + "; true", "sh", prompt]
        return subprocess.run(argv, input="word\n", capture_output=True, text=True).stdout

    assert ask("bob@n's password: ", "$$") == "word\n"
    assert ask("bob@n's password: ", "1") == ""
    assert ask(prompt, "$$") == ""


async def test_a_password_that_does_not_fit_is_refused(sshd: Sshd) -> None:
    async with transport(sshd.options(password="x" * 5000)) as made:
        with pytest.raises(UnreachableError, match="too long"):
            await made.open(sshd.node(), 5)
