"""Accounts, sessions, tokens and links as values, and when they count. Pure.

Of each secret there is only the digest. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from clsh.base.users import Scope

_CLOCKS_DIFFER_S = 300.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user that only we know; `password` is hashed, "" for one who comes by links alone."""

    name: str
    password: str
    is_admin: bool
    added: float


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody has logged in; `id` names it where its secret must not be."""

    digest: bytes
    id: str
    name: str
    address: str
    agent: str
    made: float
    used: float


@dataclass(frozen=True, slots=True)
class Token:
    """What a program of a user's proves itself with; `title` is its name for people."""

    digest: bytes
    id: str
    name: str
    title: str
    scope: Scope
    made: float
    expires: float
    used: float


@dataclass(frozen=True, slots=True)
class Link:
    """An address that logs `name` in once."""

    digest: bytes
    name: str
    expires: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a session lasts: unused, and at all."""

    idle_s: float = 12 * 3600.0
    whole_s: float = 7 * 86400.0


def is_alive(session: Session, lengths: Lengths, now: float) -> bool:
    """Tell whether a session counts; one from the future does not, but for a clock set back."""
    return (
        session.used - _CLOCKS_DIFFER_S <= now < session.used + lengths.idle_s
        and now < session.made + lengths.whole_s
    )


def is_local(path: str) -> bool:
    """Tell whether an address to go on to is one of ours: a path, whatever a browser makes of it.

    Browsers take `\\` for `/` and leave out control characters, so that `/\\evil.org` is
    another site.
    """
    if not path.startswith("/") or path.startswith("//") or "\\" in path or len(path) > 2000:
        return False
    if not (path.isascii() and path.isprintable()) or " " in path:
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc
