"""How often a password may be tried: by a name from an address, by an address, by a name. Pure.

A bucket is full at first, each wrong try takes one out, and it fills again with time. One
address empties neither the bucket of a name nor that of another address.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` tries at once, then one in `each_s` seconds."""

    burst: int
    each_s: float


PAIR = Limit(5, 30.0)
ADDRESS = Limit(30, 5.0)
NAME = Limit(100, 10.0)


class Attempts:
    """The buckets; `now` is always the steady time."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str, address: str, now: float) -> int:
        """Return for how many seconds a try is refused, 0 if it may be made."""
        waits = [
            (1.0 - self._left(key, limit, now)) * limit.each_s
            for key, limit in _keys(name, address)
        ]
        return math.ceil(round(max(0.0, *waits), 6))

    def take(self, name: str, address: str, now: float) -> None:
        """Take a try from each bucket."""
        self._add(name, address, now, -1.0)

    def give_back(self, name: str, address: str, now: float) -> None:
        """Take note that a try was a right one."""
        self._add(name, address, now, 1.0)

    def _add(self, name: str, address: str, now: float, count: float) -> None:
        for key, limit in _keys(name, address):
            left = min(float(limit.burst), self._left(key, limit, now) + count)
            self._buckets[key] = (left, now)
            self._buckets.move_to_end(key)
        while len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)

    def _left(self, key: tuple[str, str], limit: Limit, now: float) -> float:
        left, at = self._buckets.get(key, (float(limit.burst), now))
        return min(float(limit.burst), left + (now - at) / limit.each_s)


def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the /64, which is one customer's."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if given.version == 4 or given.ipv4_mapped:
        return str(getattr(given, "ipv4_mapped", None) or given)
    return str(ipaddress.ip_network((given, 64), strict=False))


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, str], Limit], ...]:
    known = network(address)
    return (((name, known), PAIR), (("", known), ADDRESS), ((name, ""), NAME))
