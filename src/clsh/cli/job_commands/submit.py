"""`cl submit`: run a command on the cluster when there is room for it."""

from __future__ import annotations

import argparse
import os

from clsh.base.messages import tr
from clsh.cli.jobs import options

HELP = "run a command on the cluster when there is room for it"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the fields of the form; options end at the first word of the command."""
    options.arguments(parser)
    options.ends(parser)
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="COMMAND [ARG...]",
        help=tr("the program and its arguments, run without a shell; options come before it"),
    )


def run(args: argparse.Namespace) -> int:
    """Print the job's number; returns its exit status when it is waited for."""
    from clsh.base.errors import UsageError
    from clsh.cli.jobs import submitting

    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise UsageError("no command was given", hint="cl submit [options] COMMAND [ARG...]")
    return submitting.submit({**options.fields(args, os.environ), "argv": words}, args)
