"""What names from outside may be: nodes, clusters and metrics are told of under them."""

from __future__ import annotations

from clsh.base.errors import UsageError
from clsh.nodes.model import NodeName, node_name

_LONGEST = 200


def node(text: str) -> NodeName | None:
    """Return a host's name as a node's; None when it cannot be one."""
    try:
        return node_name(text)
    except UsageError:
        return None


def usable(text: str) -> bool:
    """Tell whether this can be the name of a cluster, a grid or a metric.

    A '/' cannot stand in it: paths of pages and of gmetad's queries are made of such names.
    """
    return len(text) <= _LONGEST and text.isprintable() and "/" not in text and text.strip() != ""


def shown(text: str) -> str:
    """Return a name for a message about it."""
    return repr(text if len(text) <= _LONGEST // 2 else text[: _LONGEST // 2] + "...")
