"""What gmetric and gmond senders have told by packets: which metrics are complete, whose they are.

A metric is told of when both its metadata and a value have come; for missing metadata the
sender is to be asked. Pure, and bounded: hosts and metrics are counted for each sender and
over all, and a host that is silent for a day is forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from clsh.monitor.ganglia import names, trusted, units
from clsh.monitor.ganglia.xdr import Metadata, Request, Told
from clsh.monitor.model import Metric, Sample, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clsh.monitor.ganglia.xdr import Packet
    from clsh.monitor.model import Value

CLUSTER = "gmetric"  # of hosts that are no nodes of ours

FORGET_S = 86400.0
ASK_EVERY_S = 60.0
_LONGEST_TEXT = 1000
_TOLD = 20
_MOST_S = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept for one sender's address, and in all."""

    hosts: int = 1000
    metrics: int = 20_000
    all_hosts: int = 10_000
    all_metrics: int = 200_000


LIMITS = Limits()


@dataclass(slots=True)
class _Told:
    """One metric of one host: its definition and its last value, when they have come."""

    factor: float = 1.0
    metric: Metric | None = None
    value: Value | None = None
    at: float = 0.0
    news: bool = False
    asked_at: float = -math.inf


@dataclass(slots=True)
class _Host:
    """One host: who sends for it, its name and address; `node` when it is none of ours."""

    sender: str
    name: str
    address: str
    node: str
    at: float = 0.0
    news: bool = False
    metrics: dict[str, _Told] = field(default_factory=dict[str, _Told])


class Senders:
    """Hears packets with `hear`; `samples` gives what has changed since it was last asked.

    `find(address, name)` says which (cluster, node) of ours that is; `known` is the
    catalogue. Times are seconds of one clock that never goes back. `troubles` says in words
    what was refused since it was last emptied.
    """

    def __init__(
        self,
        find: Callable[[str, str], tuple[str, str] | None],
        known: Mapping[str, Metric],
        limits: Limits = LIMITS,
    ) -> None:
        self.troubles: set[str] = set()
        self._find = find
        self._known = known
        self._limits = limits
        self._hosts: dict[tuple[str, str], _Host] = {}  # by sender and host field
        self._count: dict[str, list[int]] = {}  # hosts and metrics of each sender
        self._metrics = 0
        self._taken: dict[str, str] = {}  # the address of each name

    def hear(self, packet: Packet, sender: str, now: float) -> Request | None:
        """Take a packet that came from an address; return the question to be sent back."""
        if isinstance(packet, Request) or not names.usable(packet.name):
            return None
        host = self._host(packet, sender)
        if not host:
            return None
        host.at, host.news = now, True
        if packet.name == "heartbeat":  # says only that the host is there
            return None
        told = self._told(host, packet.name)
        if not told:
            return None
        if isinstance(packet, Metadata):
            _define(told, packet)
            return None
        return _value(told, packet, now)

    def samples(self, at: float, now: float) -> list[Sample]:
        """Return what is new as samples dated `at`, and forget whom nothing was heard of."""
        found: list[Sample] = []
        for key, host in list(self._hosts.items()):
            if host.news:
                host.news = False
                found.append(self._sample(host, at, now))
            elif now - host.at > FORGET_S:
                self._forget(key)
        return found

    def _sample(self, host: _Host, at: float, now: float) -> Sample:
        values: dict[str, Value] = {}
        metrics: dict[str, Metric] = {}
        ages: dict[str, float] = {}
        for name, told in host.metrics.items():
            value = _number_or_text(told) if told.news and told.metric else None
            if value is None or told.metric is None:
                continue
            told.news = False
            values[name], ages[name] = value, now - told.at
            if name not in self._known:
                metrics[name] = told.metric
        ours = self._find(host.address, host.name)
        cluster, node = ours or (CLUSTER, host.node)
        return Sample(
            cluster,
            node,
            at,
            values,
            metrics,
            now - host.at,
            ages,
            host.address,
            dmax_s=0.0 if ours else FORGET_S,
        )

    def _host(self, packet: Metadata | Told, sender: str) -> _Host | None:
        """Return the host that a packet is about; None when it has no name or no room."""
        key = (sender, packet.host if packet.spoof else "")
        if found := self._hosts.get(key):
            return found
        address, name = sender, packet.host
        if packet.spoof:
            told, _, name = packet.host.rpartition(":")
            address = told if trusted.is_address(told) else ""
        node = names.node(name) or names.node(address)
        if node is None:
            self._refuse(f"{sender}: a host with the bad name {names.shown(name)} was left out")
            return None
        counts = self._count.setdefault(sender, [0, 0])
        if counts[0] >= self._limits.hosts or len(self._hosts) >= self._limits.all_hosts:
            self._refuse(f"{sender}: too many hosts: {names.shown(name)} was left out")
            return None
        if self._taken.setdefault(node, address) != address:
            node = names.node(address) or node  # two addresses with one name are two nodes
        counts[0] += 1
        host = self._hosts[key] = _Host(sender, name, address, node)
        return host

    def _refuse(self, text: str) -> None:
        if len(self.troubles) < _TOLD:
            self.troubles.add(text)

    def _told(self, host: _Host, name: str) -> _Told | None:
        if found := host.metrics.get(name):
            return found
        counts = self._count[host.sender]
        if counts[1] >= self._limits.metrics or self._metrics >= self._limits.all_metrics:
            self._refuse(f"{host.sender}: too many metrics: {names.shown(name)} was left out")
            return None
        counts[1] += 1
        self._metrics += 1
        told = host.metrics[name] = _Told()
        return told

    def _forget(self, key: tuple[str, str]) -> None:
        host = self._hosts.pop(key)
        self._metrics -= len(host.metrics)
        if self._taken.get(host.node) == host.address:
            del self._taken[host.node]
        counts = self._count[host.sender]
        counts[0] -= 1
        counts[1] -= len(host.metrics)
        if not counts[0]:
            del self._count[host.sender]


def _define(told: _Told, packet: Metadata) -> None:
    extra = {key.upper(): text[:_LONGEST_TEXT] for key, text in packet.extra}
    factor = units.factor(packet.name, packet.units)
    told.factor = factor or 1.0
    told.metric = Metric(
        packet.name,
        next((known for known in get_args(ValueType) if known == packet.type), "double"),
        packet.units.strip() if factor is None else units.BYTES,
        packet.slope,
        min(packet.tmax_s, _MOST_S),
        min(packet.dmax_s, _MOST_S),
        extra.get("TITLE", ""),
        extra.get("GROUP", ""),
        extra.get("DESC", ""),
    )


def _value(told: _Told, packet: Told, now: float) -> Request | None:
    told.value, told.at, told.news = packet.value, now, True
    if told.metric or now - told.asked_at < ASK_EVERY_S:
        return None
    told.asked_at = now
    return Request(packet.host, packet.name, packet.spoof)


def _number_or_text(told: _Told) -> Value | None:
    """Return the value as its metadata types it, in our units; None for what is no number."""
    value = told.value
    if told.metric and told.metric.type == "string":
        return str(value)[:_LONGEST_TEXT]
    try:
        number = float(value if value is not None else "")
    except ValueError:
        return None
    return number * told.factor if math.isfinite(number) else None
