"""Who may read our ports and send us packets: addresses and networks, never names."""

from __future__ import annotations

import functools
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address


def plain(text: str) -> IPv4Address | IPv6Address:
    """Return an address; an IPv4 one that came over an IPv6 socket (`::ffff:a.b.c.d`) as IPv4.

    Raises ValueError for text that is no address.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_address(text: str) -> bool:
    """Tell whether text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Trusted:
    """The list `trusted_hosts`; the settings have checked it."""

    def __init__(self, words: Iterable[str]) -> None:
        self._networks = [ip_network(word, strict=False) for word in words]
        self.allows = functools.lru_cache(maxsize=4096)(self._allows)

    def _allows(self, address: str) -> bool:
        try:
            place = plain(address)
        except ValueError:
            return False
        if isinstance(place, IPv6Address):
            place = IPv6Address(int(place))  # without a scope, which no network has
        return any(place in network for network in self._networks)
