"""Passwords of local users: argon2id, as RFC 9106 has it for little memory.

A check costs the same whether there is such a user or not.
"""

from __future__ import annotations

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from clsh.base.errors import UsageError

SHORTEST = 8
LONGEST = 1024

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)


def hashed(password: str) -> str:
    """Return what is kept of a password; raises UsageError for one that cannot be used."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters")
    return _HASHER.hash(_bytes(password))


def matches(kept: str, password: str) -> bool:
    """Tell whether a password is the one of which `kept` was made; "" is made of none."""
    try:
        _HASHER.verify(kept or _nobodys(), _bytes(password[:LONGEST]))
    except (VerificationError, InvalidHashError):
        return False
    return bool(kept)


@functools.cache
def _nobodys() -> str:
    return _HASHER.hash(b"nobody's password")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")
