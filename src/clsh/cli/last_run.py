"""Which nodes failed in the last run, kept for `clsh --failed`.

One JSON file in the state directory, for its owner alone, replaced in one step: of two runs
at the same time the one that ends last is the last run.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsh.base.errors import ClshError, UsageError
from clsh.nodes.model import Node, node_name

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = "last-run.json"


def save(state: Path, failed: Sequence[Node]) -> None:
    """Keep the nodes that failed, possibly none; raises OSError when that cannot be."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    nodes = [asdict(node) for node in failed]
    fd, name = tempfile.mkstemp(prefix=f".{_FILE}.", dir=state)  # for the owner alone
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({"failed": nodes}, file)
        Path(name).replace(state / _FILE)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def load(state: Path) -> list[Node]:
    """Return the nodes that failed; raises UsageError when there was no run or no failure."""
    path = state / _FILE
    try:
        kept: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["failed"]
        nodes = [Node(node_name(one.pop("name")), **one) for one in kept]
    except FileNotFoundError:
        raise UsageError("there was no run before", hint="name the nodes: -h node1,node2") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClshError(
            f"cannot read '{path}': {error}", hint="name the nodes: -h node1,node2"
        ) from error
    if not nodes:
        raise UsageError("no node failed in the last run", hint="name the nodes: -h node1,node2")
    return nodes
