"""Who may ask what of the web page: Host, Origin, sizes, and the headers of every answer.

Nothing here trusts the text of a request for who asks: the user is known by the peer
credentials of a Unix socket (`clsh.web.serve`) alone.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from clsh.base.errors import ConfigError
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

SAFE = ("GET", "HEAD", "OPTIONS")
LARGEST_BODY = 256 * 1024
_LARGEST_HEADERS = 16 * 1024
_LONGEST_TARGET = 8 * 1024
_UNIX = "uid:"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not "no-referrer": with that browsers call our own forms' origin "null" (Fetch, 3.2).
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def check_listening(address: str) -> None:
    """Raise ConfigError for an IP address that other machines reach: this is plain HTTP.

    `address` is numeric, as the socket has it, so that no name decides.
    """
    if not ipaddress.ip_address(address).is_loopback:
        raise ConfigError(
            f"[manager] listen: other machines would reach {address}, over plain HTTP that"
            " anybody on the way can read and change",
            hint='listen at "127.0.0.1:8650"; from afar use `ssh -L 8650:127.0.0.1:8650 HOST`,'
            " or a reverse proxy with TLS on this machine, its name in names of [manager]",
        )


def peer(uid: int, pid: int) -> tuple[str, int]:
    """Return the `client` of a scope for a process at the other end of a Unix socket."""
    return f"{_UNIX}{uid}", pid


def peer_uid(scope: Scope) -> int | None:
    """Return who asks over the Unix socket, None for everybody else.

    A TCP client's first field is its address, which never begins so.
    """
    client = cast("Sequence[object] | None", scope.get("client"))
    name = str(client[0]) if client else ""
    return int(name.removeprefix(_UNIX)) if name.startswith(_UNIX) else None


def allowed_hosts(listen: str, names: Sequence[str]) -> frozenset[str]:
    """Return the Host names, without port, that are ours: where we listen, and what is said."""
    return frozenset({"localhost", *map(_without_port, (listen, *names))})


def check(scope: Scope, hosts: frozenset[str]) -> None:
    """Raise RefusedError for a request that no route may see."""
    headers = _headers(scope)
    _check_sizes(scope, headers)
    if peer_uid(scope) is None:  # no browser speaks over a Unix socket
        _check_host(headers, hosts)
    if scope["type"] == "websocket" or scope["method"] not in SAFE:
        _check_origin(headers)


def _headers(scope: Scope) -> dict[str, str]:
    pairs = cast("list[tuple[bytes, bytes]]", scope["headers"])
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _check_sizes(scope: Scope, headers: Mapping[str, str]) -> None:
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > _LONGEST_TARGET:
        raise RefusedError(414, f"the address is longer than {_LONGEST_TARGET} bytes")
    if sum(len(name) + len(value) for name, value in headers.items()) > _LARGEST_HEADERS:
        raise RefusedError(431, f"the headers are larger than {_LARGEST_HEADERS} bytes")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length[:12]) > LARGEST_BODY:
        raise too_large()


def too_large() -> RefusedError:
    """Return the refusal of a body that is too large."""
    return RefusedError(413, f"the body is larger than {LARGEST_BODY} bytes")


def _check_host(headers: Mapping[str, str], hosts: frozenset[str]) -> None:
    """Refuse names that are not ours: a foreign page may point its own name at our address."""
    name = _without_port(headers.get("host", ""))
    if not name:
        raise RefusedError(400, "the request has no Host")
    if name not in hosts:
        raise RefusedError(
            421,
            f"this server does not answer to the name {name[:80]!r}",
            hint="add it to names in [manager]",
        )


def _check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site makes a browser send.

    Without both headers it is no browser: a token or the socket's peer must speak for it.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    ours = site is None or site in {"same-origin", "none"}
    if ours and (origin is None or _origin_host(origin) == headers.get("host", "").lower()):
        return
    raise RefusedError(403, "this request comes from a page of another site")


def _origin_host(origin: str) -> str | None:
    """Return `host[:port]` of an Origin, None when it is none (`null`)."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} and parts.netloc else None


def _without_port(text: str) -> str:
    host, colon, port = text.strip().lower().rpartition(":")
    inside = host.startswith("[") == host.endswith("]") and (":" not in host or host[:1] == "[")
    name = host if colon and inside and (port.isdigit() or port == "") else text.strip().lower()
    return name.removesuffix(".")
