"""What several monitoring commands say alike: lost nodes, the width, colours, JSON lines."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.cli import render
from clsh.cli.monitoring.table import natural, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

SOME_FAILED = 3


def silent(nodes: Mapping[str, str], count: int) -> int:
    """Name the nodes that gave nothing on stderr, by reason; return the exit status."""
    if not nodes:
        return 0
    reasons: dict[str, list[str]] = {}
    for node in sorted(nodes, key=natural):
        reasons.setdefault(nodes[node], []).append(node)
    for reason, names in reasons.items():
        render.talk(
            tr("ERROR: {node} unreachable: {reason}", node=_names(names), reason=plain(reason))
        )
    render.talk(tr("cl: nothing from {lost} of {count} nodes", lost=len(nodes), count=count))
    return SOME_FAILED


def _names(names: list[str]) -> str:
    from clsh.base.errors import UsageError
    from clsh.nodes.model import node_name
    from clsh.nodes.nodeset import fold

    try:
        return fold(map(node_name, names))
    except UsageError:  # a source may name its nodes as it likes
        return plain(", ".join(names))


def places() -> int | None:
    """Return the width of the terminal, None where stdout is none and nothing is to be cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def colour() -> bool:
    """Tell whether colours are shown: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
