"""The web application: routes from one table, behind one guard; nothing is public unless said.

The guard refuses what no route may see, puts the security headers on every answer, and turns
exceptions into words: a traceback is for the log alone. Who asks is found once, by the guard.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute

from clsh.access.service import Access
from clsh.web import account, asking, security, who
from clsh.web.answers import Answers, Kept, Made, reply, to_json
from clsh.web.api.entry import Entry, Site
from clsh.web.api.push import Rate, check_token
from clsh.web.api.table import TABLE
from clsh.web.asking import Asked, RefusedError
from clsh.web.bodies import read_body
from clsh.web.live import Live
from clsh.web.pages import routes
from clsh.web.refusing import refusal, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.control import Control
    from clsh.web.who import Need

_log = logging.getLogger(__name__)

LIVE = "/live"
# Pages and who may ask for them; one that is not here is not served.
PAGES: Mapping[str, Need] = {
    "/": "public",
    "/c/{cluster}": "public",
    "/c/{cluster}/{node}": "public",
    "/m/{cluster}/{metric}": "public",
    "/processes": "public",
    "/alerts": "public",
    "/compare": "public",
    "/login": "public",
    "/logout": "public",
    "/account": "user",
    "/jobs": "user",
    "/jobs/new": "user",
    "/jobs/{job}": "user",
    "/jobs/{job}/{index}/{stream}": "user",
    "/static/{name}": "public",
}
_KEPT_BY_NOBODY = {"user", "admin"}


def build(
    monitor: Monitor,
    control: Control,
    *,
    access: Access | None = None,
    live: Live | None = None,
    pages: Sequence[BaseRoute] | None = None,
    jobs: Jobs | None = None,
) -> ASGIApp:
    """Return the application; without `live` and `pages` those of the package.

    Without `access` only the peers of the Unix socket are known.
    """
    access = access or Access(monitor.clock, "root")
    site = Site(
        monitor,
        control,
        Answers(monitor.clock),
        live or Live(monitor),
        Rate(monitor.clock),
        access,
        jobs,
    )
    own = [*routes(monitor, jobs), *account.routes(monitor, access)]
    table: list[BaseRoute] = [
        *(_api_route(site, entry) for entry in TABLE),
        WebSocketRoute(LIVE, site.live.__call__),
        *map(_declared, own if pages is None else pages),
    ]
    hosts = security.allowed_hosts(control.listen, control.names)
    return Guard(Router(table), hosts, access, control.owner_uid)


def _api_route(site: Site, entry: Entry) -> Route:
    if entry.access in _KEPT_BY_NOBODY and entry.kept != "no":
        raise ValueError(f"{entry.path} is for one user: it must not be kept for others")

    async def answer(request: Request) -> Response:
        _check_access(site, entry, request)
        values = asking.read(
            entry.parameters,
            request.query_params.multi_items(),
            request.path_params,
            site.monitor.clock.unix(),
        )
        body = await read_body(request) if entry.method == "POST" else b""
        asker = who.of(request.scope)

        async def make() -> Made:
            asked = Asked(values, body, asker.user, asker.address)
            made = await entry.answer(site, asked)
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
    """Refuse who may not."""
    who.check(entry.access, request.scope)
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


def _declared(route: BaseRoute) -> BaseRoute:
    """Return a page that only those get who may; one that nobody declared is a bug of ours."""
    path = getattr(route, "path", "")
    if path not in PAGES or not isinstance(route, Route | WebSocketRoute):
        raise LookupError(f"the page {path!r} is not declared in {__name__}.PAGES")
    need, page = PAGES[path], route.app

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        who.check(need, scope)
        await page(scope, receive, send)

    route.app = checked
    return route


class Guard:
    """The outermost layer, around every route."""

    def __init__(
        self, router: Router, hosts: frozenset[str], access: Access, owner_uid: int
    ) -> None:
        self.router = router
        self._hosts = hosts
        self._access = access
        self._owner_uid = owner_uid

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
            asker = who.identify(scope, self._access, self._owner_uid)
            # The router raises for what it does not find only when it is told of an app.
            await self.router({**scope, "app": self, who.KEY: asker}, receive, guarded)
        except ClientDisconnect:
            return  # in the middle of its request: nobody is left to be told
        except Exception as error:  # the last one who can turn it into words
            told = refusal(error, scope, _addresses())
            if told.status == 500:
                _log.exception("%s %s failed", scope.get("method", "live"), scope["path"])
            if not begun:
                await refuse(told, scope, receive, guarded)
            elif scope["type"] == "http":
                raise  # half an answer must not look like a whole one: the server breaks it off


def _addresses() -> list[str]:
    return [*(entry.path for entry in TABLE), *(path for path in PAGES if "static" not in path)]
