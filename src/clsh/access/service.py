"""Who asks, and who may ask: the one object that the web page and the API know.

A user is an administrator by name: root, the manager's owner, those of the configuration,
local users who were made one. That is looked up with each request, so that it ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clsh.access import keys
from clsh.access.holdings import Holdings
from clsh.access.logins import Logins, TooOftenError, WrongLoginError
from clsh.access.model import Link, Session, is_alive
from clsh.access.settings import Settings
from clsh.access.store import StoreError
from clsh.base.audit import Audit
from clsh.base.errors import ClshError
from clsh.base.users import User, of_uid

if TYPE_CHECKING:
    from clsh.access.holdings import Change
    from clsh.access.logins import Checker
    from clsh.access.store import Store
    from clsh.base.clock import Clock

_MOST_SESSIONS = 20
_LINK_S = 86400.0
_SEEN_S = 60.0  # how exactly it is known when something was used
_LONGEST_AGENT = 200

_log = logging.getLogger(__name__)


class WrongLinkError(ClshError):
    """This link was used already, or is too old."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a login comes from: the address, and what the browser calls itself."""

    address: str
    agent: str = ""


class Access:
    """Sessions, tokens and links; `owner` is the name of the user whom the manager runs as."""

    def __init__(
        self,
        clock: Clock,
        owner: str,
        settings: Settings | None = None,
        store: Store | None = None,
        checker: Checker | None = None,
        audit: Audit | None = None,
        *,
        alike_s: float = 1.5,
    ) -> None:
        self.clock = clock
        self.owner = owner
        self.settings = settings or Settings()
        self.audit = audit or Audit(None, clock)
        self.holdings = Holdings(store)
        self.logins = Logins(self.holdings, clock, checker, alike_s=alike_s)
        # Managers that a browser reaches by one name, as by `ssh -L`, must not share a cookie.
        self.id = keys.name()
        self._seen: set[bytes] = set()

    async def open(self) -> None:
        """Read what outlived the last manager."""
        await self.holdings.open()
        self.id = self.holdings.about.get("id", self.id)
        with contextlib.suppress(StoreError):
            await self.holdings.say("id", self.id)

    async def run(self) -> None:
        """Write down what was used and forget what expired, until cancelled; then close."""
        try:
            while True:
                await asyncio.sleep(_SEEN_S)
                await self.tidy()
        finally:
            await self.tidy()
            await self.holdings.close()
            self.logins.end()
            self.audit.close()

    async def tidy(self) -> None:
        """Write down what was used since the last time, and forget what expired."""
        held = self.holdings

        def decide() -> Change:
            gone = held.expired(self.settings.lengths, self.clock.unix())
            used = [held.sessions.get(one) or held.tokens.get(one) for one in self._seen]
            return gone, [one for one in used if one is not None and one not in gone]

        with contextlib.suppress(StoreError):
            await held.change(decide)
            self._seen.clear()

    def of_peer(self, uid: int, owner_uid: int) -> User | None:
        """Return the user of a process at the other end of the Unix socket."""
        user = _named(uid)
        if uid in {0, owner_uid}:
            return User(user.name if user else self.owner, is_admin=True)
        return replace(user, is_admin=self.is_admin(user.name)) if user else None

    def of_session(self, secret: str) -> User | None:
        """Return whose session this is, None when it is none or no more."""
        now = self.clock.unix()
        session = self.holdings.sessions.get(keys.digest(secret))
        if session is None or not is_alive(session, self.settings.lengths, now):
            return None
        if now - session.used >= _SEEN_S:
            self._use(replace(session, used=now))
        return User(session.name, is_admin=self.is_admin(session.name), how="session")

    def of_token(self, secret: str) -> User | None:
        """Return whose token this is, None when it is none or no more."""
        now = self.clock.unix()
        token = self.holdings.tokens.get(keys.digest(secret))
        if token is None or token.expires <= now:
            return None
        if now - token.used >= _SEEN_S:
            digest = token.digest
            self.holdings.see(replace(token, used=now))
            self._seen.add(digest)
        is_admin = token.scope == "admin" and self.is_admin(token.name)
        return User(token.name, is_admin=is_admin, how="token", scope=token.scope)

    def is_admin(self, name: str) -> bool:
        """Tell whether a user with this name is an administrator."""
        account = self.holdings.accounts.get(name)
        named = name in {"root", self.owner, *self.settings.administrators}
        return named or (account is not None and account.is_admin)

    async def login(self, name: str, password: str, caller: Caller, old: str = "") -> str:
        """Return the secret of a new session; raises as `Logins.check` does, and StoreError.

        The session `old` of the same browser ends: nobody goes on in one that was there before.
        """
        try:
            known = await self.logins.check(name, password, caller.address)
        except (WrongLoginError, TooOftenError) as error:
            # Somebody may have typed a password for a name: only names that we know are kept.
            who = name if name in self.holdings.accounts or await self._is_here(name) else "?"
            outcome = "wrong" if isinstance(error, WrongLoginError) else "too often"
            await self.audit.note(who, "login", outcome=outcome, address=caller.address)
            raise
        return await self._begin(known, caller, old, "password")

    async def enter(self, secret: str, caller: Caller, old: str = "") -> str:
        """Return the secret of a new session for a link, which is used up.

        Raises WrongLinkError and StoreError.
        """
        link = self._link(secret)
        if link is None:
            await self.audit.note("?", "login", "link", outcome="wrong", address=caller.address)
            raise WrongLinkError

        def decide() -> Change:
            if link.digest not in self.holdings.links:  # of two at once only one gets in
                raise WrongLinkError
            return [link], []

        await self.holdings.change(decide)
        return await self._begin(link.name, caller, old, "link")

    def whose_link(self, secret: str) -> str | None:
        """Return whom a link logs in; it is not used up. None when it is none or no more."""
        link = self._link(secret)
        return link.name if link else None

    async def link(self, name: str) -> str:
        """Return the secret of a new link; earlier ones of the same user end."""
        secret = keys.make()
        link = Link(keys.digest(secret), name, self.clock.unix() + _LINK_S)
        links = self.holdings.links
        await self.holdings.change(
            lambda: ([one for one in links.values() if one.name == name], [link])
        )
        return secret

    async def welcome(self) -> str:
        """Return the secret of the owner's link at the first run, "" ever after."""
        if self.holdings.about.get("welcomed"):
            return ""
        await self.holdings.say("welcomed", "yes")
        return await self.link(self.owner)

    async def end(self, who: User, session: Session, address: str) -> None:
        """End a session; raises StoreError."""
        await self.holdings.swap([session])
        what = f"session {session.id} of {session.name}"
        await self.audit.note(who, "logout", what, address=address)

    def session(self, secret: str) -> Session | None:
        """Return the session with this secret."""
        return self.holdings.sessions.get(keys.digest(secret)) if secret else None

    async def _begin(self, name: str, caller: Caller, old: str, how: str) -> str:
        secret, now = keys.make(), self.clock.unix()
        agent = "".join(filter(str.isprintable, caller.agent))[:_LONGEST_AGENT]
        made = Session(keys.digest(secret), keys.name(), name, caller.address, agent, now, now)

        def decide() -> Change:
            before = self.session(old)
            too_many = self.holdings.sessions_of(name)[_MOST_SESSIONS - 1 :]
            return [*too_many, *([before] if before else [])], [made]

        await self.holdings.change(decide)
        user = User(name, is_admin=self.is_admin(name), how="session")
        await self.audit.note(user, "login", f"session {made.id} by {how}", address=caller.address)
        return secret

    def _link(self, secret: str) -> Link | None:
        link = self.holdings.links.get(keys.digest(secret))
        return link if link and self.clock.unix() < link.expires else None

    def _use(self, session: Session) -> None:
        self.holdings.see(session)
        self._seen.add(session.digest)

    async def _is_here(self, name: str) -> bool:
        return await asyncio.to_thread(is_of_machine, name)


def is_of_machine(name: str) -> bool:
    """Tell whether this machine knows a login name; may ask a directory server."""
    import pwd

    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return False
    return True


@functools.lru_cache(4096)
def _named(uid: int) -> User | None:
    return of_uid(uid)
