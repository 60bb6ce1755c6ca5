"""What the form knows of the cluster: how much there is, which nodes are up, what fits. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.web import views
from clsh.web.pages.words import number, quantity, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.monitor.grid import Grid, NodeState
    from clsh.web.pages.words import Words

_EXAMPLES = 3


def hints(grid: Grid, words: Words, newest: int) -> Mapping[str, str]:
    """Return what is said below a field, by its name; `newest` is the user's last job or 0."""
    up = [
        node
        for cluster in views.clusters(grid)
        for node in views.ordered(cluster)
        if node.state == "up"
    ]
    found = _after(words, newest)
    if not up:
        return found
    cores = [node.cores for node in up if node.cores]
    memory = [value for node in up if (value := _number(node, "mem_total"))]
    gpus = [value for node in up if (value := _number(node, "gpu_num"))]
    found["nodes"] = words.tr(
        "{n} are up, such as {example}",
        n=f"{len(up):,}",
        example=", ".join(node.name for node in up[:_EXAMPLES]),
    )
    if cores:
        found["slots"] = words.tr("the largest node has {n}", n=number(max(cores)))
        found["tasks"] = words.tr(
            "{n} cores on {nodes} nodes are up", n=number(sum(cores)), nodes=f"{len(cores):,}"
        )
    if memory:
        found["memory"] = words.tr(
            "the largest node has {n}", n=" ".join(quantity(max(memory), "bytes"))
        )
    found["gpus"] = (
        words.tr("{n} on {nodes} nodes are up", n=number(sum(gpus)), nodes=f"{len(gpus):,}")
        if gpus
        else words.said("no node has told of one")
    )
    return found | _calmest(words, up)


def _after(words: Words, newest: int) -> dict[str, str]:
    return {"after": words.tr("your last job is {n}", n=str(newest))} if newest else {}


def _calmest(words: Words, up: Sequence[NodeState]) -> dict[str, str]:
    told = [(node.load_share, node) for node in up if node.load_share is not None]
    if not told:
        return {}
    share, node = min(told, key=lambda pair: pair[0])
    text = words.tr(
        "the least load now has {node}: {n} % of its cores",
        node=visible(node.name),
        n=round(100 * share),
    )
    return {"metric": text}


def _number(node: NodeState, name: str) -> float | None:
    value = node.values.get(name)
    return value if isinstance(value, (int, float)) else None
