from __future__ import annotations

import json

from clsh.monitor.alerts import Alert, Turn
from clsh.monitor.notify import Message, messages


def turn(node: str, rule: str = "silent", *, firing: bool = True, cluster: str = "can") -> Turn:
    metric, value = ("", None) if rule == "silent" else ("disk_free_percent", 8.0)
    text = "silent: link down" if rule == "silent" else "disk_free_percent is 8, below 10"
    alert = Alert(rule, cluster, node, metric, value, 100.0 + len(node), "warning", text)
    return Turn(alert, firing, ("ops",))


def test_many_nodes_are_one_message() -> None:
    turns = [turn("c117"), turn("c301"), turn("c118"), turn("x", cluster="other")]
    first, second = messages(turns, "grid", 500.0)
    assert first == Message(
        "firing", "silent", "warning", "grid", "can", ("c117", "c301", "c118"), "c[117-118,301]",
        "", {}, 104.0, 500.0, "nodes c[117-118,301] of can lost",
    )  # fmt: skip
    assert second.text == "node x of other lost (silent: link down)"


def test_begin_and_end_are_two_messages() -> None:
    found = messages([turn("a"), turn("a", firing=False)], "grid", 0)
    assert [one.state for one in found] == ["firing", "resolved"]
    assert found[1].text == "node a of can heard again"


def test_what_a_rule_says() -> None:
    (one,) = messages([turn("a", "disk")], "grid", 0)
    assert one.text == "disk: node a of can: disk_free_percent is 8, below 10"
    assert one.values == {"a": 8.0}
    (many,) = messages([turn("a", "disk"), turn("b", "disk")], "grid", 0)
    assert many.text == "disk: nodes a,b of can: disk_free_percent breaks the rule"
    (over,) = messages([turn("a", "disk", firing=False)], "grid", 0)
    assert over.text == "disk: node a of can: disk_free_percent is well again"


def test_a_message_is_one_line_that_is_not_too_long() -> None:
    alert = Alert("silent", "can", "a", "", None, 0, "critical", "x\r\n\x1b[2J" + "y" * 9000)
    (one,) = messages([Turn(alert, firing=True, channels=())], "grid", 0)
    assert one.text.isprintable()
    assert len(one.text) == 2003
    assert all("\n" not in value for value in one.environment().values())
    assert json.loads(one.as_json())["nodes"] == ["a"]
