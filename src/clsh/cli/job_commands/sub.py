"""`cl sub`: submit a script with `#SBATCH` lines."""

from __future__ import annotations

import argparse
import functools
import os

from clsh.base.messages import tr
from clsh.cli.jobs import options
from clsh.jobs.forms.sbatch_options import OPTIONS

HELP = "submit a script with #SBATCH lines"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the options of sbatch, the script and its words."""
    options.ends(parser)
    parser.set_defaults(given=[])
    for option in OPTIONS:
        names = [*([f"-{option.short}"] if option.short else []), f"--{option.long}"]
        told = argparse.SUPPRESS if option.why else tr("as sbatch has it")
        # Here a word after one with a value that may be missing is the script, but for --nice.
        if option.takes == "value" or option.long == "nice":
            parser.add_argument(
                *names,
                dest="given",
                action="append",
                type=functools.partial(_given, option.long),
                metavar="VALUE",
                help=told,
            )
        else:
            parser.add_argument(
                *names, dest="given", action="append_const", const=(option.long, ""), help=told
            )
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="SCRIPT [ARG...]",
        help=tr("the script, - for standard input, and its arguments"),
    )


def _given(long: str, value: str) -> tuple[str, str]:
    return long, value


def run(args: argparse.Namespace) -> int:
    """Print the job's number; what of the script is not followed is told on stderr."""
    import getpass
    from pathlib import Path

    from clsh.base.errors import UsageError
    from clsh.cli import render
    from clsh.cli.jobs import submitting
    from clsh.jobs.errors import RequestError
    from clsh.jobs.forms import form, sbatch
    from clsh.jobs.forms.sbatch_options import BY_LONG, said

    given = [one for one in args.given if one[0] != "wrap"]
    wrap = next((value for name, value in args.given if name == "wrap"), "")
    script, name, words = submitting.script(args.words, wrap)
    try:
        found = sbatch.read(
            script,
            name,
            words,
            given=[one for one in given if not BY_LONG[one[0]].why],
            environ=os.environ,
            directory=str(Path.cwd()),
            user=getpass.getuser(),
        )
    except RequestError as error:
        where = "" if str(error).startswith(name) else f"{name}: "
        raise RequestError(error.field, f"{where}{error}", hint=error.hint) from error
    for long, _ in given:
        if why := BY_LONG[long].why:
            render.talk(f"{name}: --{long} is left out: {said(why)}")
    for warning in found.warnings:
        render.talk(f"{name}: {warning}")
    native = form.native(found.request)
    try:
        return submitting.submit(native, args)
    except UsageError as error:
        # A script that runs elsewhere shall run here too, where no mail is sent.
        if not str(error).startswith("notify: ") or any(long == "mail-user" for long, _ in given):
            raise
        render.talk(f"{name}: --mail-user is left out: {str(error).partition(' ')[2]}")
    return submitting.submit({**native, "notify": []}, args)
