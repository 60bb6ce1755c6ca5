from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
import socket
import ssl
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.alerts import Alert, Turn
from clsh.monitor.notify import Notifier, mail, notifier, program, webhook
from clsh.monitor.notify.message import messages
from clsh.monitor.settings import Mail, Program, Webhook
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from tests.support.clocks import Running
from tests.support.letterbox import hooks, mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from clsh.monitor.model import Health
    from clsh.monitor.notify import Message
    from clsh.monitor.settings import Channel
    from tests.support.letterbox import Hooks

HERE = local.build(TransportOptions())


def turn(node: str, channel: str, text: str = "silent: gone") -> Turn:
    alert = Alert("silent", "can", node, "", None, 0, "critical", text)
    return Turn(alert, firing=True, channels=(channel,))


def message(text: str = "silent: gone") -> Message:
    return messages([turn("n1", "x", text)], "grid", 1e9)[0]


@pytest.fixture
def posts() -> Iterator[Hooks]:
    with hooks() as server:
        yield server


class Told:
    """A notifier that runs, and the health that it tells."""

    def __init__(self, channels: Mapping[str, Channel], group_s: float = 0.05) -> None:
        self.health: list[Health] = []
        self.changed = asyncio.Event()
        self.notifier = Notifier(
            channels, "grid", Running(), self._tell, HERE, group_s=group_s, pauses_s=(0.01, 0.01)
        )

    def _tell(self, health: Health) -> None:
        self.health.append(health)
        self.changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        task = asyncio.create_task(self.notifier.run())
        yield self.notifier
        task.cancel()
        await asyncio.wait({task})


async def until(told: Sequence[object] | Path, count: int) -> None:
    def size() -> int:
        return len(told) if not isinstance(told, Path) else told.exists() and told.stat().st_size

    async with asyncio.timeout(10):
        while await asyncio.to_thread(size) < count:  # noqa: ASYNC110 - threads and files tell
            await asyncio.sleep(0.01)


async def test_what_comes_together_is_one_post(posts: Hooks) -> None:
    told = Told({"ops": Webhook("ops", posts.url)}, group_s=0.2)
    async with told.running() as running:
        running.put([turn("n1", "ops"), turn("n2", "ops")])
        await asyncio.sleep(0.02)
        running.put([turn("n3", "ops")])
        await until(posts.taken, 1)
        running.put([turn("n4", "ops")])
        await until(posts.taken, 2)
    assert [post["text"] for post in posts.taken] == [
        "nodes n[1-3] of can lost",
        "node n4 of can lost (silent: gone)",
    ]
    assert told.health == []


async def test_a_failure_is_tried_again_and_told_until_it_is_mended(posts: Hooks) -> None:
    posts.answers = [500, 302]
    told = Told({"ops": Webhook("ops", posts.url)})
    async with told.running() as running:
        running.put([turn("n1", "ops")])
        await until(told.health, 3)
    assert len(posts.taken) == 3
    assert [one.ok for one in told.health] == [False, False, True]
    assert told.health[0].source == "notify ops"
    assert "500" in told.health[0].reason


