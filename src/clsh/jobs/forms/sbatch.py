"""Read a script with `#SBATCH` lines into a request that runs the script. Pure.

The script's text is an argument of its interpreter (`/bin/bash -c TEXT NAME ARG...`): nothing
has to be on the nodes before, and no shell reads a line that we made. What has no meaning here
is told as warnings; what cannot be done is a RequestError with the number of its line.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form, sbatch_values, spelling
from clsh.jobs.forms.sbatch_options import BY_LONG, BY_SHORT, said
from clsh.jobs.forms.sbatch_values import Setting
from clsh.remote.quoting import interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.jobs.forms.sbatch_options import Option
    from clsh.jobs.model import Request

MOST_SCRIPT = 100 * 1024
"""Bytes of a script: it is one argument of its interpreter, and part of one HTTP body."""
_SIGN = "#SBATCH"
_STARTS = re.compile(r"^[^#\n]*\b(?:srun|mpirun|mpiexec)\b", re.MULTILINE)
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh")


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a script: the request, and what of the script is not followed."""

    request: Request
    warnings: tuple[str, ...] = ()


def read(
    script: bytes,
    name: str,
    args: Sequence[str] = (),
    *,
    given: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
    directory: str = "",
    user: str = "",
) -> Read:
    """Return the request that runs `script`, whose `$0` is `name` and whose words are `args`.

    `given` are options of the command line as (long name, value): they win over those of the
    script. `environ` is where `--export=NAME` looks; `directory` is used when none is named;
    `user` stands for `%u`. Raises RequestError.
    """
    text = _decoded(script, name)
    settings, warnings = _settings(text)
    spoken = [Setting(long, value, "the command line") for long, value in given]
    spoken_names = {setting.long for setting in spoken}
    heard = [one for one in settings if one.long not in spoken_names] + spoken
    values = sbatch_values.fields(heard, sbatch_values.Around(environ or {}, user, name))
    fields: dict[str, object] = {"name": name, "directory": directory, **values.fields}
    if more := _around(fields, text, directory):
        told = spelling.environment(values.fields.get("environment", ""))
        fields["environment"] = {**more, **told}
    # Read without the script first: an error of a field is then told by the line it stands on.
    try:
        request = form.read({**fields, "argv": ["script"]})
    except RequestError as error:
        where = values.lines.get(error.field)
        if where is None:
            raise
        raise RequestError(error.field, f"{where}: {error}", hint=error.hint) from error
    argv = _argv(script, text, name, args)
    return Read(replace(request, argv=argv), (*warnings, *values.warnings, *_missing(text)))


def _around(fields: Mapping[str, object], text: str, directory: str) -> dict[str, str]:
    """Return variables that a script has beside those that it asked for."""
    found: dict[str, str] = {}
    if directory and fields["directory"] != directory:
        found["SLURM_SUBMIT_DIR"] = directory
    if "kind" not in fields and _STARTS.search(text):
        found["SLURM_NTASKS"] = "1"  # by which the engine lets it start its ranks
    return found


def wrapped(command: str) -> bytes:
    """Return the script that `--wrap` makes of a shell line."""
    return f"#!/bin/sh\n{command}\n".encode()


def _decoded(script: bytes, name: str) -> str:
    if len(script) > MOST_SCRIPT:
        raise RequestError(
            "argv",
            f"{name} has {len(script):,} bytes, more than the {MOST_SCRIPT:,} of a script",
            hint="put it where the nodes have it, and submit its path: cl submit /shared/script",
        )
    try:
        text = script.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise RequestError(
            "argv",
            f"{name} is not a script in UTF-8",
            hint="a program is submitted by its path on the nodes: cl submit PROGRAM",
        )
    return text


def _settings(text: str) -> tuple[list[Setting], list[str]]:
    """Return the options of the `#SBATCH` lines; those after the first command do not count."""
    found: list[Setting] = []
    warnings: list[str] = []
    commands = False
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}"
        if not line.startswith(_SIGN):
            commands = commands or bool(line.strip() and not line.lstrip().startswith("#"))
        elif commands:
            warnings.append(f"{where}: {_SIGN} after the first command is only a comment")
        else:
            some, told = _of_line(line.removeprefix(_SIGN), where)
            found += some
            warnings += told
    return found, warnings


def _of_line(text: str, where: str) -> tuple[list[Setting], list[str]]:
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise RequestError("", f"{where}: {error}".lower(), hint="close the quotes") from error
    found: list[Setting] = []
    warnings: list[str] = []
    while words:
        word = words.pop(0)
        option, value = _option(word)
        if option is None:
            warnings.append(f"{where}: {word} is not known and left out")
            while words and not words[0].startswith("-"):
                words.pop(0)
            continue
        if option.takes == "value" and value is None:
            if not words:
                raise RequestError("", f"{where}: {word} needs a value", hint=f"{word}=VALUE")
            value = words.pop(0)
        if option.why:
            warnings.append(f"{where}: {word.partition('=')[0]} is left out: {said(option.why)}")
        else:
            found.append(Setting(option.long, value or "", where))
    return found, warnings


def _option(word: str) -> tuple[Option | None, str | None]:
    """Return the option that a word is, and the value in the same word."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return BY_LONG.get(name), value if equals else None
    if word.startswith("-") and word[1:2] in BY_SHORT:
        return BY_SHORT[word[1]], word[2:].removeprefix("=") or None
    return None, None


def _argv(script: bytes, text: str, name: str, args: Sequence[str]) -> tuple[str, ...]:
    try:
        program = interpreter(script)
    except UsageError as error:
        raise RequestError("argv", f"{name}: {error}", hint=error.hint) from error
    words = list(program)
    if words[0].rpartition("/")[2] == "env" and len(words) == 2:
        words[1:] = words[1].removeprefix("-S").split()
    # Options of the interpreter are one word in a `#!` line; `env NAME` is not one.
    kind = next((w for w in words if w.rpartition("/")[2] != "env" and "=" not in w), "")
    kind = kind.rpartition("/")[2]
    if kind in _SHELLS:
        return (*words, "-c", text, name, *args)
    if kind.rstrip("0123456789.") == "python":
        return (*words, "-c", text, *args)
    if kind == "perl":
        return (*words, "-e", text, "--", *args)
    raise RequestError(
        "argv",
        f"{name} is for {words[0]}, which cannot be given a script as an argument",
        hint="put it where the nodes have it, and submit its path: cl submit /shared/script",
    )


def _missing(text: str) -> list[str]:
    """Tell of calls of Slurm's own programs, which nodes without Slurm do not have."""
    for number, line in enumerate(text.splitlines(), 1):
        first = line.split(maxsplit=1)[:1]
        if first and first[0] in {"sbcast", "scontrol", "module"}:
            return [f"line {number}: {first[0]} has to be on the node"]
    return []
