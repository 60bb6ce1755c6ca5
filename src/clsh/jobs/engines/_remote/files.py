"""The files that are sent along, on nodes: placed by channels beside the loop, never through it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import DeadlineError, NodeError
from clsh.jobs.sent.item import folder
from clsh.jobs.sent.placing import Placing
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from clsh.jobs.engine import Launch
    from clsh.jobs.engines._remote.link import Link, Loop
    from clsh.remote.transport import Stream

_MOST_SAID = 1 << 16


class Files:
    """`path` gives the file of an owner and a digest, here."""

    def __init__(self, path: Callable[[str, str], Path]) -> None:
        self._placing = Placing(path)

    async def place(self, launch: Launch, links: Sequence[Link]) -> str:
        """Put the files on all nodes of an attempt; return their directory on the first.

        Raises GoneError and NodeError.
        """
        return (await asyncio.gather(*(self._place(launch, link) for link in links)))[0]

    async def _place(self, launch: Launch, link: Link) -> str:
        loop = await link.open()
        user, spool = _place_of(loop)
        name = str(link.node.name)
        await self._placing.place(name, _Running(loop), spool, launch, user)
        return folder(spool, launch.id)


def _place_of(loop: Loop) -> tuple[str, str]:
    """Return who logs in to a node, and where its spool is."""
    if loop.has is None:
        raise NodeError(loop.session.node.name, "it did not say where its spool is")
    return loop.has.user, loop.has.spool


class _Running:
    """Runs scripts on the session of a loop; see Run."""

    def __init__(self, loop: Loop) -> None:
        self._session = loop.session

    async def __call__(
        self, script: str, args: Sequence[str], feed: AsyncIterator[bytes] | None, deadline_s: float
    ) -> str:
        said = _Said()
        name = self._session.node.name
        try:
            async with asyncio.timeout(deadline_s):
                ended = await self._session.run(Command(in_sh(script, *args)), said, feed)
        except TimeoutError:
            raise DeadlineError(
                name, f"the files that are sent along were not there after {deadline_s:.0f} s"
            ) from None
        if ended.code:
            why = said.of["stderr"].decode(errors="replace").strip()[:300]
            raise NodeError(name, why or f"files cannot be put there ({ended.code})")
        return said.of["stdout"].decode(errors="replace")


class _Said:
    """Keeps what a script says. A Sink."""

    def __init__(self) -> None:
        self.of: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep what there is room for."""
        kept = self.of[stream]
        kept += data[: _MOST_SAID - len(kept)]