async def test_after_three_tries_the_next_message_has_its_turn(
    posts: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    posts.answers = [500] * 3
    told = Told({"ops": Webhook("ops", posts.url)})
    async with told.running() as running:
        running.put([turn("n1", "ops")])
        await until(told.health, 3)
        running.put([turn("n2", "ops")])
        await until(told.health, 4)
    assert [post["nodes"] for post in posts.taken] == [["n1"]] * 3 + [["n2"]]
    assert [one.ok for one in told.health] == [False, False, False, True]
    assert "ops was not told: node n1" in caplog.text


async def test_a_channel_that_hangs_holds_up_no_other(posts: Hooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, answers none
        dead = f"http://127.0.0.1:{server.getsockname()[1]}/"
        channels = {"dead": Webhook("dead", dead), "ops": Webhook("ops", posts.url)}
        told = Told(channels)
        async with told.running() as running:
            running.put([turn("n1", "dead"), turn("n1", "ops")])
            await until(posts.taken, 1)


async def test_what_waits_is_bounded_and_what_is_dropped_is_told(
    posts: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", 2)
    told = Told({"ops": Webhook("ops", posts.url)})
    async with told.running() as running:
        running.put([turn(f"n{place}", "ops") for place in range(5)])
        await until(posts.taken, 1)
        await until(told.health, 4)
    assert posts.taken[0]["nodes"] == ["n0", "n1"]
    assert "others are dropped" in told.health[0].reason


async def test_mail(tmp_path: Path) -> None:
    async with mailbox() as box:
        channel = Mail("m", "127.0.0.1", "clsh@x.org", ("a@x.org", "b@x.org"), box.port)
        told = Told({"m": channel})
        async with told.running() as running:
            running.put([turn("n1", "m", "silent: 연결 끊김\r\nBcc: evil@x.org")])
            await until(box.letters, 1)
    letter = email.message_from_string(
        box.letters[0].removesuffix(".\r\n"), policy=email.policy.default
    )
    assert letter["to"] == "a@x.org, b@x.org"
    assert letter["bcc"] is None
    assert letter["subject"].startswith("[grid] critical firing: node n1 of can lost (silent: 연결")
    assert "nodes: n1" in letter.get_content()
    assert told.health == []


async def test_mail_with_login(tmp_path: Path) -> None:
    made = subprocess.run(  # noqa: ASYNC221 - nothing else runs yet
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", "key", "-out", "cert", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    async with mailbox(ours) as box:
        channel = Mail(
            "m", "127.0.0.1", "clsh@x.org", ("a@x.org",), box.port,
            starttls=True, user="u", password_file=str(password),
        )  # fmt: skip
        trusting = ssl.create_default_context(cafile=tmp_path / "cert")
        await asyncio.to_thread(partial(mail.send, channel, message(), trusting))
        assert (len(box.letters), len(box.logins), box.encrypted) == (1, 1, [True])
        with pytest.raises(OSError, match="certificate verify failed"):
            await asyncio.to_thread(mail.send, channel, message())
        password.chmod(0o640)
        with pytest.raises(PermissionError, match="chmod 600"):
            await asyncio.to_thread(mail.send, channel, message())


async def test_a_command_gets_json_and_variables(tmp_path: Path) -> None:
    out = tmp_path / "a b'c"
    channel = Program(
        "run", ("sh", "-c", 'cat >"$1"; echo "$CLSH_ALERT_TEXT" >>"$1"', "x", str(out))
    )
    await program.send(channel, message("$(touch evil) `x` 'y'"), HERE)
    decoded, end = json.JSONDecoder().raw_decode(out.read_text())
    assert out.read_text()[end:] == "node n1 of can lost ($(touch evil) `x` 'y')\n"
    assert decoded["nodes"] == ["n1"]


async def test_a_command_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="it ended with 3: no paper"):
        await program.send(Program("r", ("sh", "-c", "echo no paper; exit 3")), message(), HERE)
    with pytest.raises(OSError, match="it ended with 1"):
        await program.send(Program("r", ("false",)), message(), HERE)
    monkeypatch.setattr(program, "TIMEOUT_S", 0.1)
    with pytest.raises(OSError, match=r"longer than 0.1 s"):
        await program.send(Program("r", ("sleep", "9")), message(), HERE)


async def test_commands_go_through_the_queue_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = Told({"r": Program("r", ("sh", "-c", 'cat >"$1"', "x", str(out)))})
    async with told.running() as running:
        running.put([turn("n1", "r")])
        await until(out, 1)
    assert told.health == []


async def test_without_a_way_to_this_machine_a_command_fails() -> None:
    health: list[Health] = []
    told = Notifier(
        {"r": Program("r", ("true",))}, "g", Running(), health.append, group_s=0, pauses_s=()
    )
    task = asyncio.create_task(told.run())
    told.put([turn("n1", "r")])
    await until(health, 1)
    task.cancel()
    await asyncio.wait({task})
    assert health[0].reason == "OSError: commands cannot be run here"


def test_a_redirect_is_not_followed(posts: Hooks) -> None:
    posts.answers = [307]
    with pytest.raises(OSError, match="307"):
        webhook.send(Webhook("ops", posts.url), message())
    assert len(posts.taken) == 1
