from __future__ import annotations

from typing import Any

import pytest

from clsh.web import security
from clsh.web.asking import RefusedError

HOSTS = security.allowed_hosts("127.0.0.1:8650", ["Cluster.example.org", "web:443"])


def scope(
    method: str = "GET", host: str = "localhost:8650", kind: str = "http", **more: Any
) -> dict[str, Any]:
    headers = {"host": host, **more.pop("headers", {})}
    return {
        "type": kind,
        **({"method": method} if kind == "http" else {}),
        "path": "/",
        "query_string": b"",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("10.0.0.9", 1),
        "server": ("192.0.2.7", 8650),
        **more,
    }


def refused(given: dict[str, Any]) -> RefusedError:
    with pytest.raises(RefusedError) as told:
        security.check(given, HOSTS)
    return told.value


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:1", "127.0.0.1:8650", "cluster.example.org", "cluster.example.org.",
        "web",
    ],
)  # fmt: skip
def test_our_names_are_answered_to(host: str) -> None:
    security.check(scope(host=host), HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.org", "localhost.evil.org", "127.0.0.1.evil.org:8650", "192.0.2.7", "[::1]",
        "localhost:80:80", "localhost@evil.org", "user@localhost", "localhost:x", "[localhost]",
    ],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    error = refused(scope(host=host))
    assert error.status == 421
    assert "[manager]" in error.hint


def test_a_request_without_host_is_refused() -> None:
    assert refused(scope(host="")).status == 400


@pytest.mark.parametrize(
    ("listen", "name"), [("[::1]:8650", "[::1]"), ("node7:80", "node7"), ("node7", "node7")]
)
def test_where_we_listen_is_our_name(listen: str, name: str) -> None:
    assert name in security.allowed_hosts(listen, [])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_is_this_machine(address: str) -> None:
    assert security.is_loopback(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.0.2.7", "10.0.0.1", "fe80::1%eth0", "2001:db8::1"]
)
def test_other_addresses_are_reached_from_afar(address: str) -> None:
    assert not security.is_loopback(address)


def test_who_came_to_an_address_from_afar_may_name_it() -> None:
    """It is no name that a foreign page could give to our address."""
    far: dict[str, Any] = {"scheme": "https", "server": ("192.0.2.7", 8650)}
    security.check(scope(host="192.0.2.7:8650", **far), HOSTS)
    security.check(
        scope(host="[2001:db8::1]:8650", scheme="wss", server=("2001:db8::1", 8650)), HOSTS
    )
    assert refused(scope(host="192.0.2.8:8650", **far)).status == 421
    assert refused(scope(host="192.0.2.7:8650", scheme="http")).status == 421
    assert refused(scope(host="192.0.2.7", scheme="https", server=None)).status == 421


def test_a_unix_peer_needs_no_name() -> None:
    security.check(scope(host="anything", client=security.peer(1000, 5), server=None), HOSTS)


FOREIGN: list[dict[str, str]] = [
    {"origin": "http://evil.example.org"},
    {"origin": "http://localhost:9999"},
    {"origin": "null"},
    {"origin": "file://"},
    {"origin": "http://[bad"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://localhost:8650"},
    {"sec-fetch-site": "same-origin", "origin": "http://evil.example.org"},
]
OURS: list[dict[str, str]] = [
    {},
    {"origin": "http://localhost:8650"},
    {"origin": "https://LOCALHOST:8650"},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_sites_change_nothing_and_hear_nothing(headers: dict[str, str]) -> None:
    for method in ("POST", "DELETE", "PUT", "PATCH"):
        assert refused(scope(method, headers=headers)).status == 403
    assert refused(scope(kind="websocket", headers=headers)).status == 403
    security.check(scope("GET", headers=headers), HOSTS)
    security.check(scope("HEAD", headers=headers), HOSTS)


@pytest.mark.parametrize("headers", OURS)
def test_our_own_pages_and_clients_that_are_no_browsers_may(headers: dict[str, str]) -> None:
    security.check(scope("POST", headers=headers), HOSTS)
    security.check(scope(kind="websocket", headers=headers), HOSTS)


def test_sizes_are_bounded() -> None:
    assert refused(scope(query_string=b"x" * 8193)).status == 414
    assert refused(scope(raw_path=b"/" + b"x" * 8192)).status == 414
    assert refused(scope(headers={"x-long": "x" * 16384})).status == 431
    for length in ("262145", "99999999999999999999999", "-1", "1e3"):
        assert refused(scope("POST", headers={"content-length": length})).status == 413
    security.check(scope("POST", headers={"content-length": "262144"}), HOSTS)


@pytest.mark.parametrize(
    ("client", "uid"),
    [
        (security.peer(0, 1), 0),
        (security.peer(1000, 1), 1000),
        (("127.0.0.1", 1000), None),
        (("::1", 0), None),
        (None, None),
    ],
)
def test_only_a_unix_peer_has_a_user(client: tuple[str, int] | None, uid: int | None) -> None:
    assert security.peer_uid(scope(client=client)) == uid
