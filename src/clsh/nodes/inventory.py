"""The inventory: the nodes, clusters and groups that the configuration file names.

Each node belongs to one cluster at most. What a node's own table leaves open comes from its
cluster, then from `[defaults]`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from clsh.base.config import INVENTORY, check_keys, nearest
from clsh.base.errors import ConfigError, UsageError
from clsh.nodes import entry
from clsh.nodes.model import Node
from clsh.nodes.nodeset import LIMIT, expand
from clsh.nodes.settings import KEYS, SHARED, assign, checked, fill

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from clsh.base.config import Config

    _Place = tuple[tuple[str, ...], list[str]]  # a key of the file, and the lists there

_DEEPEST = 32  # groups within groups
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII)
_CLUSTER = (*SHARED, "nodes", "groups")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Nodes by name in the order of the file; `groups` has `gpu`, `hpc` and `hpc:gpu`.

    `clusters` gives the cluster of each node that has one.
    """

    members: Mapping[str, Node]
    groups: Mapping[str, tuple[Node, ...]]
    clusters: Mapping[str, str]
    default_group: str | None = None

    def nodes(self, group: str | None = None) -> tuple[Node, ...]:
        """Return the nodes of a group, all without one; raises UsageError as `group` does."""
        return tuple(self.members.values()) if group is None else self.group(group)

    def node(self, name: str) -> Node | None:
        """Return the node with this name."""
        return self.members.get(name)

    def default(self) -> tuple[Node, ...]:
        """Return the nodes of the default group, none when there is no such group."""
        return self.group(self.default_group) if self.default_group else ()

    def group(self, name: str) -> tuple[Node, ...]:
        """Return the nodes of `gpu`, `hpc`, `hpc:gpu` or `rack[1-3]`.

        A group of one cluster needs no cluster before it when no other has the same. Raises
        UsageError for a name that is unknown or in several clusters.
        """
        found = [node for one in expand(name) for node in self._group(one)]
        return tuple(entry.unique(found))

    def memberships(self) -> dict[str, list[str]]:
        """Return the groups that each node is in, by its name; clusters are left out."""
        clusters = set(self.clusters.values())
        found: dict[str, list[str]] = {}
        for group, nodes in self.groups.items():
            for node in nodes if group not in clusters else ():
                found.setdefault(node.name, []).append(group)
        return found

    def _group(self, name: str) -> tuple[Node, ...]:
        return self.groups[_full_name(self.groups, name)]


def load(config: Config) -> Inventory | None:
    """Return the inventory of a configuration, None when it has none.

    Raises ConfigError for a wrong key or type, UsageError for a bad entry or group; both
    name file, line and key.
    """
    return _Builder(config).build() if any(key in config.tables for key in INVENTORY) else None


def _full_name(known: Iterable[str], name: str) -> str:
    """Return the one of the known groups that `name` means."""
    names = list(known)
    if name in names:
        return name
    full = [one for one in names if one.endswith(f":{name}")]
    if not full:
        raise UsageError(f"there is no group {name[:80]!r}", hint=nearest(name[:80], names))
    if len(full) > 1:
        choice = ", ".join(f"@{one}" for one in full)
        raise UsageError(f"several clusters have a group {name!r}", hint=f"write one of: {choice}")
    return full[0]


