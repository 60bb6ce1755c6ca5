"""Ask the manager over its Unix socket, with the standard library alone.

The kernel tells the manager who asks, so nothing is sent that says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from clsh.base import paths
from clsh.base.errors import ClshError, NotAllowedError, UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

SOCKET = "manager.sock"
_TIMEOUT_S = 30.0
_LARGEST = 256 * 2**20
LARGEST_SENT = 256 * 1024
"""Bytes of a body that the manager takes."""
_KINDS: dict[int, type[ClshError]] = {
    400: UsageError,
    401: NotAllowedError,
    403: NotAllowedError,
    413: UsageError,
}


class NoManagerError(ClshError):
    """No manager runs."""

    def __init__(self) -> None:
        super().__init__("no manager runs", hint="start one: cl up")


class BrokenOffError(ClshError):
    """The manager broke off: what was asked may have been done or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; the names in `headers` are in lower case."""

    data: bytes
    headers: Mapping[str, str]


def socket_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the manager of this user listens for `cl`."""
    return paths.runtime_dir(environ) / SOCKET


def get(path: str, timeout_s: float = _TIMEOUT_S) -> object:
    """Return what the manager answers, such as for `/api/v1/status`: JSON as Python has it.

    Raises NoManagerError when none runs, NotAllowedError when it refuses, UsageError when it
    is asked in a wrong way, BrokenOffError, and ClshError with the manager's own words when it
    cannot answer.
    """
    return _value(_ask("GET", path, None, timeout_s))


def raw(path: str, timeout_s: float = _TIMEOUT_S) -> Answer:
    """Return an answer of any kind with its headers; raises as `get` does."""
    return _ask("GET", path, None, timeout_s)


def post(path: str, body: object = None, timeout_s: float = _TIMEOUT_S) -> object:
    """Send `body`, bytes as they are and all else as JSON; raises as `get` does."""
    return _value(_ask("POST", path, body, timeout_s))


def _ask(method: str, path: str, body: object, timeout_s: float) -> Answer:
    import json
    from http.client import HTTPConnection, HTTPException, IncompleteRead

    connection = HTTPConnection("localhost", timeout=timeout_s)
    try:
        connection.sock = _connect(timeout_s)
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {} if sent is None else {"Content-Type": kind}
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        data = answer.read(_LARGEST)
        status = answer.status
        if answer.length or (answer.length is None and not answer.chunked):
            raise IncompleteRead(data, answer.length)  # `read` of a size says nothing of it
        told = {name.lower(): text for name, text in answer.getheaders()}
    except TimeoutError as error:
        raise ClshError(
            f"the manager does not answer within {timeout_s:g} s", hint="cl doctor"
        ) from error
    except (HTTPException, OSError) as error:
        raise BrokenOffError(
            f"the manager broke off: {error or type(error).__name__}", hint="cl status"
        ) from error
    finally:
        connection.close()
    if status < 300:
        return Answer(data, told)
    raise _refusal(status, data)


def _connect(timeout_s: float) -> socket.socket:
    """Connect to the manager of this user, or to that of root when there is none."""
    own, system = socket_path(), paths.SYSTEM_RUNTIME / SOCKET
    try:
        return _connected(own, timeout_s)
    except NoManagerError:
        if own == system or os.geteuid() == 0:
            raise
    return _connected(system, timeout_s)


def _connected(path: Path, timeout_s: float) -> socket.socket:
    import socket

    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(timeout_s)
    try:
        peer.connect(str(path))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        peer.close()
        raise NoManagerError from None
    except PermissionError:
        peer.close()
        raise NotAllowedError(
            f"{path} is not yours to use", hint="ask as the user who runs the manager"
        ) from None
    except OSError as error:
        peer.close()
        raise ClshError(f"cannot reach the manager at {path}: {error}") from error
    return peer


def _value(answer: Answer) -> object:
    return _parsed(answer.data) if answer.data else None


def _parsed(data: bytes) -> object:
    import json

    try:
        return json.loads(data)
    except ValueError as error:
        raise ClshError("the manager's answer is no JSON", hint="cl doctor") from error


def _refusal(status: int, data: bytes) -> ClshError:
    """Return the error for an answer that is not good, in the manager's words when it has some."""
    try:
        told = _parsed(data)
    except ClshError:
        told = None
    words = cast("dict[str, object]", told) if isinstance(told, dict) else {}
    message = str(words.get("error") or f"the manager answered {status}")
    hint = str(words.get("hint") or "")
    return _KINDS.get(status, ClshError)(message, hint=hint)
