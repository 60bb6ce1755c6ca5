"""What a client is told when something is refused or fails: words, and never a traceback.

Programs get JSON, browsers a page; a browser that is not known yet is sent to log in.
"""

from __future__ import annotations

import html
import http
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from clsh.access.logins import TooOftenError
from clsh.access.store import StoreError
from clsh.access.users import NoTokenError, NoUserError
from clsh.base.errors import ClshError, NodeError, NotAllowedError, UsageError
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.web import asking
from clsh.web.answers import to_json
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

LOGIN = "/login"
_PROBLEM = "application/problem+json"

# The first that fits; what is none of these is told as a conflict with how things are.
_STATUS: tuple[tuple[type[ClshError], int], ...] = (
    (NoJobError, 404),
    (NoUserError, 404),
    (NoTokenError, 404),
    (NotNowError, 409),
    (UsageError, 400),
    (NotAllowedError, 403),
    (TooOftenError, 429),
    (StoreError, 503),
    (NodeError, 502),
    (ClshError, 409),
)


def refusal(error: Exception, scope: Scope, addresses: Iterable[str]) -> RefusedError:
    """Return what a client is told of an exception; 500 stands for a bug of ours."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return asking.missing("page", scope["path"], addresses)
    if isinstance(error, HTTPException):
        words = http.HTTPStatus(error.status_code).phrase
        headers = error.headers or {}
        hint = f"use {headers['Allow']}" if "Allow" in headers else ""
        return RefusedError(error.status_code, words, hint=hint, headers=headers)
    if isinstance(error, ClshError):
        return told(error)
    return RefusedError(
        500, "the manager failed to answer this", hint="its log says why: cl status"
    )


def told(error: ClshError) -> RefusedError:
    """Return the refusal that an error of ours stands for."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    headers = {"retry-after": str(error.wait_s)} if isinstance(error, TooOftenError) else {}
    field = error.field if isinstance(error, RequestError) else ""
    return RefusedError(status, str(error), hint=error.hint, parameter=field, headers=headers)


async def refuse(error: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal."""
    accepts = dict(cast("list[tuple[bytes, bytes]]", scope["headers"])).get(b"accept", b"")
    browser = b"text/html" in accepts and not scope["path"].startswith("/api/")
    title = http.HTTPStatus(error.status).phrase
    headers = {**error.headers, "cache-control": "no-store"}
    status = error.status
    if browser and status == 401 and scope.get("method") in {"GET", "HEAD"}:
        status, body, media = 303, b"", "text/plain"
        headers = {"cache-control": "no-store", "location": _login(scope)}
    elif browser:
        body, media = _page(title, error), "text/html; charset=utf-8"
    else:
        words = {"status": status, "title": title, "error": str(error), "hint": error.hint}
        body = to_json({**words, "parameter": error.parameter} if error.parameter else words)
        media = _PROBLEM
    response = Response(body, status, {**headers, "content-type": media})
    if scope["type"] == "http":
        await response(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await receive()  # websocket.connect
        start = {"status": status, "headers": response.raw_headers}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": title})


def _login(scope: Scope) -> str:
    """Return the address of the login that leads back here."""
    path = cast("bytes", scope.get("raw_path") or b"/").decode("latin-1").partition("?")[0]
    query = cast("bytes", scope["query_string"]).decode("latin-1")
    return f"{LOGIN}?next={quote(path + (f'?{query}' if query else ''), safe='')}"


def _page(title: str, error: RefusedError) -> bytes:
    said = "".join(f"<p>{html.escape(line)}</p>" for line in (str(error), error.hint) if line)
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f'<h1>{title}</h1>{said}<p><a href="/">The grid</a></p></html>'
    )
    return text.encode()
