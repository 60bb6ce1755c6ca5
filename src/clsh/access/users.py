"""What is done to users and tokens: by whom, and written down. Who may is asked before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from clsh.access import keys
from clsh.access.model import Account, Token
from clsh.access.service import is_of_machine
from clsh.base.errors import ClshError, UsageError
from clsh.base.users import SCOPES, login_name

if TYPE_CHECKING:
    from clsh.access.holdings import Change
    from clsh.access.service import Access
    from clsh.access.store import Record
    from clsh.base.users import Scope, User

DAY_S = 86400
MOST_DAYS = 3650
_MOST_TOKENS = 100
_MOST_ACCOUNTS = 10_000
_LONGEST_TITLE = 64


class NoUserError(ClshError):
    """There is no such user."""


class NoTokenError(ClshError):
    """There is no such token, or it is somebody else's: both are told alike."""


class Users:
    """The acts; `by` is who does them, `address` from where."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._held = access.holdings

    def listed(self) -> list[dict[str, object]]:
        """Return all whom we know something of: local users, and who has sessions or tokens."""
        held = self._held
        names = {*held.accounts, *(one.name for one in self._records())}
        return [
            {
                "name": name,
                "local": name in held.accounts,
                "admin": self._access.is_admin(name),
                "password": bool(name in held.accounts and held.accounts[name].password),
                "sessions": len(held.sessions_of(name)),
                "tokens": len(held.tokens_of(name)),
            }
            for name in sorted(names)
        ]

    async def add(
        self, by: User, name: str, password: str, *, is_admin: bool, address: str = ""
    ) -> None:
        """Add a local user; "" is no password. Raises UsageError, StoreError."""
        login_name(name)
        kept = await self._access.logins.hashed(password) if password else ""

        def decide() -> Change:
            if name in self._held.accounts:
                raise UsageError(
                    f"there is a local user {name} already", hint=f"cl user passwd {name}"
                )
            if len(self._held.accounts) >= _MOST_ACCOUNTS:
                raise UsageError(f"there are {_MOST_ACCOUNTS} local users already")
            return [], [Account(name, kept, is_admin, self._access.clock.unix())]

        await self._held.change(decide)
        what = f"user {name}" + (", administrator" if is_admin else "")
        await self._access.audit.note(by, "add user", what, address=address)

    async def remove(self, by: User, name: str, address: str = "") -> None:
        """Remove a local user, and all sessions, tokens and links of any; raises NoUserError."""

        def decide() -> Change:
            if not (gone := self._held.all_of(name)):
                raise NoUserError(f"there is nothing of a user {name!r}", hint="cl user list")
            return gone, []

        await self._held.change(decide)
        await self._access.audit.note(by, "remove user", f"user {name}", address=address)

    async def set_password(
        self, by: User, name: str, password: str, *, keep: bytes = b"", address: str = ""
    ) -> None:
        """Give a local user a new password; their sessions end but for `keep`'s."""
        self._account(name)
        kept = await self._access.logins.hashed(password)

        def decide() -> Change:
            ended = [one for one in self._held.sessions_of(name) if one.digest != keep]
            return ended, [replace(self._account(name), password=kept)]

        await self._held.change(decide)
        await self._access.audit.note(by, "set password", f"user {name}", address=address)

    async def set_admin(self, by: User, name: str, *, is_admin: bool, address: str = "") -> None:
        """Make a local user an administrator, or none; raises NoUserError."""
        await self._held.change(lambda: ([], [replace(self._account(name), is_admin=is_admin)]))
        act = "make administrator" if is_admin else "make no administrator"
        await self._access.audit.note(by, act, f"user {name}", address=address)

    async def link(self, by: User, name: str, address: str = "") -> str:
        """Return the secret of a link for a user here or of this machine; raises NoUserError."""
        known = name in self._held.accounts or self._access.is_admin(name)
        if not known and not await asyncio.to_thread(is_of_machine, name):
            raise NoUserError(f"there is no user {name!r}", hint=f"cl user add {name}")
        secret = await self._access.link(name)
        await self._access.audit.note(by, "make link", f"user {name}", address=address)
        return secret

    async def make_token(
        self, by: User, title: str, scope: str, days: int, address: str = ""
    ) -> tuple[str, Token]:
        """Return the secret of a new token of `by`, and what is kept of it; raises UsageError."""
        if not 0 < len(title) <= _LONGEST_TITLE or not title.isprintable():
            raise UsageError(f"the name of a token has 1 to {_LONGEST_TITLE} printable characters")
        if not 1 <= days <= MOST_DAYS:
            raise UsageError(f"a token lasts for 1 to {MOST_DAYS} days")
        secret, now = keys.make(keys.TOKEN), self._access.clock.unix()
        token = Token(
            keys.digest(secret), keys.name(), by.name, title, _scope(scope), now,
            now + days * DAY_S, 0.0,
        )  # fmt: skip

        def decide() -> Change:
            mine = self._held.tokens_of(by.name)
            if len(mine) >= _MOST_TOKENS:
                raise UsageError(f"you have {_MOST_TOKENS} tokens", hint="cl token remove ID")
            if any(one.title == title and one.expires > now for one in mine):
                raise UsageError(f"you have a token {title!r} already", hint="cl token list")
            return [], [token]

        await self._held.change(decide)
        what = f"token {token.id} for {scope}, {days} days"
        await self._access.audit.note(by, "make token", what, address=address)
        return secret, token

    async def remove_token(self, by: User, word: str, address: str = "") -> None:
        """End a token by its id, or one's own by its name; raises NoTokenError."""

        def decide() -> Change:
            gone = [one for one in self._held.tokens.values() if _is_meant(one, word, by)]
            if not gone:
                raise NoTokenError(f"there is no token {word!r}", hint="cl token list")
            ended.extend(gone)
            return gone, []

        ended: list[Token] = []
        await self._held.change(decide)
        for one in ended:
            what = f"token {one.id} of {one.name}"
            await self._access.audit.note(by, "remove token", what, address=address)

    def _account(self, name: str) -> Account:
        try:
            return self._held.accounts[name]
        except KeyError:
            raise NoUserError(
                f"there is no local user {name!r}",
                hint="cl user list; the password of a user of this machine: passwd",
            ) from None

    def _records(self) -> list[Record]:
        return [*self._held.sessions.values(), *self._held.tokens.values()]


def _scope(text: str) -> Scope:
    for scope in SCOPES:
        if text == scope:
            return scope
    raise UsageError(f"the scope of a token is one of: {', '.join(SCOPES)}")


def _is_meant(token: Token, word: str, by: User) -> bool:
    if not by.may_handle(token.name):
        return False
    return token.id == word or (token.name == by.name and token.title == word)
