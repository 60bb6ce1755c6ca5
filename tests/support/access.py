"""Who may ask what, for tests: an Access in memory, with users whose passwords are known."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from clsh.access import passwords
from clsh.access.model import Account
from clsh.access.service import Access, Caller
from clsh.base.clock import SystemClock

if TYPE_CHECKING:
    from clsh.base.clock import Clock

OWNER = "boss"
PASSWORD = "correct horse battery"
CALLER = Caller("10.0.0.7", "a browser")


@functools.cache
def kept() -> str:
    """What is kept of PASSWORD; it takes its time to make."""
    return passwords.hashed(PASSWORD)


def an_access(clock: Clock | None = None, **more: Any) -> Access:
    """Return one that knows alice, bob, and the administrator carol, all with PASSWORD."""
    access = Access(clock or SystemClock(), OWNER, alike_s=0.0, **more)
    for name in ("alice", "bob", "carol"):
        access.holdings.accounts[name] = Account(name, kept(), name == "carol", 0.0)
    return access


class Doorman:
    """Stands for PAM: lets in whom it was told of, and notes whom it was asked about."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def check(self, name: str, password: str, address: str) -> str | None:
        self.asked.append((name, address))
        if self.error:
            raise self.error
        return name if self.known.get(name) == password else None
