"""How one node is reached, as options of a host file's line or keys of the inventory."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.nodes.entry import OUTSIDE_SSH, destination
from clsh.nodes.model import host_address, port_number, user_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.nodes.model import Node

FILES = ("config", "identity", "known_hosts")  # kept in Node.options, `~` expanded
KEYS = ("address", *FILES, "jump", "port", "transport", "user")
SHARED = tuple(key for key in KEYS if key != "address")  # what several nodes may have in common

_TRANSPORT = re.compile(r"[a-z][a-z0-9_]{0,31}")


def checked(key: str, value: str) -> str:
    """Return the value of one of KEYS ready for use; raises UsageError for a bad one."""
    if key == "port":
        port_number(value)
    elif key == "user":
        user_name(value)
    elif key == "address":
        host_address(value)
    elif key == "jump":
        for hop in value.split(","):
            destination(hop)
        if "%" in value:
            raise UsageError(f"bad jump host {value!r}", hint="ssh would expand the '%' in it")
    elif key == "transport":
        if not _TRANSPORT.fullmatch(value) or value == "container":
            raise UsageError(
                f"bad transport {value!r}",
                hint="for example auto, asyncssh, openssh; a container is podman://NAME",
            )
    else:
        return _file_name(key, value)
    return value


def _file_name(key: str, value: str) -> str:
    if not value.isprintable() or value[:1] in {"", "-"}:
        raise UsageError(f"bad file name {value!r} for {key}")
    try:
        return str(Path(value).expanduser())
    except RuntimeError as error:
        raise UsageError(f"no home directory for {value!r}") from error


def assign(node: Node, settings: Mapping[str, str]) -> Node:
    """Give `node` what its own line or table says, in checked values.

    Raises UsageError for what its entry says as well and for what does not fit its transport.
    """
    for key in settings:
        if _given(node, key):
            raise UsageError(f"{key} of {node.name} is given twice", hint=f"leave {key}= out")
        if node.transport in OUTSIDE_SSH and key != "user":
            raise UsageError(f"{node.name} is not reached over SSH: it takes no {key}")
    return _with(node, settings)


def fill(node: Node, settings: Mapping[str, str]) -> Node:
    """Give a node reached over SSH those settings that it does not have yet."""
    if node.transport in OUTSIDE_SSH:
        return node
    return _with(node, {key: v for key, v in settings.items() if not _given(node, key)})


def _given(node: Node, key: str) -> bool:
    if key == "transport":
        return node.transport != "auto"
    if key in FILES:
        return key in node.options
    return key != "address" and getattr(node, key) is not None


def _with(node: Node, settings: Mapping[str, str]) -> Node:
    files = {key: settings[key] for key in FILES if key in settings}
    return replace(
        node,
        host=settings.get("address", node.host),
        user=settings.get("user", node.user),
        port=int(settings["port"]) if "port" in settings else node.port,
        transport=settings.get("transport", node.transport),
        jump=settings.get("jump", node.jump),
        options={**node.options, **files},
    )
