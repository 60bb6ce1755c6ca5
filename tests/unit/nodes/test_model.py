from __future__ import annotations

import pytest

from clsh.base.errors import UsageError
from clsh.nodes.model import host_address, is_ipv6, node_name, port_number, user_name

ADDRESSES = ("::1", "fe80::1%eth0", "::ffff:10.0.0.1", "2001:db8:0:0:0:0:0:1", "fe80::1%h")


@pytest.mark.parametrize("text", ["node1", "_x", "web-01.example.org", "10.0.0.1", "n" * 253])
def test_good_names(text: str) -> None:
    assert node_name(text) == host_address(text) == text


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_ipv6_address_is_a_name_and_a_host(text: str) -> None:
    assert is_ipv6(text)
    assert node_name(text) == host_address(text) == text
    assert "/" not in text


@pytest.mark.parametrize("text", ["node1:22", "::1.22", "fe80::1.22%eth0"])
def test_a_name_may_have_a_port_but_a_host_may_not(text: str) -> None:
    assert node_name(text) == text
    with pytest.raises(UsageError, match="bad host name"):
        host_address(text)


@pytest.mark.parametrize(
    "text", ["", "-x", ".", "..", ".x", "a/b", "a b", "n%h", "node1%eth0", "n" * 254, "é", "a\n"]
)
def test_bad_names(text: str) -> None:
    for check in (node_name, host_address):
        with pytest.raises(UsageError, match="bad host name") as caught:
            check(text)
        assert caught.value.hint


@pytest.mark.parametrize("text", ["1::2::3", "::g", "a:b", "fe80::1%", "fe80::1%e/0", ":", "::1\n"])
def test_what_is_no_ipv6_address(text: str) -> None:
    assert not is_ipv6(text)


@pytest.mark.parametrize("text", ["0", "65536", "", "+1", "1.0", "00080999999", "２２", "0" * 5000])
def test_bad_ports(text: str) -> None:
    with pytest.raises(UsageError, match="bad port"):
        port_number(text)


def test_good_ports() -> None:
    assert [port_number(text) for text in ("1", "022", "65535")] == [1, 22, 65535]


def test_users() -> None:
    assert user_name("DOM\\alice@example") == "DOM\\alice@example"
    for text in ("", "-l", "a b", "a:b", "$(id)", "a" * 65):
        with pytest.raises(UsageError, match="bad user name"):
            user_name(text)
