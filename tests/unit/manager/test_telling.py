"""Notices of jobs by the channels of alerts: real servers take them."""

from __future__ import annotations

import email
import email.policy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from clsh.jobs.notices.notice import Facts, Message
from clsh.manager.telling import Channels
from clsh.monitor.settings import Mail, Program, Settings, Webhook
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from tests.support.letterbox import hooks, mailbox

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.monitor.settings import Channel

HERE = local.build(TransportOptions())
FACTS = Facts(
    "end", 12, None, "trainieren größer", "alice", "failed", 2e9, 1.9e9, 1.95e9, 3, "",
    "exit status 3", ("n1",),
)  # fmt: skip
MESSAGE = Message("q1-12-end-5", FACTS)


def channels(*given: Channel, names: tuple[str, ...] | None = None) -> Channels:
    settings = Settings(grid="lab\r\nX: y", notify={one.name: one for one in given})
    return Channels(settings, [one.name for one in given] if names is None else names, HERE)


async def letter(who: str, message: Message = MESSAGE) -> Any:
    async with mailbox() as box:
        mail = Mail("mail", "127.0.0.1", "clsh@lab.org", ("ops@lab.org", "two@lab.org"), box.port)
        await channels(mail).tell(who, message)
        assert len(box.letters) == 1
        text = box.letters[0].removesuffix(".\r\n")
    return email.message_from_string(text, policy=email.policy.default)


async def test_an_address_gets_mail() -> None:
    found = await letter("alice@example.org")
    assert found["To"] == "alice@example.org"
    assert found["From"] == "clsh@lab.org"
    assert found["Message-ID"] == "<q1-12-end-5@lab.org>"
    assert found["Subject"] == "[lab  X: y] job 12 (trainieren größer) failed: exit status 3"
    assert found["X"] is None
    body = found.get_content()
    for line in ("owner: alice", "exit: 3", "nodes: n1", "more: cl job 12"):
        assert line in body.splitlines()
    assert [word.partition(":")[0] for word in body.splitlines()[-5:]] == [
        "nodes", "submitted", "started", "ended", "more",
    ]  # fmt: skip


async def test_a_name_begins_no_header() -> None:
    facts = replace(FACTS, name="x\r\nBcc: eve@example.org\r\n\r\nhello", reason="\n\nBcc: eve@x")
    found = await letter("alice@example.org", Message("q1-1", facts))
    assert found["Bcc"] is None
    assert sorted(found.keys()) == sorted({
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    })  # fmt: skip


async def test_a_mail_channel_has_its_own_receivers() -> None:
    found = await letter("mail", Message("q1-2", replace(FACTS, event="begin")))
    assert found["To"] == "ops@lab.org, two@lab.org"
    assert not [one for one in found.get_content().splitlines() if one.startswith("ended")]


async def test_a_webhook_gets_json() -> None:
    with hooks() as posts:
        await channels(Webhook("chat", posts.url)).tell("chat", MESSAGE)
    assert posts.taken[0]["id"] == "q1-12-end-5"
    assert posts.taken[0]["state"] == "failed"


async def test_what_is_not_taken_is_an_error() -> None:
    with hooks() as posts:
        posts.answers = [500]
        with pytest.raises(OSError, match="500"):
            await channels(Webhook("chat", posts.url)).tell("chat", MESSAGE)


async def test_a_command_gets_variables_and_json(tmp_path: Path) -> None:
    script = f'echo "$CLSH_JOB_ID $CLSH_JOB_NAME" >{tmp_path}/out; cat >{tmp_path}/in'
    hostile = Message("q1-3", replace(FACTS, name="$(touch evil) `x` 'y'"))
    await channels(Program("page", ("sh", "-c", script))).tell("page", hostile)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "12 $(touch evil) `x` 'y'\n"
    assert json.loads((tmp_path / "in").read_text(encoding="utf-8"))["id"] == "q1-3"


async def test_only_what_was_opened_to_jobs() -> None:
    hook = Webhook("chat", "http://127.0.0.1:9/")
    mail = Mail("mail", "127.0.0.1", "clsh@lab.org", ("ops@lab.org",))
    some = channels(hook, mail, names=("chat",))
    assert some.refusal("chat") == ("", "")
    why, what = some.refusal("mail")
    assert why == "there is no channel 'mail' for jobs"
    assert what == "those that there are: chat; or a mail address"
    why, what = some.refusal("a@example.org")
    assert why == "this manager has no mail server for jobs"
    assert "[notify.mail]" in what
    assert "[jobs]" in what
    with pytest.raises(OSError, match="no mail server"):
        await some.tell("a@example.org", MESSAGE)
    assert channels(names=()).refusal("x")[1].startswith("those that there are: none")
    assert channels(hook, mail).refusal("a@example.org") == ("", "")
