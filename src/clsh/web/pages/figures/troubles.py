"""What is wrong, a line for each cause: nodes of a cluster with the same one stand together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.monitor.alerts import Alert
    from clsh.web.pages.asked import Asked

SHOWN = 8  # lines on a page that is about something else


@dataclass(frozen=True, slots=True)
class Trouble:
    """A line: where (with its address), what, and since when."""

    cluster: str
    nodes: str
    link: str
    rule: str
    severity: str
    text: str
    since: float


def troubles(alerts: Iterable[Alert], asked: Asked, cluster: str = "") -> list[Trouble]:
    """Return the lines, the worst and newest first; `cluster` leaves out all others."""
    groups: dict[tuple[str, str, str], list[Alert]] = {}
    for alert in alerts:
        if cluster and alert.cluster != cluster:
            continue
        # Values differ from node to node: then each has its own line.
        key = (alert.cluster, alert.rule, "" if alert.metric == "" else alert.node)
        groups.setdefault(key, []).append(alert)
    lines = [_line(group, asked) for group in groups.values()]
    return sorted(lines, key=lambda line: (line.severity != "critical", -line.since))


def _line(group: list[Alert], asked: Asked) -> Trouble:
    first = max(group, key=lambda alert: alert.since)
    names = [alert.node for alert in group if alert.node]
    link = asked.link("/")
    if first.cluster:
        link = asked.to_cluster(first.cluster, state="lost" if len(names) > 1 else None)
        if len(names) == 1:
            link = asked.to_node(first.cluster, names[0])
    text = first.text
    if len(group) > 1:
        text = asked.words.tr("{n} nodes are silent", n=len(group))
    return Trouble(
        first.cluster,
        _folded(names),
        link,
        first.rule,
        first.severity,
        text,
        first.since,
    )


def _folded(names: list[str]) -> str:
    text = fold(names) if len(names) > 1 else "".join(names)
    return text if len(text) <= 120 else text[:117] + "..."
