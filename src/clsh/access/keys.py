"""Secrets that we make: 256 random bits, of which only the digest is kept.

So many bits need no salt and no slow hash; a digest is looked up, never compared byte by byte
with what somebody sent.
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN = "clsh_"  # noqa: S105 - what scanners for secrets know ours by
_LONGEST = 200


def make(prefix: str = "") -> str:
    """Return a new secret."""
    return prefix + secrets.token_urlsafe(32)


def name() -> str:
    """Return a new name for something secret, which is no secret itself."""
    return secrets.token_hex(5)


def digest(secret: str) -> bytes:
    """Return what is kept of a secret; one that is too long for ours has that of none."""
    return hashlib.sha256(secret[:_LONGEST].encode("utf-8", "surrogateescape")).digest()
