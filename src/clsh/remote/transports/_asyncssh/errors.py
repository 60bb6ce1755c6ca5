"""Why a connection could not be made or died: what asyncssh and the system raise, in words."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from clsh.remote.transports._asyncssh.host_keys import Verdict

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def explain(error: Exception, verdict: Verdict | None) -> tuple[str, str]:
    """Return the reason and what to do about it."""
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _host_key(error, verdict)
        case asyncssh.PermissionDenied():
            return error.reason.lower().split(" on host ")[0], (
                "check the login name and the keys (ssh-add -l lists the agent's; an encrypted "
                "key must be in the agent), or use --ask-pass"
            )
        case asyncssh.KeyExchangeFailed():
            return f"no common key exchange: {error.reason}", ""
        case asyncssh.ConnectionLost() | ConnectionResetError() | BrokenPipeError():
            return "the node closed the connection during login", (
                "sshd may be over its MaxStartups: try a smaller -f or --retry"
            )
        case asyncssh.Error():
            return error.reason, ""
        case OSError():
            return _system(error), ""
        case _:
            return str(error), ""


def explain_loss(error: Exception | None) -> str:
    """Return why a connection ended that had been made."""
    match error:
        case None:
            return "the node closed the connection"
        case asyncssh.ConnectionLost() if "keepalive" in error.reason:
            return "no answer from the node"
        case asyncssh.ConnectionLost():
            return "the connection ended"
        case asyncssh.Error():
            return error.reason
        case OSError():
            return _system(error)
        case _:
            return str(error)


def _host_key(error: asyncssh.HostKeyNotVerifiable, verdict: Verdict | None) -> tuple[str, str]:
    if verdict is None:
        return error.reason, ""
    if "revoked" in error.reason:
        verdict.revoked()
    return verdict.reason or error.reason, verdict.hint


def _system(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        if error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
            return "name not known"
        return f"name lookup failed: {error.strerror}"
    # asyncio puts the errors of several addresses into one text.
    numbers = {int(number) for number in _ERRNO.findall(str(error))} or {error.errno or 0}
    words = {os.strerror(number).lower() for number in numbers if number}
    return ", ".join(sorted(words)) or str(error)
