"""`cl token`: what programs prove with who they are."""

from __future__ import annotations

import argparse
import re
from typing import cast

from clsh.base.messages import tr

HELP = "make, list and end the tokens by which programs ask the manager"

_DAYS = 90


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is done."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    text = tr("make a token of yours and print it")
    create = acts.add_parser("create", help=text, allow_abbrev=False)
    create.add_argument("name", metavar="NAME", help=tr("what it is for"))
    create.add_argument(
        "--scope",
        choices=("read", "jobs", "admin"),
        default="jobs",
        help=tr("read what is yours, handle jobs (the default), or all that you may"),
    )
    create.add_argument(
        "--days", type=_whole, default=_DAYS, metavar="N", help=tr("how long it lasts (90)")
    )
    listed = acts.add_parser("list", help=tr("list your tokens"), allow_abbrev=False)
    listed.add_argument("--all", action="store_true", help=tr("everybody's, for administrators"))
    listed.add_argument("--json", action="store_true", help=tr("one JSON object a line"))
    remove = acts.add_parser("remove", help=tr("end a token"), allow_abbrev=False)
    remove.add_argument("token", metavar="TOKEN", help=tr("its id, or the name of one of yours"))


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Ask the manager to do it; raises ClshError."""
    {"create": _create, "list": _list, "remove": _remove}[args.act](args)
    return 0


def _create(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.render import say, talk

    sent = {"name": args.name, "scope": args.scope, "days": args.days}
    told = cast("dict[str, object]", client.post("/api/v1/tokens", sent))
    talk(tr("This is the token; it is not shown again."))
    say(str(told["token"]))


def _list(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say, talk
    from clsh.cli.user_commands import _tables

    path = "/api/v1/tokens?whose=all" if args.all else "/api/v1/tokens"
    rows = objects(client.get(path), "tokens")
    columns = [
        _tables.words("id"),
        *([_tables.words("user")] if args.all else []),
        _tables.words("name"),
        _tables.words("scope"),
        _tables.moment("expires"),
        _tables.moment("used"),
    ]
    if not rows:
        talk(tr("No tokens."))
    for line in _tables.lines(columns, rows, as_json=args.json):
        say(line)


def _remove(args: argparse.Namespace) -> None:
    from urllib.parse import quote

    from clsh.cli import client
    from clsh.cli.render import talk

    client.post(f"/api/v1/tokens/{quote(args.token, safe='')}/remove")
    talk(tr("The token {name} is ended.", name=args.token))
