"""`cl queue`: how many jobs are in which state, what runs where, and why the next one waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

HELP = "how many jobs there are, what runs on each node, why the next one waits"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the answer."""
    parser.add_argument("--json", action="store_true", help=tr("one JSON object"))


def run(args: argparse.Namespace) -> int:
    """Print it, as far as one may see."""
    from clsh.cli.jobs import queueing
    from clsh.cli.render import say

    found = queueing.summary()
    if args.json:
        import json

        say(json.dumps(found))
        return 0
    for line in queueing.lines(found):
        say(line)
    return 0
