"""Send a message as mail over SMTP. It blocks: to be called in a thread."""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.monitor.notify.message import Message
    from clsh.monitor.settings import Mail

TIMEOUT_S = 10.0
_LONGEST_SUBJECT = 150


def send(channel: Mail, message: Message, tls: ssl.SSLContext | None = None) -> None:
    """Hand the mail of an alert to the server; raises as `deliver` does."""
    deliver(channel, letter(channel, message), tls)


def deliver(channel: Mail, mail: EmailMessage, tls: ssl.SSLContext | None = None) -> None:
    """Hand a mail to the server; raises OSError (SMTPException too) when it was not taken."""
    password = _password(channel.password_file) if channel.user else ""
    server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_S)
    try:
        if channel.starttls:
            server.starttls(context=tls or ssl.create_default_context())
        if channel.user:
            server.login(channel.user, password)
        server.send_message(mail)
        with contextlib.suppress(OSError):  # it was taken: no reason to send it again
            server.quit()
    finally:
        server.close()


def letter(channel: Mail, message: Message) -> EmailMessage:
    """Return the mail: a subject that says all, the facts below."""
    mail = EmailMessage()
    subject = f"[{message.grid}] {message.severity} {message.state}: {message.text}"
    mail["Subject"] = subject[:_LONGEST_SUBJECT]
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.recipients)
    mail["Date"] = formatdate(message.at, localtime=True)
    mail["Message-ID"] = make_msgid(domain=channel.sender.partition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers from holidays
    values = [f"{node}: {value}" for node, value in message.values.items()]
    facts = [
        message.text,
        "",
        f"rule: {message.rule}",
        f"cluster: {message.cluster}",
        f"nodes: {message.nodeset}",
        f"since: {formatdate(message.since, localtime=True)}",
        *values,
    ]
    mail.set_content("\n".join(facts) + "\n")
    return mail


def _password(file: str) -> str:
    """Return the first line of a file that nobody else may read; raises PermissionError."""
    handle = os.open(file, os.O_RDONLY)
    with os.fdopen(handle, encoding="utf-8") as stream:
        if os.fstat(handle).st_mode & 0o077:
            raise PermissionError(f"{file} can be read by others: chmod 600 it")
        return stream.readline().rstrip("\r\n")
