"""The page of processes: those of every node, by user and name, the busiest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.model import Silent
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.words import quantity, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.monitor.processes import Process
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

SHOWN = 200
_PACE_S = 10.0
_UNASKED = 64  # nodes that are asked without being named; more only when people look for something


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    words = asked.words
    cluster, node = asked.query.get("cluster", ""), asked.query.get("node", "")
    user, text = asked.query.get("user", ""), asked.query.get("q", "").casefold()
    wide = sum(len(one.nodes) for one in monitor.grid.clusters.values()) > _UNASKED
    waits = wide and not (cluster or node or user or text)
    told: Sequence[Process | Silent] = ()
    if not waits and (not cluster or cluster in monitor.grid.clusters):
        told = await monitor.processes(cluster or None, {node} if node else None)
    silent = [one for one in told if isinstance(one, Silent)]
    found = [
        one
        for one in told
        if not isinstance(one, Silent)
        and (not user or one.user == user)
        and text in one.command.casefold()
    ]
    key, downwards = _order(asked.query.get("sort", "-cpu"))
    found.sort(key=key, reverse=downwards)
    values: dict[str, object] = {
        "waits": waits,
        "count": len(found),
        "silent": silent,
        "answered": len({one.node for one in told if not isinstance(one, Silent)}),
        "rows": [
            (one, visible(one.command), " ".join(quantity(one.rss, "bytes")))
            for one in found[:SHOWN]
        ],
        "homes": _homes(monitor, asked, cluster),
        "heads": [
            (name, head, asked.link(sort=_turned(asked, name)), _way(asked, name), wide_only)
            for name, head, wide_only in (
                ("node", words.said("Node"), False),
                ("pid", words.said("PID"), True),
                ("user", words.said("User"), False),
                ("state", words.said("State"), True),
                ("cpu", words.said("CPU"), False),
                ("rss", words.said("Memory"), False),
                ("threads", words.said("Threads"), True),
                ("started", words.said("Up for"), True),
                ("command", words.said("Command"), False),
            )
        ],
    }
    # Each look asks all those nodes: seldom enough that nobody feels it.
    watch = None if waits else Watch({"page": "grid"}, _PACE_S)
    return Page("processes.html", values, "processes", watch, [Part("say"), Part("rows")])


def _homes(monitor: Monitor, asked: Asked, cluster: str) -> dict[str, str]:
    """Return the address of each node's page."""
    clusters = monitor.grid.clusters
    return {
        node: asked.to_node(one.name, node)
        for one in clusters.values()
        if not cluster or one.name == cluster
        for node in one.nodes
    }


def _order(sort: str) -> tuple[Callable[[Process], tuple[float, str]], bool]:
    name = sort.removeprefix("-")
    if name in {"node", "user", "state", "command"}:
        return (lambda one: (0.0, str(getattr(one, name)))), sort.startswith("-")
    if name not in {"pid", "rss", "threads", "started"}:
        name = "cpu"
    return (lambda one: (float(getattr(one, name) or 0.0), one.node)), sort.startswith("-")


def _turned(asked: Asked, name: str) -> str:
    usual = name if name in {"node", "user", "state", "command", "pid"} else f"-{name}"
    other = name if usual.startswith("-") else f"-{name}"
    return other if asked.query.get("sort", "-cpu") == usual else usual


def _way(asked: Asked, name: str) -> str:
    current = asked.query.get("sort", "-cpu")
    return {name: "ascending", f"-{name}": "descending"}.get(current, "")
