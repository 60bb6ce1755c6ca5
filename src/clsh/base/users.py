"""Who asks: a user known by the kernel, a login or a token, never by the text of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from clsh.base.errors import UsageError

Scope = Literal["read", "jobs", "admin"]
"""What a token is good for, each more than the one before: to see what is its user's, to
submit and handle jobs, all that the user may do."""

How = Literal["socket", "session", "token"]
"""By what a user is known: the kernel's word on a Unix socket, a login, a token."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@+-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who asks; `name` is the login name on the cluster.

    An administrator sees and handles what is everybody's; root is one. An administrator's
    token with a lesser scope than `admin` makes none of its bearer.
    """

    name: str
    is_admin: bool = False
    how: How = field(default="socket", compare=False)
    scope: Scope = field(default="admin", compare=False)

    def may_handle(self, owner: str) -> bool:
        """Tell whether what belongs to `owner` may be seen and handled."""
        return self.is_admin or self.name == owner

    def may(self, scope: Scope) -> bool:
        """Tell whether the way in which this user came is good for `scope`."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def login_name(text: str) -> str:
    """Return `text` if it can be a login name; raises UsageError for any other."""
    if not _NAME.fullmatch(text):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise UsageError(
            f"{shown!r} is no login name",
            hint="it has at most 64 letters, digits and any of _ . @ + -, a letter or _ first",
        )
    return text


def of_uid(uid: int) -> User | None:
    """Return the user with this id on this machine, None when it has no name."""
    import pwd

    try:
        return User(pwd.getpwuid(uid).pw_name, is_admin=uid == 0)
    except KeyError:
        return None
