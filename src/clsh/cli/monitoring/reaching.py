"""Nodes that a monitoring command reaches over SSH itself: named and connected to as by clsh."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.base.messages import tr
from clsh.cli import options as command_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from clsh.cli.options import Options
    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Plan
    from clsh.remote.transport import Transport

_SHARED = {
    *("--hosts", "--exclude", "--all", "--group", "--hostfile", "--fanout", "--connect-timeout"),
    *("--ask-pass", "--pass-file", "--transport"),
}
_NAMES = (*(name[2:].replace("-", "_") for name in _SHARED), "login")
_VARIABLES = ("CLSH_HOSTS", "CLSH_HOSTFILE")


class Reach:
    """Which nodes, how many at once, and the way to them; made before the event loop starts."""

    def __init__(
        self,
        nodes: Sequence[tuple[str, Node]],
        plan: Plan,
        transport: Callable[[], Transport],
        drop_dir: str,
    ) -> None:
        self.nodes = nodes
        self.plan = plan
        self.transport = transport
        self.drop_dir = drop_dir


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take nodes and how they are reached, `-h` being hosts as everywhere here."""
    parser.conflict_handler = "resolve"
    group = parser.add_argument_group(tr("over SSH, without a manager"))
    command_line.share(group.add_argument, _SHARED)
    group.add_argument(
        "-l", "--login", metavar="NAME", help=tr("login name for nodes that have none of their own")
    )


def is_asked(args: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Tell whether nodes were named, or how to reach them: then no manager is asked."""
    given = any(getattr(args, name) for name in _NAMES)
    return given or any(environ.get(name) for name in _VARIABLES)


def unless_managed(args: argparse.Namespace) -> Reach | None:
    """Return the nodes to reach, None when a manager runs and no nodes were named.

    Raises UsageError when there is neither, and what `reach` raises.
    """
    if is_asked(args, os.environ):
        return reach(args)
    from clsh.cli import client

    try:
        client.get("/healthz")
    except client.NoManagerError:
        if _are_known():
            return reach(args)
        raise UsageError(
            "no manager runs, and no nodes are named",
            hint="start one: cl up; or name nodes: -h node1,node2",
        ) from None
    return None


def _are_known() -> bool:
    """Tell whether there are nodes here without an option."""
    from clsh.base import config
    from clsh.nodes import inventory

    book = inventory.load(config.load(os.environ))
    return _has_default(book) or bool(book and book.members)


def reach(args: argparse.Namespace) -> Reach:
    """Return the nodes as clsh chooses them, else all of the inventory; asks for passwords.

    Raises UsageError when no node is named anywhere, and ConfigError.
    """
    from clsh.base import config
    from clsh.cli import prepare
    from clsh.monitor import settings as monitoring
    from clsh.nodes import inventory

    asked = _options(args)
    settings = config.load(os.environ)
    book = inventory.load(settings)
    nodes = _nodes(asked, book)
    clusters: Mapping[str, str] = book.clusters if book else {}
    return Reach(
        [(clusters.get(node.name, ""), node) for node in nodes],
        prepare.plan(asked, settings),
        prepare.transport(asked, settings),
        monitoring.load(settings).drop_dir,
    )


def _options(args: argparse.Namespace) -> Options:
    """Return what was asked as clsh's own options, whose other values are the defaults."""
    asked = command_line.parser().parse_args([], namespace=command_line.Options())
    for name in _NAMES:
        value = getattr(args, name)
        if value is not None:
            setattr(asked, "user" if name == "login" else name, value)
    if asked.ask_pass and asked.pass_file:
        raise UsageError("--ask-pass and --pass-file do not go together", hint="leave one out")
    return asked


def _nodes(asked: Options, book: Inventory | None) -> Sequence[Node]:
    from clsh.cli.clsh import choose

    named = asked.hosts or asked.group or asked.all or asked.hostfile
    if book and book.members and not (named or _has_default(book)):
        asked.all = True
    return choose(asked, book)


def _has_default(book: Inventory | None) -> bool:
    """Tell whether clsh alone would know nodes here, without an option."""
    files = (Path(".hostfile"), Path("hostfile"))
    return bool(
        any(os.environ.get(name) for name in _VARIABLES)
        or any(os.path.lexists(file) for file in files)
        or (book and book.default())
    )
