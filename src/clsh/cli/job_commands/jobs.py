"""`cl jobs`: your jobs, the newest last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

HELP = "list your jobs, or all that you may see"

_STATES = ("held", "waiting", "pending", "running", "done", "failed", "cancelled")
_SORTS = ("id", "submitted", "name", "owner")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take which jobs, in which order and form."""
    parser.add_argument("-a", "--all", action="store_true", help=tr("all that you may see"))
    parser.add_argument(
        "-u", "--owner", "--user", metavar="NAME", help=tr("only jobs of this user")
    )
    parser.add_argument(
        "-s", "--state", action="append", choices=_STATES, help=tr("only jobs in this state")
    )
    parser.add_argument("--open", action="store_true", help=tr("only jobs that have not ended"))
    parser.add_argument("--name", metavar="TEXT", help=tr("only with TEXT in name or command"))
    parser.add_argument("-w", "--node", metavar="NODE", help=tr("only with a task on this node"))
    parser.add_argument("--sort", choices=_SORTS, default="id", help=tr("sort by this column"))
    parser.add_argument("-r", "--reverse", action="store_true", help=tr("the other way round"))
    parser.add_argument(
        "-n", "--limit", metavar="N", type=int, default=50, help=tr("so many at most (50)")
    )
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Print one line for each; says on stderr when there are more."""
    import time

    from clsh.cli.jobs import finding, showing
    from clsh.cli.monitoring import table, telling
    from clsh.cli.render import say, talk

    rows, total = finding.listed(args)
    if args.json:
        import json

        for row in rows:
            say(json.dumps(row))
        return 0
    if not rows:
        everybody = args.all or args.owner
        talk(tr("No jobs.") if everybody else tr("No jobs of yours; `cl jobs -a` lists all."))
        return 0
    columns = showing.job_columns(time.time(), owner=bool(args.all or args.owner))
    for line in table.lines(columns, rows, telling.places(), colour=telling.colour()):
        say(line)
    if total > len(rows):
        talk(tr("{shown} of {total} jobs; -n shows more", shown=len(rows), total=total))
    return 0
