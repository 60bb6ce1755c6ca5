"""`cl ps`: the processes of all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.cli.monitoring import reaching

if TYPE_CHECKING:
    import argparse

    from clsh.cli.monitoring.reaching import Reach
    from clsh.monitor.processes import Process

HELP = "processes of all nodes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take which processes, in which order and form, and nodes to reach without a manager."""
    reaching.arguments(parser)
    parser.add_argument("--user", metavar="NAME", help=tr("only processes of this user"))
    parser.add_argument("--name", metavar="TEXT", help=tr("only commands that have TEXT in them"))
    parser.add_argument("--sort", metavar="COLUMN", default="cpu", help=tr("sort by this column"))
    parser.add_argument("-r", "--reverse", action="store_true", help=tr("the other way round"))
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Print the processes; returns 3 when a node is silent, raises ClshError."""
    from clsh.cli.monitoring import table, telling
    from clsh.cli.monitoring.columns import PROCESSES
    from clsh.cli.render import say

    by = PROCESSES[table.column_named(PROCESSES, args.sort)]
    found, silent, count = _gathered(args, reaching.unless_managed(args))
    wanted = (args.name or "").casefold()
    chosen = [
        one for one in found if args.user in {None, one.user} and wanted in one.command.casefold()
    ]
    rows = table.ordered(chosen, by, reverse=args.reverse)
    if args.json:
        for line in _json(rows):
            say(line)
    else:
        for line in table.lines(PROCESSES, rows, telling.places()):
            say(line)
    return telling.silent(silent, count)


def _gathered(
    args: argparse.Namespace, reach: Reach | None
) -> tuple[list[Process], dict[str, str], int]:
    """Return processes, silent nodes with the reason, and how many nodes there are."""
    if reach is None:
        from clsh.cli.monitoring.feed import processes_of_manager

        narrowed = {"user": args.user} if args.user else {}
        found, away = processes_of_manager(None, **narrowed)
        return found, away, len({one.node for one in found} | set(away))
    import asyncio

    from clsh.cli.monitoring.over_ssh import processes_over_ssh
    from clsh.cli.running import raise_file_limit

    raise_file_limit()
    found, outcomes = asyncio.run(processes_over_ssh(reach))
    failed = (one for one in outcomes if one.state != "done")
    silent: dict[str, str] = {one.node.name: one.reason or one.state for one in failed}
    return found, silent, len(outcomes)


def _json(rows: list[Process]) -> list[str]:
    import json
    from dataclasses import asdict

    return [json.dumps(asdict(row)) for row in rows]
