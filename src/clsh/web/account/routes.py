"""Log in, log out, one's own account: forms that work without scripts, and are kept by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clsh.access.logins import TooOftenError, WrongLoginError
from clsh.access.model import is_local
from clsh.access.service import Caller, WrongLinkError
from clsh.base.errors import ClshError, UsageError
from clsh.web import who
from clsh.web.account.acts import Acts
from clsh.web.asking import RefusedError
from clsh.web.bodies import read_form
from clsh.web.pages.asked import Page
from clsh.web.pages.drawing import render, understand
from clsh.web.pages.words import choose_language
from clsh.web.refusing import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clsh.access.service import Access
    from clsh.monitor.service import Monitor

    Answer = Callable[[Request], Awaitable[Response]]

_HTML = "text/html; charset=utf-8"


def routes(monitor: Monitor, access: Access) -> list[Route]:
    """Return the routes."""
    desk = _Desk(monitor, access)
    return [
        Route("/login", desk.login, methods=["GET", "POST"]),
        Route("/logout", desk.logout, methods=["POST"]),
        Route("/account", desk.account, methods=["GET", "POST"]),
    ]


class _Desk:
    """The answers."""

    def __init__(self, monitor: Monitor, access: Access) -> None:
        self._monitor = monitor
        self._access = access
        self._acts = Acts(access)

    async def login(self, request: Request) -> Response:
        if request.method != "POST":
            return self._login(request, request.query_params.get("next", ""))
        _refuse_plain(request)
        form = await read_form(request)
        asker = who.of(request.scope)
        caller = Caller(asker.address, asker.agent)
        after = form.get("next", "")
        try:
            if link := form.get("link", ""):
                secret = await self._access.enter(link, caller, asker.secret)
            else:
                secret = await self._access.login(
                    form.get("name", ""), form.get("password", ""), caller, asker.secret
                )
        except (WrongLoginError, WrongLinkError, TooOftenError) as error:
            return self._login(request, after, error, form.get("name", ""))
        return self._to(request, after if is_local(after) else "/", secret)

    async def logout(self, request: Request) -> Response:
        asker = who.of(request.scope)
        session = self._access.session(asker.secret)
        if session is not None:
            await self._access.end(asker.known(), session, asker.address)
        return self._to(request, "/", "")

    async def account(self, request: Request) -> Response:
        asker = who.of(request.scope)
        if asker.known().how == "token":
            raise RefusedError(
                403, "a token does not handle sessions and tokens", hint="log in with a browser"
            )
        if request.method != "POST":
            return self._account(request)
        form = await read_form(request)
        try:
            made = await self._acts.do(asker, form)
        except UsageError as error:
            return self._account(request, wrong=error, form=form)
        if made:
            return self._account(request, made=made)
        if self._access.session(asker.secret) is None and asker.secret:
            return self._to(request, "/", "")
        return self._to(request, "/account")

    def _login(
        self, request: Request, after: str, error: ClshError | None = None, name: str = ""
    ) -> Response:
        link = request.query_params.get("link", "")
        asker = who.of(request.scope)
        values: dict[str, object] = {
            "error": error,
            "kind": _kind(error),
            "wait_s": error.wait_s if isinstance(error, TooOftenError) else 0,
            "name": name[:64],
            "next": after if is_local(after) else "",
            "link": link if link and error is None else "",
            "whose": self._access.whose_link(link) if link else None,
            "user": asker.user,
            "trouble": self._access.holdings.trouble,
            "private": who.is_private(request.scope),
        }
        refused = told(error) if error else None
        headers = refused.headers if refused else {}
        # 403 and not 401: there is no scheme of HTTP to answer with.
        status = 403 if isinstance(error, WrongLinkError) else refused.status if refused else 200
        return self._page(request, "login.html", values, status, headers)

    def _account(
        self,
        request: Request,
        *,
        made: str = "",
        wrong: UsageError | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        asker = who.of(request.scope)
        user = asker.known()
        held = self._access.holdings
        here = self._access.session(asker.secret)
        values: dict[str, object] = {
            "user": user,
            "sessions": held.sessions_of(user.name),
            "here": here.id if here else "",
            "tokens": held.tokens_of(user.name),
            "made": made,
            "wrong": wrong,
            "form": form or {},
            "local": bool(user.name in held.accounts and held.accounts[user.name].password),
        }
        return self._page(request, "account.html", values, 400 if wrong else 200, {})

    def _page(
        self,
        request: Request,
        template: str,
        values: Mapping[str, object],
        status: int,
        headers: Mapping[str, str],
    ) -> Response:
        language = choose_language(
            request.query_params.get("lang", ""), request.headers.get("accept-language", "")
        )
        asked = understand(request, self._monitor.clock.unix(), language)
        body = render(self._monitor, asked, Page(template, values, "account"))
        given = {**headers, "cache-control": "no-store", "content-type": _HTML}
        return Response(body, status, given)

    def _to(self, request: Request, path: str, secret: str | None = None) -> Response:
        """Return a redirection, with a session begun or (`""`) ended."""
        headers = {"location": path, "cache-control": "no-store"}
        if secret is not None:
            headers["set-cookie"] = who.set_cookie(request.scope, self._access, secret)
        return Response(b"", 303, headers)


def _kind(error: ClshError | None) -> str:
    if isinstance(error, TooOftenError):
        return "often"
    return "link" if isinstance(error, WrongLinkError) else "wrong" if error else ""


def _refuse_plain(request: Request) -> None:
    """Refuse a password that came over plain HTTP from another machine, by a proxy without TLS."""
    origin = request.headers.get("origin", "")
    if not who.is_private(request.scope) and origin.startswith("http:"):
        raise RefusedError(
            403,
            "nobody logs in over plain HTTP: anybody on the way can read it",
            hint="let the proxy before the manager speak TLS, or the manager itself:"
            " see [manager] listen",
        )
