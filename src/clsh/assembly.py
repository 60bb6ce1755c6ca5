"""The one file that picks concrete classes from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.remote.transport import Transport, TransportOptions


def transport(
    options: TransportOptions,
    *,
    forced: str | None = None,
    retries: int = 0,
    keep: bool = False,
    sudo: str | None = None,
    sudo_password: str | None = None,
) -> Transport:
    """Return the way to all nodes, each by the transport that it asks for.

    `forced` names one transport for the nodes that ask for `auto`. A node that cannot be
    reached is tried `retries` times more. With `keep` a session stays open for the next
    command until the transport is closed. `sudo` is the user that commands run as.
    """
    from clsh.remote.routing import Routed

    way: Transport = Routed(options, forced)
    if retries:
        from clsh.remote.retrying import Retrying

        way = Retrying(way, retries)
    if keep:
        from clsh.remote.pool import Pool

        way = Pool(way)
    if sudo is not None:
        from clsh.remote.sudo import Sudo

        way = Sudo(way, sudo_password, sudo)
    return way
