"""`cl nodes`: the nodes of the inventory, of a set, or those that clsh would choose here.

When a manager runs, each has its state, load and memory as well, and the nodes that only
the manager knows (from a gmond) come after the others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.cli.render import say, talk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from clsh.cli.monitoring.columns import NodeRow
    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node

HELP = "list nodes with state, load, memory, groups and how they are reached"

_COLUMNS = ("node", "cluster", "groups", "user", "port", "transport", "address")
_HEARD = ("state", "load", "memory")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a set of nodes, a state, and the form of the list."""
    parser.add_argument(
        "set", nargs="?", metavar="SET", help="only these: node[1-3],@group (default: all)"
    )
    parser.add_argument(
        "--state", choices=("up", "lost", "new"), help=tr("only nodes in this state")
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print one line for each node; raises UsageError when there is none."""
    from clsh.base import config
    from clsh.nodes import inventory

    book = inventory.load(config.load(os.environ)) or inventory.Inventory({}, {}, {})
    heard = _heard(needed=args.state is not None)
    rows = _rows(_chosen(args.set, book, others=bool(heard)), book)
    if heard is not None:
        rows = _with_heard(rows, heard, whole=args.set is None)
        rows = [row for row in rows if args.state in {None, row["state"]}]
    for line in _json(rows) if args.json else _table(rows, heard=heard is not None):
        say(line)
    return 0


def _heard(*, needed: bool) -> list[NodeRow] | None:
    """Return what the manager knows of nodes, None when there is none to ask."""
    from clsh.cli import client
    from clsh.cli.monitoring.feed import nodes_of_manager

    try:
        return nodes_of_manager()
    except client.NoManagerError:
        if needed:
            raise
    except ClshError as error:
        if needed:
            raise
        talk(str(error))
    return None


def _chosen(text: str | None, book: Inventory, *, others: bool) -> tuple[Node, ...]:
    """Return the nodes asked for; none is well when the manager knows `others`."""
    from clsh.nodes.choose import Asked, choose

    if text is None and others and not book.members:
        return ()
    asked = Asked(hosts=(text,)) if text is not None else Asked(all=bool(book.members))
    choice = choose(asked, os.environ, book, Path.cwd())
    if choice.note:
        talk(choice.note)
    return choice.nodes


def _with_heard(
    rows: list[dict[str, object]], heard: list[NodeRow], *, whole: bool
) -> list[dict[str, object]]:
    """Add to each row what was heard of its node; `whole`: and rows for all other nodes."""
    left = {(one.cluster, one.node): one for one in heard}
    # Nodes of the inventory that are in none of its clusters have one by the manager's choice.
    by_name = {one.node: (one.cluster, one.node) for one in reversed(heard)}
    found: list[dict[str, object]] = []
    for row in rows:
        name = str(row["node"])
        one = left.pop((str(row["cluster"]), name), None)
        if one is None and row["cluster"] is None:
            one = left.pop(by_name.get(name, ("", "")), None)
        found.append(row | _of(one))
    if whole:
        for one in left.values():
            none: list[str] = []
            nothing: Mapping[str, object] = dict.fromkeys(_COLUMNS)
            named = {"node": one.node, "cluster": one.cluster, "groups": none}
            found.append({**nothing, **named, **_of(one)})
    return found


def _of(one: NodeRow | None) -> dict[str, object]:
    return {
        "state": one and one.state,
        "load": one and one.load,
        "memory": one and one.memory,
    }


def _rows(nodes: tuple[Node, ...], book: Inventory) -> list[dict[str, object]]:
    """Return what is known of each node; None where ssh_config decides."""
    groups = book.memberships()
    return [
        {
            "node": node.name,
            "cluster": book.clusters.get(node.name),
            "groups": groups.get(node.name, []),
            "user": node.user,
            "port": node.port,
            "transport": node.options.get("engine", node.transport),
            "address": node.host,
        }
        for node in nodes
    ]


def _json(rows: list[dict[str, object]]) -> list[str]:
    import json

    return [json.dumps(row) for row in rows]


def _table(rows: list[dict[str, object]], *, heard: bool) -> list[str]:
    from clsh.cli.monitoring.table import Column, lines

    def column(name: str) -> Column[dict[str, object]]:
        return Column(name, name.upper(), lambda row: _cell(name, row[name]), number=False)

    names = (_COLUMNS[0], *_HEARD, *_COLUMNS[1:]) if heard else _COLUMNS
    return lines([column(name) for name in names], rows)


def _cell(name: str, value: object) -> str:
    if isinstance(value, list):
        value = ",".join(map(str, cast("list[object]", value)))
    if isinstance(value, float):
        return f"{value:.0f} %" if name == "memory" else f"{value:.2f}"
    return "" if value is None else str(value)
