"""Tell people of their jobs by the channels that alerts go by, as far as jobs may use them.

A user names a channel, or a mail address that the first mail server among these brings it to:
never a URL, a server or a command.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.notices import words
from clsh.jobs.notices.wanted import is_address
from clsh.monitor.notify import mail, program, webhook
from clsh.monitor.notify.way import Way
from clsh.monitor.settings import Mail, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.jobs.notices.notice import Message
    from clsh.monitor.settings import Channel, Settings
    from clsh.remote.transport import Transport

_LONGEST_SUBJECT = 150


class Channels:
    """See `clsh.jobs.notices.outbox.Teller`; `names` are those of the channels for jobs.

    `here` runs the commands.
    """

    def __init__(self, settings: Settings, names: Sequence[str], here: Transport) -> None:
        self._grid = settings.grid
        self._channels = {name: settings.notify[name] for name in names}
        self._here = here
        self._ways: dict[str, Way] = {}

    def refusal(self, who: str) -> tuple[str, str]:
        """See Teller."""
        if self._channel(who) is not None:
            return "", ""
        if is_address(who):
            return (
                tr("this manager has no mail server for jobs"),
                tr(
                    'its administrator adds [notify.mail] with kind = "smtp", and in [jobs]'
                    ' notify = ["mail"]'
                ),
            )
        known = ", ".join(self._channels) or tr("none")
        return (
            tr("there is no channel {name} for jobs", name=repr(who)),
            tr("those that there are: {names}; or a mail address", names=known),
        )

    async def tell(self, who: str, message: Message) -> None:
        """See Teller; raises OSError."""
        channel = self._channel(who)
        if channel is None:
            raise OSError(self.refusal(who)[0])
        if isinstance(channel, Program):
            said = words.environment(message), words.as_json(message)
            await program.run(channel, *said, self._here)
            return
        if isinstance(channel, Mail):
            letter = self._letter(channel, who, message)
            work = partial(mail.deliver, channel, letter)
        else:
            work = partial(webhook.post, channel, words.as_json(message))
        name = "@" if is_address(who) else channel.name
        await self._ways.setdefault(name, Way(f"clsh-jobs-{channel.name}")).call(work)

    def _channel(self, who: str) -> Channel | None:
        if not is_address(who):
            return self._channels.get(who)
        return next((one for one in self._channels.values() if isinstance(one, Mail)), None)

    def _letter(self, channel: Mail, who: str, message: Message) -> EmailMessage:
        """Return the mail; its Message-ID is the same however often it is sent."""
        facts = message.facts
        line = words.line(facts)
        letter = EmailMessage()
        letter["Subject"] = f"[{words.plain(self._grid)}] {line}"[:_LONGEST_SUBJECT]
        letter["From"] = channel.sender
        letter["To"] = who if is_address(who) else ", ".join(channel.recipients)
        letter["Date"] = formatdate(facts.at, localtime=True)
        letter["Message-ID"] = f"<{message.id}@{channel.sender.partition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers from holidays
        times = [
            (tr("submitted"), facts.submitted),
            (tr("started"), facts.started),
            (tr("ended"), facts.at if facts.event == "end" else 0.0),
        ]
        told = [
            *words.details(facts),
            *((name, formatdate(at, localtime=True)) for name, at in times if at),
            (tr("more"), f"cl job {facts.job}"),
        ]
        letter.set_content("\n".join([line, "", *(f"{name}: {text}" for name, text in told), ""]))
        return letter
