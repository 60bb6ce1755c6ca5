"""Users, tokens and the audit as `cl` asks for them; the routes are in `access_table`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.access.users import Users
from clsh.base.errors import NotAllowedError
from clsh.web.bodies import field, read_json

if TYPE_CHECKING:
    from clsh.access.model import Token
    from clsh.base.users import User
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

_DAYS = 90


async def me(_site: Site, asked: Asked) -> object:
    """Answer who asks."""
    user = asked.asker
    return {"name": user.name, "admin": user.is_admin, "how": user.how, "scope": user.scope}


async def users(site: Site, _asked: Asked) -> object:
    """Answer whom we know."""
    return {"users": Users(site.access).listed()}


async def add(site: Site, asked: Asked) -> object:
    """Add a local user."""
    given = read_json(asked.body)
    name = field(given, "name", "")
    await Users(site.access).add(
        asked.asker,
        name,
        field(given, "password", ""),
        is_admin=field(given, "admin", False),
        address=asked.address,
    )
    return {"name": name}


async def remove(site: Site, asked: Asked) -> object:
    """Remove a user and all that is theirs."""
    name = asked.text("user")
    await Users(site.access).remove(asked.asker, name, asked.address)
    return {"name": name}


async def set_password(site: Site, asked: Asked) -> object:
    """Give a local user a new password."""
    user, name = asked.asker, asked.text("user")
    if user.name == name and user.how == "session":
        raise NotAllowedError("in a browser the old password is asked for", hint="open /account")
    _check_own(user, name)
    password = field(read_json(asked.body), "password", "")
    await Users(site.access).set_password(user, name, password, address=asked.address)
    return {"name": name}


async def set_admin(site: Site, asked: Asked) -> object:
    """Make a local user an administrator, or none."""
    name, is_admin = asked.text("user"), field(read_json(asked.body), "admin", True)
    await Users(site.access).set_admin(asked.asker, name, is_admin=is_admin, address=asked.address)
    return {"name": name}


async def link(site: Site, asked: Asked) -> object:
    """Make an address that logs a user in once."""
    user, name = asked.asker, asked.text("user")
    _check_own(user, name)
    secret = await Users(site.access).link(user, name, asked.address)
    return {"url": _url(site, secret)}


async def welcome(site: Site, _asked: Asked) -> object:
    """Answer the owner's link at the first run, "" ever after."""
    secret = await site.access.welcome()
    return {"url": _url(site, secret) if secret else ""}


async def tokens(site: Site, asked: Asked) -> object:
    """Answer the tokens of who asks, or all for an administrator."""
    held = site.access.holdings
    if asked.text("whose") == "all":
        if not asked.asker.is_admin:
            raise NotAllowedError("only administrators see everybody's tokens")
        found = sorted(held.tokens.values(), key=lambda one: (one.name, -one.made))
    else:
        found = held.tokens_of(asked.asker.name)
    return {"tokens": [_token_row(one) for one in found]}


async def make_token(site: Site, asked: Asked) -> object:
    """Make a token of who asks; this is the only answer that has its secret."""
    _check_own(asked.asker, asked.asker.name)
    given = read_json(asked.body)
    secret, token = await Users(site.access).make_token(
        asked.asker,
        field(given, "name", ""),
        field(given, "scope", "jobs"),
        field(given, "days", _DAYS),
        asked.address,
    )
    return {**_token_row(token), "token": secret}


async def remove_token(site: Site, asked: Asked) -> object:
    """End a token."""
    _check_own(asked.asker, asked.asker.name)
    await Users(site.access).remove_token(asked.asker, asked.text("token"), asked.address)
    return {"id": asked.text("token")}


async def audit(site: Site, asked: Asked) -> object:
    """Answer the newest lines of the audit."""
    found = await site.access.audit.read(asked.moment("since"), asked.whole("limit"))
    return {"lines": found}


def _check_own(user: User, name: str) -> None:
    """Refuse what is for administrators and for the user themself, not for their lesser tokens."""
    if not user.may_handle(name):
        raise NotAllowedError(f"only {name} and administrators may do this")
    if not user.may("admin"):
        raise NotAllowedError("a token needs the scope admin for this")


def _token_row(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "user": token.name,
        "name": token.title,
        "scope": token.scope,
        "made": token.made,
        "expires": token.expires,
        "used": token.used,
    }


def _url(site: Site, secret: str) -> str:
    base = site.control.facts.get("address") or f"http://{site.control.listen}/"
    return f"{base}login?link={secret}"
