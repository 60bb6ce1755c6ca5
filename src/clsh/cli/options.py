"""The options of `clsh`: what may be asked, and which requests do not go together.

Options end at the first word that is none: everything from there on is the command, so
`clsh -h n1 ls -l` needs no `--`. `-h` means hosts, `--help` is help.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Literal, NoReturn

from clsh.base.errors import UsageError
from clsh.base.messages import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_USAGE = """\
clsh [options] COMMAND [ARG...]       run on many nodes; options end at COMMAND
       clsh [options] --script FILE [ARG...] run a script of this machine on the nodes
       clsh [options] -i                     interactive mode
       clsh [options] --copy FILE... DEST    copy to the nodes
       clsh [options] --rcopy FILE... DIR    copy from the nodes, into DIR/NODE/FILE"""

_NODES = (
    ("-h --hosts", "LIST", "node1,node2, web[01-16], @group, user@host:port, podman://name"),
    ("-x --exclude", "LIST", "not on these"),
    ("-a --all", "", "all nodes of the inventory"),
    ("-g --group", "GROUP", "the nodes of a group of the inventory"),
    ("--hostfile", "FILE", "a file with one entry a line"),
    ("-l --user", "NAME", "login name for nodes that have none of their own"),
    ("--failed", "", "the nodes that failed in the last run"),
)
_OUTPUT = (
    ("-b --gather", "", "wait, then show equal output once, under the names of its nodes"),
    ("-L --in-order", "", "wait, then show the nodes in their order"),
    ("--diff", "", "as -b, and show how each group differs from the largest"),
    ("--table", "", "one table: node, exit status, seconds, output"),
    ("--live", "", "with -b, -L, --diff or --table: lines as they arrive as well"),
    ("--json", "", "one JSON object a line"),
    ("-q --quiet", "", "only the output of nodes that fail"),
    ("--out", "PATH", "stdout into PATH; into PATH/NODE.out when PATH is a directory or ends in /"),
    ("--err", "PATH", "stderr into PATH or PATH/NODE.err, likewise"),
    ("--append", "", "add to these files instead of beginning anew"),
    ("-S --status", "", "exit with the largest exit status of the nodes"),
    ("--color", "WHEN", "auto, always or never"),
)
_RUNNING = (
    ("-f --fanout", "N", "nodes at the same time (64)"),
    ("--connect-timeout", "S", "seconds a connection may take (10)"),
    ("-t --timeout", "S", "seconds the command may take (no limit)"),
    ("--batch", "N", "rolling run: N nodes, and only then the next N"),
    ("--delay", "S", "seconds between two batches"),
    ("--retry", "N", "try a connection N times more"),
    ("--dry-run", "", "show what would run where, and run nothing"),
    ("-n --no-input", "", "give the command no standard input"),
    ("-e --env", "NAME=VALUE", "set an environment variable on the nodes"),
    ("--sudo", "[USER]", "run as root, or with --sudo=USER as another user"),
    ("--ask-pass", "", "ask once for the password of the nodes"),
    ("--pass-file", "FILE", "read it from the first line of a file that is yours alone"),
    ("--tty", "", "give the command a terminal"),
    ("--on-lost", "WHAT", "when a connection is lost: continue (default) or stop"),
    ("--grace", "S", "seconds a command may go on after TERM (30)"),
    ("--transport", "NAME", "how to connect: auto, asyncssh, openssh, ..."),
)
_OTHER = (
    ("-i --interactive", "", "a prompt, and a shell kept open on each node"),
    ("--script", "FILE", "run FILE on the nodes, the words being its arguments"),
    ("--copy", "", "copy files and directories to the nodes"),
    ("--rcopy", "", "copy files and directories from the nodes"),
    ("--version", "", "show the version"),
    ("--help", "", "show this help"),
)


class Options(argparse.Namespace):
    """What was asked; None where nothing was, so that the configuration can answer."""

    hosts: list[str]
    exclude: list[str]
    group: list[str]
    env: list[str]
    all: bool
    hostfile: str | None
    user: str | None
    failed: bool
    gather: bool
    in_order: bool
    diff: bool
    table: bool
    live: bool
    json: bool
    quiet: bool
    out: str | None
    err: str | None
    append: bool
    status: bool
    color: Literal["auto", "always", "never"] | None
    fanout: int | None
    connect_timeout: float | None
    timeout: float | None
    batch: int | None
    delay: float | None
    retry: int | None
    dry_run: bool
    no_input: bool
    sudo: str | None
    ask_pass: bool
    pass_file: str | None
    tty: bool
    on_lost: Literal["continue", "stop"] | None
    grace: float | None
    transport: str | None
    interactive: bool
    script: str | None
    copy: bool
    rcopy: bool
    version: bool
    help: bool
    words: list[str]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="`clsh --help` lists the options")


def parse(argv: Sequence[str]) -> Options:
    """Return what the words after `clsh` ask for; raises UsageError."""
    parsing, valued = _build()
    end, skip = _command_at(argv, valued)
    for word in argv[:end]:
        # argparse drops such a value, and the option would have none.
        if re.fullmatch(r"(--[a-z-]+=|-[A-Za-z])?--", word):
            raise UsageError(f"bad value '--' in {word!r}", hint="give the option a value")
    options = parsing.parse_args(argv[:end], namespace=Options())
    options.words = list(argv[end + skip :])
    if not (options.help or options.version):
        _check(options)
    return options


def parser() -> argparse.ArgumentParser:
    """Return the parser, for help, completion and the manual page."""
    return _build()[0]


def _build() -> tuple[argparse.ArgumentParser, frozenset[str]]:
    """Return the parser and those of its flags that take the next word."""
    parsing = _Parser(
        prog="clsh",
        usage=_USAGE,
        add_help=False,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30),
    )
    valued: set[str] = set()
    for title, rows in (
        ("nodes", _NODES),
        ("output", _OUTPUT),
        ("running", _RUNNING),
        ("other", _OTHER),
    ):
        group = parsing.add_argument_group(title)
        for row in rows:
            valued.update(_add(group.add_argument, row))
    aliases = ("-w", "-H")  # of clush and pdsh, and of pssh
    parsing.add_argument(*aliases, dest="hosts", action="append", help=argparse.SUPPRESS)
    parsing.set_defaults(hosts=[], exclude=[], group=[], env=[])
    return parsing, frozenset(valued.union(aliases))


def share(add: Callable[..., object], names: Collection[str]) -> None:
    """Add to another command those options of clsh whose last flag is in `names`."""
    for row in (*_NODES, *_RUNNING):
        if row[0].split()[-1] in names:
            _add(add, row)


def _add(add: Callable[..., object], row: tuple[str, str, str]) -> list[str]:
    """Add one option; returns its flags when they take the next word."""
    flags, value, english = row
    names, text = flags.split(), tr(english)
    if not value:
        add(*names, action="store_true", help=text)
        return []
    _add_valued(add, names, value, text)
    return [] if value.startswith("[") else names


def _add_valued(add: Callable[..., object], names: list[str], value: str, text: str) -> None:
    if value in {"LIST", "GROUP", "NAME=VALUE"}:
        add(*names, metavar=value, action="append", help=text)
    elif value == "N":
        low = 0 if "--retry" in names else 1
        add(*names, metavar=value, type=_count(low), help=text)
    elif value == "S":
        add(*names, metavar=value, type=_seconds, help=text)
    elif value == "[USER]":
        add(*names, metavar="USER", nargs="?", const="root", help=text)
    else:
        choices = {"WHEN": ("auto", "always", "never"), "WHAT": ("continue", "stop")}.get(value)
        add(*names, metavar=value, choices=choices, help=text)


def _count(low: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:10]) <= 10**6):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} on")
        return int(text)

    return count


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return float(text)


def _command_at(argv: Sequence[str], valued: frozenset[str]) -> tuple[int, int]:
    """Return where the options end, and how many words (`--`) to skip there."""
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            return at, 1
        if not word.startswith("-") or word == "-":
            return at, 0
        at += 1 + _takes_next(word, valued)
    return len(argv), 0


def _takes_next(word: str, valued: frozenset[str]) -> bool:
    """Tell whether an option word is followed by its value: `-bh n1` is, `-hn1` is not."""
    if word.startswith("--"):
        return word in valued
    for at, letter in enumerate(word[1:], start=2):
        if f"-{letter}" in valued:
            return at == len(word)
    return False


_CLASHES = (
    ("interactive", "script", "copy", "rcopy"),
    ("json", "gather"),
    ("json", "in_order"),
    ("json", "diff"),
    ("json", "live"),
    ("json", "quiet"),
    ("json", "table"),
    ("table", "gather"),
    ("table", "diff"),
    ("table", "in_order"),
    ("live", "quiet"),
    ("interactive", "json"),
    ("interactive", "table"),
    ("interactive", "diff"),
    ("interactive", "dry_run"),
    ("interactive", "batch"),
    ("failed", "hosts"),
    ("failed", "all"),
    ("failed", "group"),
    ("failed", "hostfile"),
    ("ask_pass", "pass_file"),
    *((copying, other) for copying in ("copy", "rcopy") for other in ("env", "tty")),
    ("tty", "script"),
)
_NEEDS = (
    ("live", ("gather", "in_order", "diff", "table"), "-b, -L, --diff or --table"),
    ("append", ("out", "err"), "--out or --err"),
    ("delay", ("batch",), "--batch"),
)
_SHORT = {
    "gather": "-b",
    "in_order": "-L",
    "quiet": "-q",
    "hosts": "-h",
    "all": "-a",
    "group": "-g",
    "interactive": "-i",
    "env": "-e",
}


def _check(options: Options) -> None:
    """Raise UsageError for requests that do not go together, saying what to do."""
    given = {name for name, value in vars(options).items() if value not in (None, False, [])}
    for names in _CLASHES:
        both = [_flag(name) for name in names if name in given]
        if len(both) > 1:
            raise UsageError(f"{' and '.join(both)} do not go together", hint="leave one out")
    for name, wanted, told in _NEEDS:
        if name in given and not given.intersection(wanted):
            raise UsageError(f"{_flag(name)} needs {told}", hint=f"give {told} as well")
    for pair in options.env:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", pair, re.ASCII | re.DOTALL):
            raise UsageError(f"bad -e {pair!r}", hint="it is -e NAME=VALUE")
    _check_words(options)


def _check_words(options: Options) -> None:
    words = options.words
    if options.copy or options.rcopy:
        name = "--copy" if options.copy else "--rcopy"
        if len(words) < 2:
            target = "DEST" if options.copy else "DIR"
            raise UsageError(f"{name} needs at least two names", hint=f"{name} FILE... {target}")
        option = next((word for word in words if word.startswith("-")), None)
        if option:
            raise UsageError(
                f"{option!r} stands among the files of {name}",
                hint=f"options come before the first file; for a file write ./{option}",
            )
    elif options.interactive and words:
        raise UsageError("-i takes no command", hint="leave out -i to run one command")
    elif not (options.interactive or options.script or "".join(words).strip()):
        raise UsageError(
            "no command was given",
            hint="clsh -h node1,node2 uptime; -i is the interactive mode; --help lists the options",
        )


def _flag(name: str) -> str:
    return _SHORT.get(name) or "--" + name.replace("_", "-")
