"""Submit what a sub-command has read, and what is asked for after that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, UsageError
from clsh.cli import render
from clsh.cli.jobs import ending
from clsh.jobs.forms import asking, form, sbatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


def submit(fields: Mapping[str, object], args: argparse.Namespace) -> int:
    """Submit one job as `args` has it (`dry_run`, `json`, `wait`); raises RequestError here."""
    request = form.read(fields)
    native = form.native(request)
    if args.dry_run:
        if args.json:
            render.say(json.dumps(native))
        else:
            texts = form.texts(request)
            width = max(map(len, texts))
            for name, text in texts.items():
                render.say(f"{name:<{width}}  {_one_line(text)}")
        return 0
    (number,) = asking.submit([native])
    render.say(json.dumps({"job": number}) if args.json else str(number))
    return ending.wait(number) if args.wait else 0


def _one_line(text: str) -> str:
    from clsh.cli.monitoring.table import cut, plain

    return cut(plain(text.replace("\n", " ")), 200)


def script(words: Sequence[str], wrap: str) -> tuple[bytes, str, Sequence[str]]:
    """Return a script's bytes, its name and its words; raises UsageError and ClshError."""
    if wrap:
        if words:
            raise UsageError("--wrap takes no script", hint="leave one of the two out")
        return sbatch.wrapped(wrap), "wrap", ()
    if not words:
        raise UsageError("no script was given", hint="cl sub [options] SCRIPT [ARG...]")
    path = words[0]
    if path == "-":
        return sys.stdin.buffer.read(sbatch.MOST_SCRIPT + 1), "stdin", words[1:]
    try:
        with Path(path).open("rb") as file:
            return file.read(sbatch.MOST_SCRIPT + 1), Path(path).name, words[1:]
    except OSError as error:
        raise ClshError(
            f"cannot read {path}: {error.strerror or error}",
            hint="a script of this machine is sent along; a program of the nodes: cl submit",
        ) from error
