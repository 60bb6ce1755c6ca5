"""Make the completion scripts of clsh and cl from their parsers: bash and zsh by shtab, fish here.

Node names and groups are asked of `cl completion nodes` when the key is pressed.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

import shtab

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASH = """\
_clsh_nodes() { # $1: the word so far, nodes with commas between them
  local before= word=$1
  case $word in *,*) before=${word%,*},; word=${word##*,} ;; esac
  compgen -P "$before" -W "$(cl completion nodes 2>/dev/null)" -- "$word"
}
_clsh_groups() { compgen -W "$(cl completion groups 2>/dev/null)" -- "$1"; }
_clsh_commands() { compgen -c -- "$1"; }
"""
_ZSH = """\
_clsh_nodes() {
  local -a nodes
  nodes=(${(f)"$(cl completion nodes 2>/dev/null)"})
  compset -P '*,'
  compadd -qS , -a nodes
}
_clsh_groups() {
  local -a groups
  groups=(${(f)"$(cl completion groups 2>/dev/null)"})
  compadd -a groups
}
_clsh_commands() { _normal }
"""
# what a metavar stands for -> the function of bash and zsh, and the words of fish
_NODES = ("_clsh_nodes", "-f -a '(__fish_complete_list , \"cl completion nodes\")'")
_GROUPS = ("_clsh_groups", "-f -a '(cl completion groups)'")
_ASKED = {"LIST": _NODES, "NODE": _NODES, "GROUP": _GROUPS}
_FILES = {"FILE", "PATH", "DIR"}


def scripts() -> dict[str, str]:
    """Return file names and their texts: `clsh.bash`, `clsh.zsh`, ..."""
    from clsh.cli import main, options

    clsh = options.parser()
    clsh.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    made = {}
    for name, parser in (("clsh", clsh), ("cl", main.parser())):
        _say_what_values_are(parser)
        made[f"{name}.bash"] = _by_shtab(parser, "bash", _BASH)
        made[f"{name}.zsh"] = _by_shtab(parser, "zsh", _ZSH)
        made[f"{name}.fish"] = "".join(f"{line}\n" for line in _fish(name, parser))
    return made


def _by_shtab(parser: argparse.ArgumentParser, shell: str, preamble: str) -> str:
    text = shtab.complete(parser, shell, preamble={shell: preamble})  # type: ignore[arg-type]  # its hint is wrong
    # What shtab says about itself and about installing is not for the reader of our file.
    text = re.sub(r"(?m)^# (AUTOMATICALLY|Usage|1\)|2\)|See also|  ).*\n", "", text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _say_what_values_are(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        if action.metavar in _ASKED:
            function = _ASKED[action.metavar][0]
        elif action.metavar == "COMMAND":
            function = "_clsh_commands"
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own way
            continue
        else:
            continue
        action.complete = {"bash": function, "zsh": function}  # type: ignore[attr-defined]  # same
    for child in _subparsers(parser).values():
        _say_what_values_are(child)


def _fish(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the lines of a completion file for fish."""
    yield f"complete -c {name} -e"
    if name == "clsh":
        # The first word that is no option begins a command of the node.
        yield "complete -c clsh -a '(__fish_complete_command)'"
    yield from _fish_options(f"complete -c {name}", parser)
    children = _subparsers(parser)
    if children:
        yield f"complete -c {name} -f"
    helps = _helps(parser)
    for word, child in children.items():
        first = f"complete -c {name} -n __fish_use_subcommand -a {word}"
        yield f"{first} -d {_quoted(helps[word])}" if word in helps else first
        yield from _fish_child(f"complete -c {name}", (word,), child)


def _fish_child(
    start: str, words: tuple[str, ...], parser: argparse.ArgumentParser
) -> Iterator[str]:
    seen = " && ".join(f"__fish_seen_subcommand_from {word}" for word in words)
    here = f"{start} -n '{seen}'"
    yield from _fish_options(here, parser)
    for action in parser._actions:
        if action.option_strings or isinstance(action, argparse._SubParsersAction):
            continue
        if action.choices:
            yield f"{here} -a '{' '.join(map(str, action.choices))}'"
        elif action.metavar in _ASKED:
            yield f"{here} {_ASKED[action.metavar][1]}"
    for word, child in _subparsers(parser).items():
        yield f"{here} -a {word}"
        yield from _fish_child(start, (*words, word), child)


def _fish_options(start: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings or action.help == argparse.SUPPRESS:
            continue
        flags = " ".join(
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            for flag in action.option_strings
        )
        value = ""
        if action.nargs is None:
            value = " -x"
            if action.choices:
                value += f" -a '{' '.join(map(str, action.choices))}'"
            elif action.metavar in _ASKED:
                value += f" {_ASKED[action.metavar][1]}"
            elif action.metavar in _FILES:
                value = " -r -F"
        yield f"{start} {flags}{value} -d {_quoted(action.help or '')}"


def _helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return what each sub-command says of itself in the list of sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {}


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
