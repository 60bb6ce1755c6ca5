"""The reference page names every option, and no option that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from clsh.cli.options import parser

PAGE = Path(__file__).parents[3] / "docs/reference/clsh.md"


def test_page_and_parser_have_the_same_options() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = {
        word
        for line in text.splitlines()
        if line.startswith("`-")
        for word in re.findall(r"`(-{1,2}[A-Za-z-]+)", line)
    }
    known = {flag for line in parser().format_help().splitlines() for flag in _flags(line)}
    assert told == known


def _flags(line: str) -> list[str]:
    if not re.match(r" {1,4}-", line):
        return []
    return re.findall(r"(?:^|[ ,])(-{1,2}[A-Za-z][A-Za-z-]*)", re.split(r" {2,}", line.strip())[0])
