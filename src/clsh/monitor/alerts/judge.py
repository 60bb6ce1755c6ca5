"""Hold the rules against the grid at each tick. Pure: what is to be told is returned."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from clsh.monitor.alerts.states import TABLE
from clsh.monitor.alerts.values import Alert, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clsh.base.clock import Clock
    from clsh.monitor.alerts.states import Event, Phase
    from clsh.monitor.grid import Grid, NodeState
    from clsh.monitor.model import Value
    from clsh.monitor.settings import Rule


class Key(NamedTuple):
    """Which rule, on which node."""

    rule: str
    cluster: str
    node: str


@dataclass(slots=True)
class _State:
    """Where an alert stands; `began` is on the steady clock, `alert` as it was last over."""

    phase: Phase
    began: float
    alert: Alert


class Alerts:
    """The alerts of a grid."""

    def __init__(self, rules: Sequence[Rule], clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._states: dict[Key, _State] = {}

    def active(self) -> list[Alert]:
        """Return the alerts, the newest first; a silent node is one of its own."""
        firing = [s.alert for s in self._states.values() if s.phase in {"firing", "clearing"}]
        return sorted(firing, key=lambda alert: -alert.since)

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take the alerts from before a restart: they are not told again."""
        severities = {rule.name: rule.severity for rule in self._rules}
        for alert in alerts:
            if alert.rule in severities:
                key = Key(alert.rule, alert.cluster, alert.node)
                self._states[key] = _State("firing", self._clock.steady(), alert)

    def evaluate(self, grid: Grid) -> list[Turn]:
        """Return which alerts begin and end with this tick."""
        turns: list[Turn] = []
        left = dict(self._states)
        for rule in self._rules:
            for cluster in grid.clusters.values():
                if not fnmatchcase(cluster.name, rule.cluster):
                    continue
                for node in cluster.nodes.values():
                    key = Key(rule.name, cluster.name, node.name)
                    left.pop(key, None)
                    if rule.node == "*" or fnmatchcase(node.name, rule.node):
                        turns += self._judge(key, rule, node)
        rules = {rule.name: rule for rule in self._rules}
        for key in left:
            turns += self._turn(key, rules[key.rule], "gone")
        return turns

    def _judge(self, key: Key, rule: Rule, node: NodeState) -> list[Turn]:
        broken = is_broken(rule, node)
        state = self._states.get(key)
        if not broken:
            event: Event = "unknown" if broken is None else "under"
            return self._turn(key, rule, event) if state else []
        now = self._clock.steady()
        alert = _alert(rule, node, state.alert.since if state else self._since(rule, node))
        if state is None:
            state = self._states[key] = _State("idle", now, alert)
        state.alert = alert
        return self._turn(key, rule, "due" if now - state.began >= rule.for_s else "over")

    def _turn(self, key: Key, rule: Rule, event: Event) -> list[Turn]:
        state = self._states[key]
        state.phase, order = TABLE[state.phase, event]
        if state.phase == "idle":
            del self._states[key]
        return [Turn(state.alert, order == "fire", rule.notify)] if order else []

    def _since(self, rule: Rule, node: NodeState) -> float:
        return self._clock.unix() if rule.metric else node.since


def is_broken(rule: Rule, node: NodeState) -> bool | None:
    """Tell whether a rule is broken on a node, None when nobody can say."""
    if not rule.metric:
        return None if node.state == "new" else node.state == "lost"
    value = node.values.get(rule.metric)
    if node.state != "up" or value is None:
        return None
    if rule.comparison == "equal":
        return value == rule.limit
    if isinstance(value, str) or isinstance(rule.limit, str):
        return None
    return value > rule.limit if rule.comparison == "above" else value < rule.limit


def _alert(rule: Rule, node: NodeState, since: float) -> Alert:
    value = node.values.get(rule.metric) if rule.metric else None
    text = _words(rule, value) if value is not None else f"silent: {node.reason}"
    return Alert(rule.name, node.cluster, node.name, rule.metric, value, since, rule.severity, text)


def _words(rule: Rule, value: Value) -> str:
    if rule.comparison == "equal":
        return f"{rule.metric} is {_shown(value)}"
    return f"{rule.metric} is {_shown(value)}, {rule.comparison} {_shown(rule.limit)}"


def _shown(value: Value) -> str:
    return value[:200] if isinstance(value, str) else f"{value:.4g}"
