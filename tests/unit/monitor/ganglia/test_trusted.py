from __future__ import annotations

import pytest

from clsh.monitor.ganglia.trusted import Trusted

TRUSTED = Trusted(["10.0.0.0/8", "192.168.1.7", "fd00::/16", "fe80::1"])


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::ffff:10.1.2.3", "192.168.1.7", "fd00::5", "fe80::1%eth0"]
)
def test_who_is_trusted(address: str) -> None:
    assert TRUSTED.allows(address)


@pytest.mark.parametrize(
    "address", ["11.0.0.1", "::ffff:11.0.0.1", "192.168.1.8", "fe80::2%eth0", "::1", "", "node1"]
)
def test_who_is_not(address: str) -> None:
    assert not TRUSTED.allows(address)


def test_nobody() -> None:
    assert not Trusted([]).allows("127.0.0.1")
