"""The fields of the form as options of `cl submit`, and their values as the manager takes them.

This file is on the start path of `cl`: it imports little.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.forms.fields import FIELDS, said

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_SEVERAL = ("environment", "send", "notify")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take every field but the command, which comes after the options."""
    for field in FIELDS:
        flags = field.flags.split()
        text = said(field.help).replace("%", "%%")
        if field.kind == "truth":
            parser.add_argument(*flags, dest=field.name, action="store_true", help=text)
        elif flags:
            parser.add_argument(
                *flags,
                dest=field.name,
                metavar=field.metavar,
                action="append" if field.name in _SEVERAL else "store",
                help=text,
            )


def ends(parser: argparse.ArgumentParser) -> None:
    """Take what is done after a submission."""
    parser.add_argument(
        "--wait", action="store_true", help=tr("wait for its end, and exit with its status")
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=tr("show what would be submitted, and submit nothing"),
    )
    parser.add_argument("--json", action="store_true", help=tr("one JSON object"))


def fields(args: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, object]:
    """Return the fields that were given; raises UsageError.

    A directory and files to send are those of here; `--env NAME` takes its value from here.
    """
    found: dict[str, object] = {}
    for field in FIELDS:
        value = getattr(args, field.name, None)
        if value:
            found[field.name] = value
    if args.directory:
        found["directory"] = os.path.abspath(args.directory)  # noqa: PTH100 - links stay as named
    if args.environment:
        found["environment"] = _environment(args.environment, environ)
    if args.send:
        found["send"] = [os.path.abspath(path) for path in args.send]  # noqa: PTH100 - as above
    if args.notify:
        found["notify"] = ",".join(args.notify)
    return found


def _environment(given: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    from clsh.base.errors import UsageError

    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals and name not in environ:
            raise UsageError(f"{name} is not set here", hint="--env NAME=VALUE")
        found[name] = value if equals else environ[name]
    return found
