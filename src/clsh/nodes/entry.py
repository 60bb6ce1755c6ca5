"""One list of nodes as people write it, `-h LIST` or a line of a host file, to nodes.

An entry is `[user@]host[:port]`, where host is a name, a node set or an IPv6 address (in
brackets when a port follows), or `podman://name`, `docker://name`, `local://`, `@group`.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.nodes.model import Node, host_address, is_ipv6, node_name, port_number, user_name
from clsh.nodes.nodeset import LIMIT, expand, is_range, split

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    Lookup = Callable[[str], Sequence[Node]]

OUTSIDE_SSH = frozenset({"container", "local"})
_ENGINES = ("podman", "docker")
_BALANCED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")


def parse(text: str, lookup: Lookup | None = None) -> list[Node]:
    """Return the nodes of a list separated by commas, in its order, each once.

    `lookup` gives the nodes of a group and raises UsageError for one it does not know.
    Raises UsageError for a bad spelling and for more than LIMIT nodes.
    """
    nodes: list[Node] = []
    for item in split(text):
        nodes += _entry(item.strip(" \t"), lookup)
        if len(nodes) > LIMIT:
            raise too_many()
    return unique(nodes)


def split_colons(text: str) -> list[str]:
    """Split the entries of CLSH_HOSTS at its colons.

    A colon in brackets, before `//`, and between `[IPv6]` and a port belongs to its entry.
    One colon at either end is allowed, since scripts join names that way; raises UsageError
    for two side by side.
    """
    entries: list[str] = []
    for piece in split(text.removeprefix(":").removesuffix(":"), ":"):
        goes_on = piece.startswith("//") or (piece.isdecimal() and _is_address(entries[-1:]))
        if entries and goes_on:
            entries[-1] += f":{piece}"
        else:
            entries.append(piece)
    if "" in entries:
        raise UsageError(
            f"an empty name in {text[:80]!r}",
            hint="one colon between two entries; brackets around an IPv6 address: [::1]",
        )
    return entries


def destination(text: str) -> tuple[str | None, str, int | None]:
    """Return the user, host and port of `[user@]host[:port]`, as ProxyJump takes it too."""
    user, at, place = text.rpartition("@")
    host, port = _host_and_port(place)
    return user_name(user) if at else None, host_address(host), port


def unique(nodes: Iterable[Node]) -> list[Node]:
    """Return `nodes` with the first of each name.

    Raises UsageError when two machines have one name, since their output could not be told
    apart.
    """
    first: dict[str, Node] = {}
    for node in nodes:
        known = first.setdefault(node.name, node)
        if known is not node and _machine(known) != _machine(node):
            raise UsageError(
                f"two nodes have the name {node.name!r}: {_machine(known)} and {_machine(node)}",
                hint="name one of them, or give one another name by address= in a host file",
            )
    return list(first.values())


@contextmanager
def located(where: str) -> Generator[None, None, None]:
    """Put `where` (an option, a variable, file and line) before the words of a UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error}", hint=error.hint) from error


def without_port(name: str) -> str:
    """Return the host in the name of an entry that has a port: `node1` of `node1:2222`."""
    return _host_and_port(name)[0] if ":" in name else name


def shortened(nodes: Sequence[Node]) -> list[Node]:
    """Drop the port from the names of those nodes whose host is there only once."""
    hosts = Counter(without_port(node.name) for node in nodes)
    return [
        replace(node, name=node_name(host)) if host != node.name and hosts[host] == 1 else node
        for node, host in ((node, without_port(node.name)) for node in nodes)
    ]


def too_many() -> UsageError:
    """Return the error for a list that is longer than any cluster."""
    return UsageError(f"more than {LIMIT:,} nodes", hint="name a smaller set")


def _entry(item: str, lookup: Lookup | None) -> Sequence[Node]:
    item = _unprotected(item)
    if item.startswith("@"):
        return _group(item[1:], lookup)
    kind, scheme, rest = item.partition("://")
    if scheme:
        return _outside_ssh(kind, rest)
    user, at, place = item.rpartition("@")
    login = user_name(user) if at else None
    return [_ssh_node(login, *_host_and_port(one)) for one in _places(place)]


def _unprotected(item: str) -> str:
    """Take off brackets around a whole entry, as CLSH_HOSTS needs them: `[host:2222]`."""
    inner = item[1:-1]
    whole = item.startswith("[") and item.endswith("]") and _BALANCED.fullmatch(inner)
    return item if not whole or is_range(inner) or is_ipv6(inner) else inner


def _group(name: str, lookup: Lookup | None) -> Sequence[Node]:
    if lookup is None:
        raise UsageError(
            f"no group {name!r}: there is no inventory",
            hint="write groups into clsh.toml; `cl config show --origin` tells where it is",
        )
    return lookup(name)


def _outside_ssh(kind: str, rest: str) -> list[Node]:
    if kind == "local" and not rest:
        return [Node(node_name("local"), "localhost", transport="local")]
    if kind not in _ENGINES:
        raise UsageError(
            f"bad host name {f'{kind}://{rest}'[:80]!r}",
            hint="these are known: podman://NAME, docker://NAME, local://",
        )
    user, at, names = rest.rpartition("@")
    login = user_name(user) if at else None
    return [_container(kind, login, name) for name in expand(names)]


def _container(engine: str, user: str | None, name: str) -> Node:
    if ":" in name:
        raise UsageError(f"bad container name {name!r}", hint="a container has no port")
    return Node(node_name(name), name, user, transport="container", options={"engine": engine})


def _places(text: str) -> list[str]:
    """Return `host[:port]` for each name of a node set, an IPv6 address as it is."""
    if text.startswith("[") and not is_range(text[1:].partition("]")[0]):
        return [text]
    return expand(text)


def _host_and_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or not is_ipv6(host) or (port and not port.startswith(":")):
            raise UsageError(
                f"bad host name {place[:80]!r}", hint="an IPv6 address is written [::1]:2222"
            )
        return host, port_number(port[1:]) if port else None
    if place.count(":") > 1:
        return _bare_ipv6(place)
    host, colon, port = place.partition(":")
    return host, port_number(port) if colon else None


def _bare_ipv6(text: str) -> tuple[str, int | None]:
    """Return address and port of `::1`, or of `::1.2222` as `_ssh_node` names one with a port."""
    if is_ipv6(text):
        return text, None
    place, percent, scope = text.partition("%")
    address, _, port = place.rpartition(".")
    return (address + percent + scope, port_number(port)) if is_ipv6(address) else (text, None)


def _ssh_node(user: str | None, host: str, port: int | None) -> Node:
    """Name a node by host and port: one host may have several sshd (see `shortened`)."""
    host = host_address(host)
    if port is None:
        name = host
    elif ":" in host:
        address, percent, scope = host.partition("%")
        name = f"{address}.{port}{percent}{scope}"
    else:
        name = f"{host}:{port}"
    return Node(node_name(name), host, user, port)


def _is_address(last: list[str]) -> bool:
    place = "".join(last).rpartition("@")[2]
    return place.startswith("[") and place.endswith("]") and is_ipv6(place[1:-1])


def _machine(node: Node) -> str:
    if node.transport in OUTSIDE_SSH:
        return f"{node.options.get('engine', node.transport)}://{node.host}"
    return node.host
