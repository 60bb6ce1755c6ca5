"""Who asks: a token, the peer of the Unix socket, or a session; and whether that is enough.

What a request says of itself counts for nothing but for the secrets in it. A session is a
cookie, and a browser sends it whoever made it ask: so what changes something is taken only from
a page of ours.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from clsh.web import security
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

    from clsh.access.service import Access
    from clsh.base.users import User

Need = Literal["public", "token", "socket", "user", "admin"]
"""Who may use a route. public: everybody. token: who has one of `push_tokens`. socket: the
owner and root on the Unix socket. user: whoever is known, in so far as the scope of a token
allows it. admin: administrators."""

KEY = "clsh.who"


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks; `secret` is that of the session, if it is by one. `address` is for the audit."""

    user: User | None = None
    secret: str = ""
    address: str = ""
    agent: str = ""

    def known(self) -> User:
        """Return the user; raises RefusedError when there is none."""
        if self.user is None:
            raise unknown()
        return self.user


def identify(scope: Scope, access: Access, owner_uid: int) -> Who:
    """Return who asks."""
    headers = security.headers(scope)
    agent = headers.get("user-agent", "")
    uid = security.peer_uid(scope)
    address = _address(scope) if uid is None else "socket"
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = access.of_token(token.strip()) if scheme.lower() == "bearer" else None
    if bearer is not None:
        return Who(bearer, "", address, agent)
    if uid is not None:
        return Who(access.of_peer(uid, owner_uid), "", address, agent)
    secret = cookies(headers).get(cookie_name(scope, access), "")
    user = access.of_session(secret) if secret else None
    return Who(user, secret if user else "", address, agent)


def of(scope: Scope) -> Who:
    """Return who asks, as the guard around all routes found it."""
    return cast("Who", scope[KEY])


def check(need: Need, scope: Scope) -> None:
    """Raise RefusedError when who asks is not one of those who may."""
    who = of(scope)
    unsafe = scope["type"] == "websocket" or scope["method"] not in security.SAFE
    if who.secret and unsafe:
        _check_page(scope)
    if need not in {"user", "admin"}:
        return
    user = who.known()
    if need == "admin" and not user.is_admin:
        hint = "a token needs the scope admin for it" if user.how == "token" else ""
        raise RefusedError(403, "only administrators may do this", hint=hint)
    if unsafe and not user.may("jobs"):
        raise RefusedError(
            403, "this token is for reading alone", hint="make one: cl token create NAME"
        )


def _check_page(scope: Scope) -> None:
    """Refuse what comes with a cookie and does not say from which page; see security for more."""
    headers = security.headers(scope)
    if "origin" not in headers and "sec-fetch-site" not in headers:
        raise RefusedError(
            403,
            "this does not say which page it comes from",
            hint="programs use a token instead of a session: cl token create NAME",
        )


def unknown() -> RefusedError:
    """Return the refusal of who is not known."""
    return RefusedError(
        401,
        "log in first",
        hint="open /login in a browser; programs send Authorization: Bearer TOKEN"
        " (cl token create NAME)",
        headers={"www-authenticate": "Bearer"},
    )


def is_private(scope: Scope) -> bool:
    """Tell whether nobody on the way can read along: TLS, or this machine's own loopback.

    Under a name of its own a proxy on this machine stands before us, and speaks TLS with the
    browser: a browser that does not will not keep our cookie.
    """
    return scope["scheme"] in {"https", "wss"} or _is_loopback(scope)


def cookie_name(scope: Scope, access: Access) -> str:
    """Return what the session is called: `__Host-` keeps other hosts from setting it.

    Browsers differ in whether they take that over plain HTTP from loopback, where nobody
    reads along: there it has a plain name. Managers behind one name differ by their id.
    """
    return ("clsh-" if _is_plain(scope) else "__Host-clsh-") + access.id


def set_cookie(scope: Scope, access: Access, secret: str) -> str:
    """Return the Set-Cookie that begins a session, or with "" ends it."""
    age = int(access.settings.lengths.whole_s) if secret else 0
    safe = "" if _is_plain(scope) else "; Secure"
    name = cookie_name(scope, access)
    return f"{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{safe}"


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the cookies of a request; of two with one name the first."""
    found: dict[str, str] = {}
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        found.setdefault(name, value)
    return found


def _is_plain(scope: Scope) -> bool:
    return scope["scheme"] not in {"https", "wss"} and _is_loopback(scope)


def _is_loopback(scope: Scope) -> bool:
    host = security.without_port(security.headers(scope).get("host", ""))
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
