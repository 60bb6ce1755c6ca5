"""Who asks: the user that the kernel names for the Unix socket, and nobody else yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.users import User, of_uid
from clsh.web import security
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from starlette.types import Scope

    from clsh.web.api.entry import Site


async def who(site: Site, scope: Scope) -> User:
    """Return the user who asks; raises RefusedError for a stranger and for a uid without a name.

    The manager's owner is an administrator, as root is.
    """
    uid = security.peer_uid(scope)
    if uid is None:
        raise RefusedError(
            401,
            "it is not known who asks",
            hint="run cl on the manager's machine: the Unix socket says who you are",
        )
    # A name service may have to be asked, which takes its time.
    user = await asyncio.to_thread(of_uid, uid)
    if user is None:
        raise RefusedError(403, f"the user number {uid} has no name on the manager's machine")
    return User(user.name, is_admin=user.is_admin or uid == site.control.owner_uid)
