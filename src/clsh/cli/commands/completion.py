"""`cl completion`: the completion scripts for a shell, and the words that they ask for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.cli import render

if TYPE_CHECKING:
    import argparse

HELP = "shell completion: print the script for bash, zsh or fish"

_SHELLS = ("bash", "zsh", "fish")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cl completion` takes; the scripts themselves ask for `nodes` and `groups`."""
    parser.add_argument(
        "what",
        metavar="WHAT",
        choices=(*_SHELLS, "nodes", "groups"),
        help="bash, zsh or fish: its script; nodes or groups: the names in the inventory",
    )
    parser.epilog = (
        'bash: eval "$(cl completion bash)" in ~/.bashrc; zsh: eval "$(cl completion zsh)" in '
        "~/.zshrc, after compinit; fish: cl completion fish | source in config.fish"
    )


def run(args: argparse.Namespace) -> int:
    """Print the script, or one name a line."""
    if args.what in _SHELLS:
        folder = Path(__file__).parents[1] / "completions"
        for command in ("clsh", "cl"):
            render.say((folder / f"{command}.{args.what}").read_text(encoding="utf-8"))
    else:
        for word in _words(args.what):
            render.say(word)
    return 0


def _words(what: str) -> list[str]:
    from clsh.base import config
    from clsh.nodes import inventory

    known = inventory.load(config.load(os.environ))
    if known is None:
        return []
    return list(known.groups if what == "groups" else known.members)
