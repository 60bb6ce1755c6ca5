"""Who asks: a user known by the kernel, a login or a token, never by the text of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who asks; `name` is the login name on the cluster.

    An administrator sees and handles what is everybody's; root is one.
    """

    name: str
    is_admin: bool = False

    def may_handle(self, owner: str) -> bool:
        """Tell whether what belongs to `owner` may be seen and handled."""
        return self.is_admin or self.name == owner


def of_uid(uid: int) -> User | None:
    """Return the user with this id on this machine, None when it has no name."""
    import pwd

    try:
        return User(pwd.getpwuid(uid).pw_name, is_admin=uid == 0)
    except KeyError:
        return None
