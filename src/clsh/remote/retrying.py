"""A transport that tries again to open a node, when there is hope in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import UnreachableError

if TYPE_CHECKING:
    from clsh.nodes.model import Node
    from clsh.remote.transport import Session, Transport

_HOPELESS = ("host key", "permission denied", "name not known", "no such container")
_LONGEST_PAUSE_S = 4.0


def is_worth_a_retry(reason: str) -> bool:
    """Say whether what made a node unreachable may have passed a moment later."""
    words = reason.lower()
    return not any(hopeless in words for hopeless in _HOPELESS)


class Retrying:
    """Opens each node up to 1 + `retries` times, each within the deadline of its own.

    The pause before a new try is `pause_s` and doubles up to 4 s.
    """

    def __init__(self, transport: Transport, retries: int, pause_s: float = 0.5) -> None:
        self._transport = transport
        self._retries = retries
        self._pause_s = pause_s

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Open a session; raises the UnreachableError of the last try."""
        pause_s = self._pause_s
        for _ in range(self._retries):
            try:
                return await self._transport.open(node, deadline_s)
            except UnreachableError as error:
                if not is_worth_a_retry(error.reason):
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        return await self._transport.open(node, deadline_s)

    async def aclose(self) -> None:
        """Close the transport within."""
        await self._transport.aclose()
