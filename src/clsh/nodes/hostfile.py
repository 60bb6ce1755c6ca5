"""A host file's text to nodes: one entry a line, `#` comments, options behind the entry.

node[1-3]                      # a node set
alice@node7 port=2222 jump=gw  # options hold for the nodes of their line
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.nodes import entry
from clsh.nodes.nodeset import LIMIT
from clsh.nodes.settings import KEYS, assign, checked

if TYPE_CHECKING:
    from clsh.nodes.entry import Lookup
    from clsh.nodes.model import Node

_COMMENT = re.compile(r"(^|[ \t])#.*", re.DOTALL)
_BLANKS = re.compile(r"[ \t]+")


def parse(text: str, file: str, lookup: Lookup | None = None) -> list[Node]:
    """Return the nodes in `text`, in the order of its lines, each once.

    Raises UsageError naming `file` and the line for a line that cannot be used, and naming
    `file` when there is no node in it or there are more than LIMIT.
    """
    nodes: list[Node] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _BLANKS.split(_COMMENT.sub("", line.removesuffix("\r")).strip(" \t"))
        if words == [""]:
            continue
        with entry.located(f"{file}, line {number}"):
            nodes += _line(words, lookup)
            if len(nodes) > LIMIT:
                raise entry.too_many()
    if not nodes:
        raise UsageError(f"{file} names no node", hint="write one node a line into it")
    with entry.located(file):
        return entry.unique(nodes)


def _line(words: list[str], lookup: Lookup | None) -> list[Node]:
    nodes = entry.parse(words[0], lookup)
    settings = _options(words[1:])
    if "address" in settings and len(nodes) > 1:
        raise UsageError(f"one address for {len(nodes)} nodes", hint="give each node its own line")
    return [assign(node, settings) for node in nodes] if settings else nodes


def _options(words: list[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            raise UsageError(
                f"unknown option {word[:80]!r}",
                hint=f"one node a line; the options behind it are {', '.join(KEYS)}",
            )
        if key in settings:
            raise UsageError(f"{key} is given twice")
        settings[key] = checked(key, value)
    return settings
