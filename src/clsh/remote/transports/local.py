"""This machine without SSH: commands are children of ours, run by the user's login shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from typing import TYPE_CHECKING

from clsh.base.errors import NodeLostError, UnreachableError
from clsh.remote.transports._child import Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.nodes.model import Node
    from clsh.remote.transport import (
        Command,
        Exit,
        Session,
        SignalName,
        Sink,
        Transport,
        TransportOptions,
    )

_CLOSE_S = 1.0


def build(options: TransportOptions) -> Transport:  # noqa: ARG001 - all transports are built alike
    """Make the transport; it has no options."""
    return LocalTransport()


class LocalTransport:
    """Opens sessions on this machine; nothing can fail but a wish for another user."""

    async def open(self, node: Node, deadline_s: float) -> Session:  # noqa: ARG002 - at once
        """Begin a session; see Transport."""
        me = pwd.getpwuid(os.geteuid())
        if node.user not in {None, me.pw_name}:
            raise UnreachableError(
                node.name,
                f"commands on this machine run as {me.pw_name}, not as {node.user}",
                hint=f"use {node.user}@localhost to log in by SSH",
            )
        return LocalSession(node, me.pw_shell or "/bin/sh")

    async def aclose(self) -> None:
        """See Transport; there is nothing to release."""


class LocalSession:
    """Commands on this machine; it is lost only by being closed."""

    def __init__(self, node: Node, shell: str) -> None:
        self._node = node
        self._shell = shell
        self._children: set[Child] = set()
        self._closed = asyncio.Event()

    @property
    def node(self) -> Node:
        """The node that this session stands for."""
        return self._node

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command`; see Session."""
        if self._closed.is_set():
            raise await self.lost()
        child = Child(sink)
        self._children.add(child)
        try:
            await child.start(
                (self._shell, "-c", command.line),
                feed=stdin is not None,
                terminal=command if command.tty else None,
            )
            return await child.run(stdin)
        finally:
            if child.over:  # what was killed a moment ago may not be
                self._children.discard(child)

    async def signal(self, name: SignalName) -> None:
        """Signal the process groups of all commands; see Session."""
        for child in self._children:
            child.signal(name)

    async def lost(self) -> NodeLostError:
        """Wait for `aclose`; see Session."""
        await self._closed.wait()
        return NodeLostError(self._node.name, "closed")

    async def aclose(self) -> None:
        """Close; see Session. What still runs is killed, and its `run` tells of the loss."""
        self._closed.set()
        children = list(self._children)
        for child in children:
            child.fail(await self.lost())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(*(child.wait() for child in children))
