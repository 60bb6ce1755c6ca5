"""What is sent: alerts of one rule in one cluster become one message. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clsh.monitor.alerts import Turn
    from clsh.monitor.model import Value

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Message:
    """That a rule is broken on some nodes (`firing`), or no longer (`resolved`).

    `text` is a line that says all, `nodeset` the nodes as people write them; `since` is
    when it began on the first of them. `values` has the metric of each node that told one.
    """

    state: Literal["firing", "resolved"]
    rule: str
    severity: str
    grid: str
    cluster: str
    nodes: tuple[str, ...]
    nodeset: str
    metric: str
    values: Mapping[str, Value]
    since: float
    at: float
    text: str

    def as_json(self) -> str:
        """Return it as one JSON object; chat programs show its `text`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def environment(self) -> dict[str, str]:
        """Return it as variables for a command."""
        return {
            "CLSH_ALERT_STATE": self.state,
            "CLSH_ALERT_RULE": self.rule,
            "CLSH_ALERT_SEVERITY": self.severity,
            "CLSH_ALERT_GRID": self.grid,
            "CLSH_ALERT_CLUSTER": self.cluster,
            "CLSH_ALERT_NODES": self.nodeset,
            "CLSH_ALERT_METRIC": self.metric,
            "CLSH_ALERT_TEXT": self.text,
        }


def messages(turns: Iterable[Turn], grid: str, at: float) -> list[Message]:
    """Return the messages for some turns, in the order of their first."""
    groups: dict[tuple[str, str, bool], list[Turn]] = {}
    for turn in turns:
        groups.setdefault((turn.alert.rule, turn.alert.cluster, turn.firing), []).append(turn)
    return [_message(group, grid, at) for group in groups.values()]


def _message(group: list[Turn], grid: str, at: float) -> Message:
    first = group[0].alert
    by_node = {turn.alert.node: turn.alert for turn in group}
    nodeset = _cut(fold(by_node))
    return Message(
        state="firing" if group[0].firing else "resolved",
        rule=first.rule,
        severity=first.severity,
        grid=grid,
        cluster=first.cluster,
        nodes=tuple(by_node),
        nodeset=nodeset,
        metric=first.metric,
        values={name: one.value for name, one in by_node.items() if one.value is not None},
        since=min(alert.since for alert in by_node.values()),
        at=at,
        text=_cut(_text(group, nodeset)),
    )


def _text(group: list[Turn], nodeset: str) -> str:
    first, many = group[0].alert, len({turn.alert.node for turn in group}) > 1
    where = f"{'nodes' if many else 'node'} {nodeset} of {first.cluster}"
    if not first.metric:
        said = "lost" if group[0].firing else "heard again"
        why = f" ({first.text})" if group[0].firing and not many else ""
        return f"{where} {said}{why}"
    said = first.text if not many else f"{first.metric} breaks the rule"
    if not group[0].firing:
        said = f"{first.metric} is well again"
    return f"{first.rule}: {where}: {said}"


def _cut(text: str) -> str:
    """Return text on one line that is not too long, free of control characters."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: _LONGEST + 1])
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."
