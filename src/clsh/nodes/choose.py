"""Which nodes a command is for: the first of -h, host file, environment and inventory.

Nothing is guessed: what cannot be read or understood is a UsageError, never fewer nodes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.base.messages import tr
from clsh.nodes import entry, hostfile
from clsh.nodes.model import user_name
from clsh.nodes.nodeset import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node

_LARGEST_FILE = 16 * 2**20
_DEFAULT_FILES = (".hostfile", "hostfile")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says about nodes: -h, -x, -a, -g, --hostfile and --user."""

    hosts: Sequence[str] = ()
    exclude: Sequence[str] = ()
    all: bool = False
    groups: Sequence[str] = ()
    hostfile: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The nodes in their order, each once, and the note that says where they came from."""

    nodes: tuple[Node, ...]
    note: str | None = None


def choose(
    asked: Asked, environ: Mapping[str, str], inventory: Inventory | None, cwd: Path
) -> Choice:
    """Return the chosen nodes; reads at most the one host file, relative to `cwd`.

    Raises UsageError naming the option, variable or file and line that is wrong, and when
    no node is named or left.
    """
    user = user_name(asked.user) if asked.user is not None else None
    book = _Book(inventory, user)
    named = _from_options(asked, book) or _from_places(asked, environ, book, cwd)
    nodes = entry.unique(map(book.complete, named.nodes))
    if not nodes:
        raise UsageError("no node is named", hint="the group or list is empty")
    if asked.exclude:
        with entry.located("-x"):
            nodes = without(nodes, map(book.complete, book.lists(asked.exclude)))
    if len(nodes) > LIMIT:
        raise entry.too_many()
    return Choice(tuple(entry.shortened(nodes)), named.note)


class _Book:
    """The inventory as entries see it: its groups, and what it knows of a named node."""

    def __init__(self, inventory: Inventory | None, user: str | None) -> None:
        self.inventory = inventory
        self.user = user

    def need(self, option: str) -> Inventory:
        if self.inventory is None:
            raise UsageError(
                f"{option} needs an inventory",
                hint="write nodes and groups into clsh.toml; "
                "`cl config show --origin` tells where it is",
            )
        return self.inventory

    def group(self, name: str) -> list[Node]:
        return self.logins(self.need(f"group {name[:80]!r}").group(name))

    def everything(self) -> list[Node]:
        return self.logins(self.need("-a").nodes())

    def logins(self, nodes: Iterable[Node]) -> list[Node]:
        return [self._login(node) for node in nodes]

    def lists(self, texts: Iterable[str]) -> list[Node]:
        nodes: list[Node] = []
        for text in texts:
            nodes += entry.parse(text, self.group)
            if len(nodes) > LIMIT:
                raise entry.too_many()
        return nodes

    def complete(self, node: Node) -> Node:
        """Add to an entry the --user of the command line, then what the inventory knows."""
        if node.user is None:
            node = self._login(node)
        if self.inventory is None or node.transport in entry.OUTSIDE_SSH:
            return node
        known = self.inventory.node(node.name)
        if known and known.transport in entry.OUTSIDE_SSH:
            login = None if known.transport == "local" else node.user or known.user
            return replace(known, user=login)
        known = known or self.inventory.node(node.host)
        return _merged(node, known) if known and known.transport not in entry.OUTSIDE_SSH else node

    def _login(self, node: Node) -> Node:
        if self.user is None or node.transport == "local":
            return node
        return replace(node, user=self.user)


def _merged(node: Node, known: Node) -> Node:
    """Return what was written of a node, the rest as the inventory has it."""
    same = node.port in {None, known.port} and node.host == known.name
    return replace(
        node,
        name=known.name if same else node.name,
        host=known.host if node.host == known.name else node.host,
        user=node.user or known.user,
        port=node.port or known.port,
        transport=known.transport if node.transport == "auto" else node.transport,
        jump=node.jump or known.jump,
        options={**known.options, **node.options},
    )


def _from_options(asked: Asked, book: _Book) -> Choice | None:
    if not (asked.hosts or asked.groups or asked.all):
        return None
    with entry.located("-h"):
        nodes = book.lists(asked.hosts)
    with entry.located("-g"):
        for name in asked.groups:
            nodes += book.group(name)
    if asked.all:
        nodes += book.everything()
    return Choice(tuple(nodes))


def _from_places(asked: Asked, environ: Mapping[str, str], book: _Book, cwd: Path) -> Choice:
    if asked.hostfile is not None:
        return Choice(_read(asked.hostfile, book, cwd))
    if hosts := environ.get("CLSH_HOSTS"):
        with entry.located("CLSH_HOSTS"):
            nodes = book.lists(entry.split_colons(hosts))
        return Choice(tuple(nodes), tr("Note: use CLSH_HOSTS environment"))
    if name := environ.get("CLSH_HOSTFILE"):
        shown = name if name.startswith(("/", "./", "../")) else f"./{name}"
        note = tr("Note: use hostfile '{file}' (CLSH_HOSTFILE env)", file=_printable(shown))
        return Choice(_read(shown, book, cwd), note)
    for name in _DEFAULT_FILES:
        if os.path.lexists(cwd / name):
            note = tr("Note: use hostfile '{file}' (default)", file=name)
            return Choice(_read(name, book, cwd), note)
    if book.inventory and (default := book.inventory.default()):
        return Choice(tuple(book.logins(default)))
    raise UsageError(
        tr("--hostfile option was not given"),
        hint=tr(
            "name nodes by -h node1,node2, by --hostfile FILE, in CLSH_HOSTS or CLSH_HOSTFILE, "
            "in a file .hostfile here, or by a default group in the inventory"
        ),
    )


def _read(name: str, book: _Book, cwd: Path) -> tuple[Node, ...]:
    """Return the nodes of a host file; what is read is bounded, and it may be a pipe."""
    shown = _printable(name)
    try:
        with (cwd / name).open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"cannot read host file '{shown}': {reason}", hint="name a file that you may read"
        ) from error
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"host file '{shown}' is larger than {_LARGEST_FILE >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{shown}, line {line}: not UTF-8 text") from error
    return tuple(hostfile.parse(text, shown, book.group))


def without(nodes: Iterable[Node], away: Iterable[Node]) -> list[Node]:
    """Take away nodes by name or address, and every port of a host named without one."""
    gone: set[object] = set()
    for node in away:
        gone |= {node.name, (entry.without_port(node.name), node.port)}
    left: list[Node] = []
    for node in nodes:
        base = entry.without_port(node.name)
        if gone.isdisjoint({node.name, node.host, base, (base, node.port)}):
            left.append(node)
    if not left:
        raise UsageError("no node is left", hint="all that were named are taken away")
    return left


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
