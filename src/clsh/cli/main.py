"""The command `cl`: finds the sub-command by its file name in one of `ROOMS` and runs it.

Only the chosen sub-command's file is imported; `cl` alone and `cl --help` read them all, for
the one line that each says of itself.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from clsh.base.errors import ClshError, UsageError
from clsh.base.messages import tr
from clsh.cli import render

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

ROOMS = ("clsh.cli.commands", "clsh.cli.job_commands", "clsh.cli.user_commands")
_INTERRUPTED = 130
_CLOSED = 141


class Command(Protocol):
    """What a file in one of `ROOMS` has; `HELP` is one line, without a full stop."""

    HELP: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Tell the parser what the words after the sub-command are."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return the exit status; raises ClshError."""
        ...


def entry() -> int:
    """Run `cl` with the words of this process; return its exit status."""
    try:
        return main(sys.argv[1:])
    except ClshError as error:
        return render.fail(error, "cl")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is flushed at exit finds a place
        return _CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def main(argv: Sequence[str]) -> int:
    """Do what the words after `cl` ask for; raises ClshError."""
    if list(argv) == ["--version"]:
        from clsh import __version__

        render.say(f"cl {__version__}")
        return 0
    chosen = argv[0] if argv else "--help"
    if chosen in {"-h", "--help"}:
        render.say(parser().format_help().rstrip())
        return 0
    known = commands()
    if chosen not in known:
        from clsh.base.config import nearest

        message = "{word} is no option of cl" if chosen[:1] == "-" else "cl has no command {word}"
        raise UsageError(tr(message, word=repr(chosen)), hint=nearest(chosen, known))
    args = parser([chosen]).parse_args(argv)
    return _load(chosen).run(args)


def commands() -> dict[str, str]:
    """Return the module of each sub-command, by its name in alphabetical order."""
    from clsh.base import plugins

    found = {name: f"{room}.{name}" for room in ROOMS for name in plugins.names(room)}
    return dict(sorted(found.items()))


def parser(chosen: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of `cl` with these sub-commands, or with all."""
    import argparse

    program = " ".join(["cl", *chosen])

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(message, hint=f"`{program} --help` says what it takes")

    root = Parser(prog="cl", description=tr("The cluster as one machine."), allow_abbrev=False)
    root.add_argument("--version", action="store_true", help=tr("show the version"))
    parts = root.add_subparsers(metavar="COMMAND", required=True)
    for name in chosen or commands():
        command = _load(name)
        text = tr(command.HELP)
        command.arguments(parts.add_parser(name, help=text, description=text, allow_abbrev=False))
    return root


def _load(name: str) -> Command:
    return cast("Command", importlib.import_module(commands()[name]))
