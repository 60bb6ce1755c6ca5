"""The reference page names every option of these commands, and no other."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from clsh.cli.main import parser

PAGE = Path(__file__).parents[4] / "docs/reference/access.md"
COMMANDS = ("audit", "token", "user")


def flags(one: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in one._actions:
        found |= {flag for flag in action.option_strings if flag.startswith("--")}
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= flags(below)
    return found


def test_page_and_parsers_have_the_same_options() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Commands")[2]
    lines = [line for line in text.splitlines() if line.startswith("`cl ")]
    told = {flag for line in lines for flag in re.findall(r"--[a-z-]+", line)}
    assert told == flags(parser(COMMANDS)) - {"--help", "--version"}