class _Builder:
    """Reads the tables, clusters first; settings are put together at the end.

    `found` has the nodes as their entries say, `own` what the tables of nodes say.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.found: dict[str, Node] = {}
        self.own: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {}
        self.clusters: dict[str, str] = {}
        self.groups: dict[str, tuple[str, ...]] = {}

    def build(self) -> Inventory:
        tables = self.config.tables
        defaults = self.settings(tables.get("defaults", {}), SHARED, "defaults")
        shared: dict[str | None, dict[str, str]] = {}
        for name, value in self.table(tables.get("clusters", {}), "clusters").items():
            shared[name] = self.cluster(name, self.table(value, "clusters", name))
        self.scope(tables.get("groups", {}), "", "groups")
        for entries, value in self.table(tables.get("nodes", {}), "nodes").items():
            self.node_table(entries, value)
        settled = [
            fill(fill(self.owned(node), shared.get(self.clusters.get(name), {})), defaults)
            for name, node in self.found.items()
        ]
        short = dict(zip(self.found, entry.shortened(settled), strict=True))
        members: dict[str, Node] = {node.name: node for node in short.values()}
        groups = {g: tuple(short[name] for name in names) for g, names in self.groups.items()}
        clusters: dict[str, str] = {
            short[name].name: cluster for name, cluster in self.clusters.items()
        }
        default = tables.get("default")
        if not isinstance(default, str | None):
            where = self.config.where("default")
            raise ConfigError(f"{where} must be the name of a group; it is {default!r}")
        inventory = Inventory(members, groups, clusters, default)
        with self.located("default"):
            inventory.default()
        return inventory

    def cluster(self, name: str, table: Mapping[str, object]) -> dict[str, str]:
        """Read one cluster and return what its nodes have in common."""
        at = ("clusters", name)
        self.check_name(*at)
        check_keys(self.config, at, table, _CLUSTER)
        groups = self.scope(table.get("groups", {}), f"{name}:", *at, "groups")
        members: dict[str, None] = {}
        if "nodes" in table:
            key = (*at, "nodes")
            members = dict.fromkeys(groups.read(key, self.lists(table["nodes"], *key)))
        for full in groups.texts:
            members.update(dict.fromkeys(self.groups[full]))
        for node in members:
            other = self.clusters.setdefault(node, name)
            if other != name:
                raise ConfigError(
                    f"{self.config.where(*at)}: {node} is in cluster {other} as well",
                    hint="a node has one cluster; groups may share nodes",
                )
        self.groups[name] = tuple(members)
        common = {key: value for key, value in table.items() if key in SHARED}
        return self.settings(common, SHARED, *at)

    def scope(self, value: object, prefix: str, *at: str) -> _Groups:
        """Read the groups of a cluster, or those of the top level."""
        texts: dict[str, _Place] = {}
        for name, lists in self.table(value, *at).items():
            self.check_name(*at, name)
            if prefix + name in self.groups:
                raise ConfigError(
                    f"{self.config.where(*at, name)} is the name of a cluster as well"
                )
            texts[prefix + name] = (*at, name), self.lists(lists, *at, name)
        groups = _Groups(self, texts, closed=bool(prefix))
        for full in texts:
            groups.resolve(full)
        return groups

    def node_table(self, entries: str, value: object) -> None:
        """Keep what the table of a node or node set says; a later table replaces its keys."""
        at = ("nodes", entries)
        settings = self.settings(value, KEYS, *at)
        with self.located(*at):
            nodes = entry.parse(entries)
            if "address" in settings and len(nodes) > 1:
                raise UsageError(f"one address for {len(nodes)} nodes")
            for node in nodes:
                self.mention(node)
                _, before = self.own.get(node.name, ((), {}))
                self.own[node.name] = at, {**before, **settings}

    @contextmanager
    def located(self, *at: str) -> Generator[None, None, None]:
        """Put file, line and key before the words of a UsageError."""
        try:
            yield
        except UsageError as error:
            message = f"{self.config.where(*at)}: {error}"
            raise UsageError(message, hint=error.hint) from error

    def owned(self, node: Node) -> Node:
        """Return a node with what its own tables say."""
        at, settings = self.own.get(node.name, ((), {}))
        with self.located(*at):
            return assign(node, settings)

    def mention(self, node: Node) -> None:
        """Keep a node as its entry says; a bare name may stand for it elsewhere."""
        bare = Node(node.name, node.name)
        known = self.found.get(node.name, bare)
        if known == bare:
            self.found[node.name] = node
            if len(self.found) > LIMIT:
                raise entry.too_many()
        elif node not in (known, bare):
            raise UsageError(
                f"{node.name} is written in two ways",
                hint="write user, port or kind once, and the bare name elsewhere",
            )

    def table(self, value: object, *at: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise ConfigError(f"{self.config.where(*at)} must be a table; it is {value!r}")
        return cast("dict[str, object]", value)

    def lists(self, value: object, *at: str) -> list[str]:
        texts = cast("list[object]", value) if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise ConfigError(
                f"{self.config.where(*at)} must be a node set or a list of them; it is {value!r}"
            )
        return cast("list[str]", texts)

    def settings(self, value: object, known: tuple[str, ...], *at: str) -> dict[str, str]:
        """Return a table of settings as checked text."""
        table = self.table(value, *at)
        check_keys(self.config, at, table, known)
        settings: dict[str, str] = {}
        for key, one in table.items():
            if not isinstance(one, int if key == "port" else str) or isinstance(one, bool):
                kind = "a number" if key == "port" else "text"
                raise ConfigError(f"{self.config.where(*at, key)} must be {kind}; it is {one!r}")
            with self.located(*at, key):
                settings[key] = checked(key, str(one))
        return settings

    def check_name(self, *at: str) -> None:
        if not _NAME.fullmatch(at[-1]):
            raise ConfigError(
                f"{self.config.where(*at)}: bad name {at[-1]!r}",
                hint="clusters and groups have letters, digits, '_', '.' and '-'",
            )


class _Groups:
    """The groups of one cluster (`closed`), or of the top level, which knows all others."""

    def __init__(self, builder: _Builder, texts: Mapping[str, _Place], *, closed: bool) -> None:
        self.builder = builder
        self.texts = texts
        self.closed = closed
        self.open: list[str] = []

    def resolve(self, full: str) -> tuple[str, ...]:
        """Return the names of the nodes in one of `texts`, reading those within it first."""
        done = self.builder.groups
        if full not in done:
            if full in self.open:
                raise UsageError(f"groups contain each other: {' -> '.join([*self.open, full])}")
            if len(self.open) >= _DEEPEST:
                raise UsageError(f"groups within groups, more than {_DEEPEST} deep")
            self.open.append(full)
            names = self.read(*self.texts[full])
            self.open.pop()
            done[full] = names
        return done[full]

    def read(self, at: tuple[str, ...], texts: list[str]) -> tuple[str, ...]:
        names: dict[str, None] = {}
        with self.builder.located(*at):
            for text in texts:
                for node in entry.parse(text, self.lookup):
                    self.builder.mention(node)
                    names[node.name] = None
        return tuple(names)

    def lookup(self, text: str) -> list[Node]:
        known = self.texts if self.closed else {**self.builder.groups, **self.texts}
        found = [self.resolve(_full_name(known, name)) for name in expand(text)]
        return [self.builder.found[name] for names in found for name in names]
