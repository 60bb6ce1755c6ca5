"""`cl top`: the nodes and their processes, live."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.base.messages import tr
from clsh.cli.monitoring import reaching

if TYPE_CHECKING:
    import argparse

    from clsh.cli.monitoring.feed import Feed
    from clsh.cli.monitoring.frame import Picture
    from clsh.cli.monitoring.reaching import Reach
    from clsh.cli.monitoring.view import View

HELP = "nodes and their processes, live"

_LEAST_S, _USUAL_S = 0.2, 2.0
_FIRST_S = 1.5
"""A person at a terminal is not left without a picture longer than this."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take how often and in which form, and nodes to reach without a manager."""
    reaching.arguments(parser)
    parser.add_argument("--once", action="store_true", help=tr("print one picture and end"))
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a picture"))
    parser.add_argument("-n", "--count", metavar="N", type=int, help=tr("end after N pictures"))
    parser.add_argument(
        "--interval", metavar="S", type=float, default=_USUAL_S, help=tr("seconds a picture (2)")
    )
    parser.add_argument("--sort", metavar="COLUMN", help=tr("sort by this column"))


def run(args: argparse.Namespace) -> int:
    """Show the nodes of the manager, or those that are named, over SSH; raises ClshError."""
    import asyncio

    if args.count is not None and args.count < 1:
        raise UsageError("-n needs a number from 1 on")
    if not _LEAST_S <= args.interval <= 86400:
        raise UsageError("--interval needs seconds from 0.2 on")
    view = _view(args.sort)
    reach = reaching.unless_managed(args)
    status, last = asyncio.run(_go(args, view, reach))
    if status or last is None:
        return status
    from clsh.cli.monitoring import telling

    lost = {row.node: row.reason for row in last.nodes if row.state == "lost"}
    return telling.silent(lost, len(last.nodes))


def _view(sort: str | None) -> View:
    from clsh.cli.monitoring.columns import NODES
    from clsh.cli.monitoring.table import column_named
    from clsh.cli.monitoring.view import Sorting, View

    return View(nodes_by=Sorting(column_named(NODES, sort))) if sort else View()


async def _go(
    args: argparse.Namespace, view: View, reach: Reach | None
) -> tuple[int, Picture | None]:
    """Return the exit status, and the last of the pictures that were printed."""
    from clsh.cli.monitoring.feed import FromManager

    if reach is None:
        return await _shown(args, view, FromManager())
    from clsh.cli.monitoring.over_ssh import OverSsh
    from clsh.cli.running import raise_file_limit

    raise_file_limit()
    async with OverSsh(reach, args.interval, _FIRST_S if _is_live(args) else None) as feed:
        return await _shown(args, view, feed)


def _is_live(args: argparse.Namespace) -> bool:
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return terminal and not (args.once or args.json)


async def _shown(args: argparse.Namespace, view: View, feed: Feed) -> tuple[int, Picture | None]:
    from clsh.cli.monitoring import telling, watching

    if _is_live(args):
        shown = watching.show(
            feed, args.interval, args.count, fd=1, colour=telling.colour(), view=view
        )
        return await shown, None
    # Who has no terminal, and does not say how often, wants to know how it is now.
    count = 1 if args.once or not (args.json or args.count) else args.count

    def told(picture: Picture) -> list[str]:
        return _json(picture) if args.json else _table(picture, view)

    return await watching.say(feed, args.interval, count, told, view)


def _table(picture: Picture, view: View) -> list[str]:
    from clsh.cli.monitoring import frame, table, telling
    from clsh.cli.monitoring.columns import NODES

    return table.lines(NODES, frame.nodes(picture, view), telling.places(), colour=telling.colour())


def _json(picture: Picture) -> list[str]:
    import json
    from dataclasses import asdict

    rows = [asdict(row) for row in picture.nodes]
    return [json.dumps({"at": picture.at, "nodes": rows, "trouble": picture.trouble})]
