"""A transport that keeps its sessions open, so that the next command needs no connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import NodeLostError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.nodes.model import Node
    from clsh.remote.transport import Command, Exit, Session, SignalName, Sink, Transport


class Pool:
    """Opens a node once and hands the same session to all who ask, until it is lost.

    Nodes are told apart by their names. At most one opening goes on for a node at a time;
    who comes meanwhile waits for it within a deadline of their own. `aclose` of a session
    leaves it open here; `aclose` of the pool closes all.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._watches: set[asyncio.Task[None]] = set()

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Return the session kept for this node, or open one."""
        if kept := self._living(node):
            return kept
        lock = self._locks.setdefault(node.name, asyncio.Lock())
        loop = asyncio.get_running_loop()
        ends = loop.time() + deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                await lock.acquire()
        except TimeoutError:
            raise UnreachableError(node.name, "timed out") from None
        try:
            if kept := self._living(node):
                return kept
            session = await self._transport.open(node, ends - loop.time())
            kept = self._kept[node.name] = _Kept(session)
            watch = loop.create_task(self._drop_when_lost(kept))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
            return kept
        finally:
            lock.release()

    async def aclose(self) -> None:
        """Close all sessions side by side, then the transport within."""
        for watch in self._watches:
            watch.cancel()
        kept = list(self._kept.values())
        self._kept.clear()
        await asyncio.gather(*(one.session.aclose() for one in kept))
        await self._transport.aclose()

    def _living(self, node: Node) -> _Kept | None:
        kept = self._kept.get(node.name)
        return kept if kept is not None and not kept.is_lost else None

    async def _drop_when_lost(self, kept: _Kept) -> None:
        await kept.session.lost()
        kept.is_lost = True
        if self._kept.get(kept.node.name) is kept:
            del self._kept[kept.node.name]
        await kept.session.aclose()


class _Kept:
    """A session of the pool: all goes through but `aclose`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.is_lost = False

    @property
    def node(self) -> Node:
        """The node of the session."""
        return self.session.node

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run, and take note when the connection has died."""
        try:
            return await self.session.run(command, sink, stdin)
        except NodeLostError:
            self.is_lost = True
            raise

    async def signal(self, name: SignalName) -> None:
        """Signal what runs on the session, whoever asked for it."""
        await self.session.signal(name)

    async def lost(self) -> NodeLostError:
        """Wait until the connection is gone."""
        return await self.session.lost()

    async def aclose(self) -> None:
        """Leave the session open for the next one."""
