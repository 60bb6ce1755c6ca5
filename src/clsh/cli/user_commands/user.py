"""`cl user`: the users that only the manager knows, and addresses that log somebody in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

HELP = "add, list and remove users, and make addresses that log them in"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is done, and to whom."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    add = acts.add_parser("add", help=tr("add a local user"), allow_abbrev=False)
    add.add_argument("name", metavar="NAME")
    add.add_argument("--admin", action="store_true", help=tr("an administrator"))
    without = tr("without a password: only `cl user link` lets them in")
    add.add_argument("--no-password", action="store_true", help=without)
    _password_file(add)
    listed = acts.add_parser("list", help=tr("list the users"), allow_abbrev=False)
    listed.add_argument("--json", action="store_true", help=tr("one JSON object a line"))
    text = tr("remove a user, and end their sessions and tokens")
    remove = acts.add_parser("remove", help=text, allow_abbrev=False)
    remove.add_argument("name", metavar="NAME")
    text = tr("give a local user a new password")
    passwd = acts.add_parser("passwd", help=text, allow_abbrev=False)
    passwd.add_argument("name", metavar="NAME", nargs="?", help=tr("yours, if left out"))
    _password_file(passwd)
    text = tr("print an address that logs a user in once, within a day")
    link = acts.add_parser("link", help=text, allow_abbrev=False)
    link.add_argument("name", metavar="NAME", nargs="?", help=tr("you, if left out"))
    text = tr("make a local user an administrator")
    admin = acts.add_parser("admin", help=text, allow_abbrev=False)
    admin.add_argument("name", metavar="NAME")
    admin.add_argument("--off", action="store_true", help=tr("make them none"))


def _password_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help=tr("the password is the first line of FILE, which is its owner's alone"),
    )


def run(args: argparse.Namespace) -> int:
    """Ask the manager to do it; raises ClshError."""
    acts = {
        "add": _add,
        "list": _list,
        "remove": _remove,
        "passwd": _passwd,
        "link": _link,
        "admin": _admin,
    }
    acts[args.act](args)
    return 0


def _add(args: argparse.Namespace) -> None:
    from clsh.base.users import login_name
    from clsh.cli import client
    from clsh.cli.render import talk

    login_name(args.name)
    password = "" if args.no_password else _password(args.name, args.password_file)
    sent = {"name": args.name, "password": password, "admin": args.admin}
    client.post("/api/v1/users", sent)
    talk(tr("The user {name} is added.", name=args.name))


def _list(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say, talk
    from clsh.cli.user_commands import _tables

    rows = objects(client.get("/api/v1/users"), "users")
    columns = [
        _tables.words("name"),
        _tables.flag("local"),
        _tables.flag("admin"),
        _tables.flag("password"),
        _tables.number("sessions"),
        _tables.number("tokens"),
    ]
    if not rows:
        talk(tr("No users."))
    for line in _tables.lines(columns, rows, as_json=args.json):
        say(line)


def _remove(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.render import talk

    client.post(f"{_path(args.name)}/remove")
    talk(tr("The user {name} is removed.", name=args.name))


def _passwd(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.render import talk

    name = args.name or _me()
    password = _password(name, args.password_file)
    client.post(f"{_path(name)}/password", {"password": password})
    talk(tr("The password of {name} is changed; their sessions are ended.", name=name))


def _link(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.render import say

    told = client.post(f"{_path(args.name or _me())}/link")
    say(str(cast("dict[str, object]", told)["url"]))


def _admin(args: argparse.Namespace) -> None:
    from clsh.cli import client
    from clsh.cli.render import talk

    client.post(f"{_path(args.name)}/admin", {"admin": not args.off})
    if args.off:
        talk(tr("The user {name} is no administrator any more.", name=args.name))
    else:
        talk(tr("The user {name} is an administrator.", name=args.name))


def _path(name: str) -> str:
    from urllib.parse import quote

    return f"/api/v1/users/{quote(name, safe='')}"


def _me() -> str:
    from clsh.cli import client

    return str(cast("dict[str, object]", client.get("/api/v1/me"))["name"])


def _password(name: str, file: str | None) -> str:
    """Return a new password, out of a file or typed twice."""
    from clsh.base.errors import UsageError
    from clsh.cli import passwords

    if file:
        return passwords.from_file(file)
    typed = passwords.ask(tr("New password for {name}: ", name=name))
    if typed is None:
        raise UsageError(
            "there is no terminal to ask for the password on", hint="--password-file FILE"
        )
    if passwords.ask(tr("Once more: ")) != typed:
        raise UsageError("the two passwords differ")
    return typed
