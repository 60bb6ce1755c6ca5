"""The web application: routes from one table, behind one guard; nothing is public unless said.

The guard refuses what no route may see, puts the security headers on every answer, and turns
exceptions into words: a traceback is for the log alone.
"""

from __future__ import annotations

import html
import http
import logging
from typing import TYPE_CHECKING, cast

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute

from clsh.web import asking, security
from clsh.web.answers import Answers, Kept, Made, reply, to_json
from clsh.web.api.entry import Entry, Site
from clsh.web.api.push import Rate, check_token
from clsh.web.api.table import TABLE
from clsh.web.asking import Asked, RefusedError
from clsh.web.live import Live
from clsh.web.pages import routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from clsh.monitor.service import Monitor
    from clsh.web.control import Control
    from clsh.web.pages.jobs import Service

_log = logging.getLogger(__name__)

LIVE = "/live"
# Pages that anybody may read, and those of users; one that is not here is not served.
PAGES = (
    "/",
    "/c/{cluster}",
    "/c/{cluster}/{node}",
    "/m/{cluster}/{metric}",
    "/processes",
    "/alerts",
    "/compare",
    "/static/{name}",
)
USER_PAGES = ("/jobs", "/jobs/new", "/jobs/{job}", "/jobs/{job}/{index}/{stream}")
_PROBLEM = "application/problem+json"


def build(
    monitor: Monitor,
    control: Control,
    *,
    jobs: Service | None = None,
    live: Live | None = None,
    pages: Sequence[BaseRoute] | None = None,
) -> ASGIApp:
    """Return the application; without `live` and `pages` those of the package."""
    site = Site(
        monitor, control, Answers(monitor.clock), live or Live(monitor), Rate(monitor.clock)
    )
    table: list[BaseRoute] = [
        *(_api_route(site, entry) for entry in TABLE),
        WebSocketRoute(LIVE, site.live.__call__),
        *map(_declared, routes(monitor, jobs) if pages is None else pages),
    ]
    router = Router(table)
    return Guard(router, security.allowed_hosts(control.listen, control.names))


def _api_route(site: Site, entry: Entry) -> Route:
    async def answer(request: Request) -> Response:
        _check_access(site, entry, request)
        values = asking.read(
            entry.parameters,
            request.query_params.multi_items(),
            request.path_params,
            site.monitor.clock.unix(),
        )
        body = await _body(request) if entry.method == "POST" else b""

        async def make() -> Made:
            made = await entry.answer(site, Asked(values, body))
            return made if isinstance(made, Made) else Made(to_json(made), entry.media)

        if entry.kept == "no":
            return await reply(
                Kept(await make()), request.headers, status=entry.status, private=True
            )
        grid, second = site.monitor.grid.version, int(site.monitor.clock.steady())
        version = grid if entry.kept == "version" else second
        key = f"{request.url.path}?{request.url.query}"
        return await reply(await site.answers.get(key, version, make), request.headers)

    return Route(entry.path, answer, methods=[entry.method], name=entry.path)


def _check_access(site: Site, entry: Entry, request: Request) -> None:
    """Refuse who may not: by token, or by the peer of the Unix socket."""
    if entry.access == "token":
        check_token(request.headers.get("authorization", ""), site.monitor.settings.push_tokens)
    elif entry.access == "socket":
        uid = security.peer_uid(request.scope)
        if uid is None or uid not in {0, site.control.owner_uid}:
            raise RefusedError(
                403,
                "only the owner of the manager and root may do this, over its Unix socket",
                hint="run cl on the manager's machine, as the user who runs it",
            )


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > security.LARGEST_BODY:
            raise security.too_large()
    return bytes(body)


def _declared(route: BaseRoute) -> BaseRoute:
    """Return a page that is public or a user's; one that nobody declared is a bug of ours."""
    path = getattr(route, "path", "")
    if path not in PAGES + USER_PAGES:
        raise LookupError(f"the page {path!r} is not declared in {__name__}")
    return route


class Guard:
    """The outermost layer, around every route."""

    def __init__(self, router: Router, hosts: frozenset[str]) -> None:
        self.router = router
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it in words."""
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                given = list(cast("list[tuple[bytes, bytes]]", message.get("headers", [])))
                names = {name.lower() for name, _ in given}
                added = [pair for pair in security.HEADERS if pair[0] not in names]
                if b"cache-control" not in names:
                    added.append((b"cache-control", b"no-cache"))
                message = {**message, "headers": [*given, *added]}
            begun = begun or message["type"] != "websocket.close"
            await send(message)

        try:
            security.check(scope, self._hosts)
            # The router raises for what it does not find only when it is told of an app.
            await self.router({**scope, "app": self}, receive, guarded)
        except ClientDisconnect:
            return  # in the middle of its request: nobody is left to be told
        except Exception as error:  # the last one who can turn it into words
            told = _refusal(error, scope)
            if told.status == 500:
                _log.exception("%s %s failed", scope.get("method", "live"), scope["path"])
            if not begun:
                await _refuse(told, scope, receive, guarded)
            elif scope["type"] == "http":
                raise  # half an answer must not look like a whole one: the server breaks it off


def _refusal(error: Exception, scope: Scope) -> RefusedError:
    """Return what a client is told of an exception."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return asking.missing("page", scope["path"], _addresses())
    if isinstance(error, HTTPException):
        words = http.HTTPStatus(error.status_code).phrase
        headers = error.headers or {}
        hint = f"use {headers['Allow']}" if "Allow" in headers else ""
        return RefusedError(error.status_code, words, hint=hint, headers=headers)
    return RefusedError(
        500, "the manager failed to answer this", hint="its log says why: cl status"
    )


def _addresses() -> list[str]:
    return [*(entry.path for entry in TABLE), *PAGES[:-1]]


async def _refuse(error: RefusedError, scope: Scope, receive: Receive, send: Send) -> None:
    accepts = dict(cast("list[tuple[bytes, bytes]]", scope["headers"])).get(b"accept", b"")
    browser = b"text/html" in accepts and not scope["path"].startswith("/api/")
    title = http.HTTPStatus(error.status).phrase
    if browser:
        body, media = _error_page(title, error), "text/html; charset=utf-8"
    else:
        told = {"status": error.status, "title": title, "error": str(error), "hint": error.hint}
        body = to_json({**told, "parameter": error.parameter} if error.parameter else told)
        media = _PROBLEM
    headers = {**error.headers, "cache-control": "no-store", "content-type": media}
    response = Response(body, error.status, headers)
    if scope["type"] == "http":
        await response(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await receive()  # websocket.connect
        start = {"status": error.status, "headers": response.raw_headers}
        await send({"type": "websocket.http.response.start", **start})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": title})


def _error_page(title: str, error: RefusedError) -> bytes:
    said = "".join(f"<p>{html.escape(line)}</p>" for line in (str(error), error.hint) if line)
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f'<h1>{title}</h1>{said}<p><a href="/">The grid</a></p></html>'
    )
    return text.encode()
