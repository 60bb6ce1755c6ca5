"""Hear the packets of gmetric and gmond over UDP, from trusted addresses only.

A packet is its node's by the sender's address or, spoofed, by the address and the name that
it tells; who is no node of ours is shown in the cluster `gmetric`. Nothing is asked of
reverse DNS; names of our nodes are looked up now and then, off the event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from clsh.base.errors import ConfigError
from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia import xdr
from clsh.monitor.ganglia.senders import Senders
from clsh.monitor.ganglia.trusted import Trusted, is_address, plain
from clsh.monitor.model import Health

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from clsh.monitor.model import News
    from clsh.monitor.source import Source, SourceContext

NAME = "gmetric"

_TOLD_EVERY_S = 1.0
_LOOK_UP_EVERY_S = 600.0
_LOOK_UP_S = 5.0


def build(context: SourceContext) -> Source:
    """Return the source; raises ConfigError without an address to listen at."""
    if context.listen is None:
        raise ConfigError("gmetric packets need an address to come in at", hint="set gmond_port")
    return Gmetric(context, context.listen)


class _Nodes:
    """Which of our nodes has an address, or is called by a name."""

    def __init__(self, context: SourceContext) -> None:
        nodes = [((cluster, str(node.name)), node.host) for cluster, node in context.nodes]
        self._by_name = {node[1]: node for node, _ in nodes}
        self._hosts = nodes
        self._by_address: dict[str, set[tuple[str, str]]] = {}
        self._put([place for place in nodes if is_address(place[1])])

    def find(self, address: str, name: str) -> tuple[str, str] | None:
        """Return the (cluster, node) at an address, else the one with the name.

        When several nodes are at one address, the name tells which.
        """
        here = self._by_address.get(address, set())
        named = self._by_name.get(name) or self._by_name.get(name.partition(".")[0])
        if len(here) == 1:
            return next(iter(here))
        return named if not here or named in here else None

    async def look_up(self) -> None:
        """Ask for the addresses of the nodes that are known by a name, one after the other."""
        loop = asyncio.get_running_loop()
        for node, host in self._hosts:
            if is_address(host):
                continue
            try:
                async with asyncio.timeout(_LOOK_UP_S):
                    found = await loop.getaddrinfo(host, None)
            except (OSError, UnicodeError):  # no such name, or no answer: it is found by name
                continue
            self._put([(node, str(entry[4][0])) for entry in found])

    def _put(self, places: list[tuple[tuple[str, str], str]]) -> None:
        for node, host in places:
            self._by_address.setdefault(str(plain(host)), set()).add(node)


class Gmetric(asyncio.DatagramProtocol):
    """The source of kind `gmetric`; asks a sender at the port that we listen at."""

    def __init__(self, context: SourceContext, listen: tuple[str, int]) -> None:
        self._clock = context.clock
        self._listen = listen
        self._trusted = Trusted(context.trusted)
        self._nodes = _Nodes(context)
        self._senders = Senders(self._nodes.find, METRICS)
        self._transport: asyncio.DatagramTransport | None = None
        self._told_every_s = min(_TOLD_EVERY_S, context.interval_s)
        self._health_every_s = context.interval_s

    async def run(self, tell: Callable[[News], None]) -> None:
        """See Source. Packets are told of once a second, all of a host in one Sample."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_up())
            while True:
                await self._listening(tell)
                await asyncio.sleep(self._health_every_s)

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """See Source: senders choose their moments themselves."""

    async def _look_up(self) -> None:
        while True:
            await self._nodes.look_up()
            await asyncio.sleep(_LOOK_UP_EVERY_S)

    async def _listening(self, tell: Callable[[News], None]) -> None:
        """Listen until cancelled; return when the port cannot be had."""
        loop = asyncio.get_running_loop()
        host, port = self._listen
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=(host, port)
            )
        except OSError as error:
            reason = f"UDP {host}:{port}: {error.strerror or error}"
            tell(Health(NAME, self._clock.unix(), ok=False, reason=reason))
            return
        try:
            await self._tell(tell)
        finally:
            self._transport = None
            transport.close()

    async def _tell(self, tell: Callable[[News], None]) -> None:
        due = 0.0
        while True:
            now = self._clock.steady()
            for sample in self._senders.samples(self._clock.unix(), now):
                tell(sample)
            if now >= due:
                troubles = sorted(self._senders.troubles)
                self._senders.troubles.clear()
                reason = "; ".join(troubles)
                tell(Health(NAME, self._clock.unix(), ok=not troubles, reason=reason))
                due = now + self._health_every_s
            await asyncio.sleep(self._told_every_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket, to ask senders over."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hear one packet; whom we do not trust, and what is no packet, is passed over."""
        if not self._trusted.allows(addr[0]):
            return
        try:
            packet = xdr.decode(data)
        except xdr.PacketError:
            return
        sender = str(plain(addr[0]))
        question = self._senders.hear(packet, sender, self._clock.steady())
        if question and self._transport:
            self._transport.sendto(xdr.encode(question), (addr[0], self._listen[1]))

    def error_received(self, exc: Exception) -> None:
        """Pass over that a sender has no port for our question."""
