"""A node and its name; the name is the one place where a host's spelling is checked.

A NodeName can never be read as an option, a path or shell text, so every other file may
put it into an argv or a file name as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType

from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

NodeName = NewType("NodeName", str)

_LONGEST = 253
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*", re.ASCII)
# A '%' may only begin the scope of an IPv6 address: ssh expands '%h' and the like elsewhere.
_IPV6_NAME = re.compile(r"(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,63}", re.ASCII)


def node_name(text: str) -> NodeName:
    """Return `text` as a node's name; raises UsageError for any other spelling."""
    if len(text) > _LONGEST or not (_NAME.fullmatch(text) or _IPV6_NAME.fullmatch(text)):
        raise _bad_name(text)
    return NodeName(text)


def host_address(text: str) -> str:
    """Return `text` as a host to connect to: a name, an IPv4 or an IPv6 address.

    Raises UsageError for any other spelling. Only an IPv6 address has ':', or '%' before
    its scope; it stands without brackets here.
    """
    if len(text) > _LONGEST or not (_HOST.fullmatch(text) or is_ipv6(text)):
        raise _bad_name(text)
    return text


def is_ipv6(text: str) -> bool:
    """Tell whether `text` is an IPv6 address, with a scope (`fe80::1%eth0`) or without."""
    if not _IPV6_NAME.fullmatch(text):
        return False
    from ipaddress import AddressValueError, IPv6Address  # 5 ms that few start-ups need

    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _bad_name(text: str) -> UsageError:
    shown = text if len(text) <= _LONGEST else text[:40] + "..."
    return UsageError(
        f"bad host name {shown!r}",
        hint="a name has at most 253 ASCII letters, digits, '_', '.' and '-', and does not begin "
        "with '-' or '.'; an IPv6 address with a port is [::1]:2222",
    )


def user_name(text: str) -> str:
    """Return `text` as a login name; raises UsageError for any other spelling."""
    if not _USER.fullmatch(text):
        raise UsageError(f"bad user name {text!r}", hint="a name as in user@host")
    return text


def port_number(text: str) -> int:
    """Return `text` as a TCP port, 1 to 65535; raises UsageError otherwise."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise UsageError(f"bad port {text!r}", hint="a port is a number from 1 to 65535")
    return int(text)


@dataclass(frozen=True, slots=True)
class Node:
    """One machine or container, and how it is reached; unset fields are left to ssh_config.

    `name` is what people see and what names its files; `host` is the address to connect to,
    or the container's name; `transport` is a name in `clsh.remote.transports`, or `auto`.
    `jump` is `[user@]host[:port][,...]` as ProxyJump takes it. `options` holds what one
    transport alone understands (`identity`, `known_hosts`, `config`), each documented there.
    """

    name: NodeName
    host: str
    user: str | None = None
    port: int | None = None
    transport: str = "auto"
    jump: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """How busy a node is; memory in bytes, `age_s` is how old the figures are.

    `load_one` is the load average over a minute, `runnable` the processes that run or could.
    """

    load_one: float
    runnable: float
    cores: float
    mem_available: float
    mem_total: float
    age_s: float
