from __future__ import annotations

import pytest

from clsh.monitor.alerts import Alerts, Turn
from clsh.monitor.grid import Grid
from clsh.monitor.model import Sample, Silent, Value
from clsh.monitor.settings import Rule
from clsh.nodes.model import node_name
from tests.support.clocks import Stopped

SILENT = Rule("silent", severity="critical", notify=("ops",))


class World:
    """A grid of two nodes that ticks every 15 s; n2 is well unless a test says otherwise."""

    def __init__(self, *rules: Rule) -> None:
        self.clock = Stopped()
        self.grid = Grid("g", {"c": [node_name("n1"), node_name("n2")]}, self.clock, 15)
        self.alerts = Alerts((SILENT, *rules), self.clock)
        self.heard: set[str] = set()

    def hear(self, node: str = "n1", cluster: str = "c", **values: Value) -> None:
        self.heard.add(node)
        self.grid.hear(Sample(cluster, node, 0, values, dmax_s=100))

    def lose(self, node: str = "n1") -> None:
        self.heard.add(node)
        self.grid.hear(Silent("c", node, 0, "link down"))

    def tick(self, seconds: float = 15) -> list[tuple[str, str, bool]]:
        self.clock.go(seconds)
        if "n2" not in self.heard:
            self.grid.hear(Sample("c", "n2", 0, {}))
        self.grid.tick()
        return [self.short(turn) for turn in self.alerts.evaluate(self.grid)]

    @staticmethod
    def short(turn: Turn) -> tuple[str, str, bool]:
        return turn.alert.rule, turn.alert.node, turn.firing

    def active(self) -> list[tuple[str, str]]:
        return [(alert.rule, alert.node) for alert in self.alerts.active()]


def test_a_silent_node_is_an_alert_until_it_was_heard_for_a_tick() -> None:
    world = World()
    world.hear()
    assert world.tick() == []
    world.lose()
    lost_at = world.clock.unix()
    assert world.tick() == [("silent", "n1", True)]
    (alert,) = world.alerts.active()
    assert (alert.cluster, alert.metric, alert.value, alert.since) == ("c", "", None, lost_at)
    assert (alert.severity, alert.text) == ("critical", "silent: link down")
    assert world.tick() == []
    world.hear()
    assert world.tick() == []
    assert world.active() == [("silent", "n1")]
    world.hear()
    assert world.tick() == [("silent", "n1", False)]
    assert world.active() == []


def test_a_node_that_comes_and_goes_is_told_once() -> None:
    world = World()
    world.lose()
    turns = world.tick()
    for _ in range(5):
        world.hear()
        turns += world.tick()
        world.lose()
        turns += world.tick()
    assert turns == [("silent", "n1", True)]


def test_a_rule_must_be_broken_for_long_enough_on_end() -> None:
    world = World(Rule("hot", "temp", "above", 80.0, for_s=30))
    found: list[list[tuple[str, str, bool]]] = []
    for value in (81, 81, 79, 81, 81, 81, 81):
        world.hear(temp=value)
        found.append(world.tick())
    assert found == [[], [], [], [], [], [("hot", "n1", True)], []]
    (alert,) = world.alerts.active()
    assert alert.since == world.clock.unix() - 45
    assert alert.text == "temp is 81, above 80"


def test_the_time_is_counted_on_the_steady_clock() -> None:
    world = World(Rule("hot", "temp", "above", 80.0, for_s=30))
    world.hear(temp=81)
    world.tick()
    world.clock.set(86400)
    assert world.tick() == []
    world.clock.set(-2 * 86400)
    assert world.tick() == [("hot", "n1", True)]


@pytest.mark.parametrize(
    ("rule", "value", "fires"),
    [
        (Rule("r", "m", "below", 10.0), 9.99, True),
        (Rule("r", "m", "below", 10.0), 10, False),
        (Rule("r", "m", "above", 10.0), 10, False),
        (Rule("r", "m", "above", 10.0), "11", False),
        (Rule("r", "m", "equal", 10.0), 10, True),
        (Rule("r", "m", "equal", "down"), "down", True),
        (Rule("r", "m", "equal", "down"), "up", False),
        (Rule("r", "m", "above", "text"), 10, False),
        (Rule("r", "other", "above", 1.0), 10, False),
        (Rule("r", "m", "above", 1.0, cluster="x*"), 10, False),
        (Rule("r", "m", "above", 1.0, node="n[2-9]"), 10, False),
        (Rule("r", "m", "above", 1.0, cluster="?", node="n*"), 10, True),
    ],
)
def test_which_values_on_which_nodes(rule: Rule, value: Value, fires: bool) -> None:
    world = World(rule)
    world.hear(m=value)
    assert bool(world.tick()) == fires
    assert all(alert.text.startswith("m is ") for alert in world.alerts.active())


def test_a_silent_node_is_not_mended_by_its_silence() -> None:
    world = World(Rule("hot", "temp", "above", 80.0))
    world.hear(temp=81)
    world.tick()
    world.lose()
    assert world.tick() == [("silent", "n1", True)]
    assert world.tick() == []
    assert set(world.active()) == {("hot", "n1"), ("silent", "n1")}


def test_an_alert_ends_with_its_node() -> None:
    world = World(Rule("hot", "temp", "above", 80.0))
    world.hear("far", "other", temp=81)
    world.hear(temp=1)
    world.hear("n2", temp=1)
    assert world.tick() == [("hot", "far", True)]
    world.clock.go(101)
    assert ("hot", "far", False) in world.tick()
    assert ("hot", "far") not in world.active()


def test_a_restart_tells_nothing_again() -> None:
    rule = Rule("hot", "temp", "above", 80.0)
    world = World(rule)
    world.hear(temp=81)
    world.lose("n2")
    assert len(world.tick()) == 2
    again = World(rule)
    again.alerts.restore(world.alerts.active())
    assert set(again.active()) == {("hot", "n1"), ("silent", "n2")}
    again.heard.add("n2")  # so it is new until it is heard
    again.hear(temp=82)
    assert again.tick() == []
    assert {alert.text for alert in again.alerts.active()} == {
        "temp is 82, above 80", "silent: link down",
    }  # fmt: skip
    assert again.alerts.active()[0].since == world.alerts.active()[0].since
    for _ in range(2):
        again.hear(temp=1)
        again.hear("n2")
        turns = again.tick()
    assert sorted(turns) == [("hot", "n1", False), ("silent", "n2", False)]


def test_what_was_firing_for_a_rule_that_is_gone_is_left() -> None:
    world = World(Rule("hot", "temp", "above", 80.0))
    world.hear(temp=81)
    world.tick()
    again = World()
    again.alerts.restore(world.alerts.active())
    assert again.active() == []


def test_channels_are_those_of_the_rule() -> None:
    world = World()
    world.lose()
    world.clock.go(15)
    assert [turn.channels for turn in world.alerts.evaluate(world.grid)] == [("ops",)]
