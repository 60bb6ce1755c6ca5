"""Servers and commands that fail while they are told of alerts: bounded, told, no secret logged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.alerts import Alert, Turn
from clsh.monitor.notify import Notifier, program, way, webhook
from clsh.monitor.settings import Mail, Program, Webhook
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from tests.support.clocks import Running
from tests.support.letterbox import Grumpy, grumpy, mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clsh.monitor.model import Health
    from clsh.monitor.settings import Channel

SECRET = "hunter2-is-secret"


class Case:
    """A notifier of one channel, and what it says of itself."""

    def __init__(self, channel: Channel, *, tries: int = 2) -> None:
        self.health: list[Health] = []
        self._came = asyncio.Event()
        self._channel = channel.name
        self._notifier = Notifier(
            {channel.name: channel},
            "grid",
            Running(),
            self._tell,
            local.build(TransportOptions()),
            group_s=0,
            pauses_s=(0.01,) * (tries - 1),
        )

    def _tell(self, health: Health) -> None:
        self.health.append(health)
        self._came.set()

    def put(self) -> None:
        alert = Alert("silent", "c", "n1", "", None, 0, "critical", "silent: gone")
        self._notifier.put([Turn(alert, firing=True, channels=(self._channel,))])

    async def told(self, count: int) -> list[str]:
        """Wait for what is said that often; return the reasons."""
        async with asyncio.timeout(15):
            while len(self.health) < count:
                self._came.clear()
                await self._came.wait()
        return [one.reason for one in self.health]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._notifier.run())
        self.put()
        yield
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def mail(box: Grumpy, tmp_path: Path) -> Mail:
    password = tmp_path / "password"
    password.write_text(SECRET)
    password.chmod(0o600)
    return Mail(
        "ops", "127.0.0.1", "clsh@x.org", ("a@x.org",), box.port,
        user="u", password_file=str(password),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("at", "answer", "why"),
    [
        ("", "554 no mail here", "SMTPConnectError"),
        ("AUTH", "535 wrong user or password", "SMTPAuthenticationError"),
        ("MAIL", "550 not you", "SMTPSenderRefused"),
        ("RCPT", "550 nobody of that name", "SMTPRecipientsRefused"),
        ("DATA", "452 the disk is full", "SMTPDataError"),
        ("EHLO", None, "SMTPServerDisconnected"),
    ],
)
async def test_mail_that_is_refused(
    at: str, answer: str | None, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with grumpy(at, answer) as box:
        case = Case(mail(box, tmp_path))
        async with case.running():
            reasons = await case.told(2)
        assert box.asked == 2
    assert all(reason.startswith(why) for reason in reasons), reasons
    assert not any(one.ok for one in case.health)
    assert SECRET not in caplog.text + "".join(reasons)


async def test_mail_after_the_server_is_well_again(tmp_path: Path) -> None:
    async with grumpy("RCPT", "451 later") as box:
        case = Case(mail(box, tmp_path))
        async with case.running():
            await case.told(1)
            box.answer = "250 ok"
            await case.told(2)
    assert [one.ok for one in case.health] == [False, True]


@pytest.mark.parametrize("answer", ["500 what?", "421 away", None])
async def test_mail_that_was_taken_is_not_sent_again(answer: str | None, tmp_path: Path) -> None:
    async with grumpy("QUIT", answer) as box:
        case = Case(mail(box, tmp_path))
        async with case.running():
            async with asyncio.timeout(10):
                while not box.letters:  # noqa: ASYNC110 - the box sets no event
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # it would be tried again after 0.01 s
    assert case.health == []
    assert (len(box.letters), box.asked) == (1, 1)


async def test_no_server_at_all() -> None:
    async with mailbox() as box:
        port = box.port
    for channel in (
        Mail("ops", "127.0.0.1", "clsh@x.org", ("a@x.org",), port),
        Webhook("ops", f"http://127.0.0.1:{port}/{SECRET}"),
    ):
        case = Case(channel)
        async with case.running():
            reasons = await case.told(2)
        assert all("Connection refused" in reason for reason in reasons)
        assert SECRET not in "".join(reasons)


async def test_a_password_that_cannot_be_read(tmp_path: Path) -> None:
    async with mailbox() as box:
        channel = Mail(
            "ops", "127.0.0.1", "clsh@x.org", ("a@x.org",), box.port,
            user="u", password_file=str(tmp_path / "none"),
        )  # fmt: skip
        case = Case(channel)
        async with case.running():
            (reason, *_) = await case.told(1)
    assert "FileNotFoundError" in reason
    assert box.letters == []


@pytest.mark.parametrize("trickles", [False, True])
async def test_a_webhook_that_hangs(
    trickles: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Saying nothing, and saying a little again and again, so that no timeout of its own helps."""
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(way, "LONGEST_S", 0.6)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n")
            while not over.is_set():
                if trickles:
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{SECRET}"
    case = Case(Webhook("ops", url), tries=5)
    async with server, case.running():
        reasons = await case.told(5)
        over.set()
    if trickles:
        assert reasons[:3] == ["OSError: it took longer than 0.6 s"] * 3
        assert reasons[3:] == ["OSError: 3 earlier tries have not ended yet"] * 2
    else:
        assert all("timed out" in reason for reason in reasons)
    assert SECRET not in caplog.text + "".join(reasons)


async def test_a_command_that_never_ends_and_one_that_cannot_be_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "TIMEOUT_S", 0.3)
    for argv, why in (
        (("sleep", "47.11"), "it took longer than 0.3 s"),
        (("/no/such/program",), "it ended with 127"),
        (("sh", "-c", f"yes {'x' * 200} | head -c 1000000; exit 4"), "it ended with 4: "),
    ):
        case = Case(Program("ops", argv))
        async with case.running():
            reasons = await case.told(2)
        assert all(why in reason for reason in reasons)
        assert all(len(reason) <= 500 for reason in reasons)
