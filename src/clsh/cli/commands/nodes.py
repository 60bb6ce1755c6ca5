"""`cl nodes`: the nodes of the inventory, of a set, or those that clsh would choose here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clsh.cli.render import say, talk

if TYPE_CHECKING:
    import argparse

    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node

HELP = "list nodes with cluster, groups, user, port, transport and address"

_COLUMNS = ("node", "cluster", "groups", "user", "port", "transport", "address")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a set of nodes, and the form of the list."""
    parser.add_argument(
        "set", nargs="?", metavar="SET", help="only these: node[1-3],@group (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print one line for each node; raises UsageError when there is none."""
    from clsh.base import config
    from clsh.nodes import inventory
    from clsh.nodes.choose import Asked, choose

    book = inventory.load(config.load(os.environ)) or inventory.Inventory({}, {}, {})
    asked = Asked(hosts=(args.set,)) if args.set is not None else Asked(all=bool(book.members))
    choice = choose(asked, os.environ, book, Path.cwd())
    if choice.note:
        talk(choice.note)
    rows = _rows(choice.nodes, book)
    for line in _json(rows) if args.json else _table(rows):
        say(line)
    return 0


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


def _table(rows: list[dict[str, object]]) -> list[str]:
    cells = [[_cell(row[column]) for column in _COLUMNS] for row in rows]
    lines = [[column.upper() for column in _COLUMNS], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _cell(value: object) -> str:
    if isinstance(value, list):
        value = ",".join(map(str, cast("list[object]", value)))
    return "-" if value in {None, ""} else str(value)
