"""`cl audit`: who changed what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

HELP = "who changed what: logins, users, tokens, jobs"

_MOST = 100_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take since when, and the form."""
    since = tr("how long ago it begins (30m, 6h, 1d, 2w, 1y), or Unix seconds (1w)")
    parser.add_argument("--since", metavar="TIME", default="1w", help=since)
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Print one line for each act, the oldest first; raises ClshError."""
    from urllib.parse import urlencode

    from clsh.cli import client
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say, talk
    from clsh.cli.user_commands import _tables

    since = args.since if args.since.replace(".", "").isdigit() else f"-{args.since}"
    query = urlencode({"since": since, "limit": _MOST})
    rows = objects(client.get(f"/api/v1/audit?{query}"), "lines")
    names = ("time", "who", "how", "act", "object", "outcome", "address")
    if not rows:
        talk(tr("Nothing is written down."))
    for line in _tables.lines(list(map(_tables.words, names)), rows, as_json=args.json):
        say(line)
    return 0
