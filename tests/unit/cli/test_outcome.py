from __future__ import annotations

import pytest

from clsh.cli.outcome import error_line, exit_code, is_well, summary
from clsh.remote.fanout import Outcome, State
from clsh.remote.transport import Exit
from tests.unit.cli.scripted import node


def done(name: str, status: int = 0) -> Outcome:
    return Outcome(node(name), "done", Exit(status=status), 1.0)


def other(name: str, state: State, seconds: float = 2.0) -> Outcome:
    return Outcome(node(name), state, None, seconds, "a reason")


@pytest.mark.parametrize(
    ("outcomes", "largest", "code"),
    [
        ([done("n1")], False, 0),
        ([done("n1"), done("n2", 7), done("n3", 5)], False, 3),
        ([done("n1"), done("n2", 7), done("n3", 5)], True, 7),
        ([done("n1")], True, 0),
        ([Outcome(node("n1"), "done", Exit(signal="KILL"))], False, 3),
        ([Outcome(node("n1"), "done", Exit(signal="KILL"))], True, 137),
        ([Outcome(node("n1"), "done", Exit())], True, 255),
        ([done("n1", 7), other("n2", "failed")], True, 1),
        ([other("n1", "timeout"), other("n2", "failed")], False, 124),
        ([other("n1", "timeout"), other("n2", "unreachable")], False, 13),
        ([other("n1", "lost"), other("n2", "unreachable")], True, 12),
        ([other("n1", "lost"), other("n2", "stopped")], False, 12),
        ([], False, 0),
    ],
)
def test_what_is_known_least_decides_the_exit_status(
    outcomes: list[Outcome], largest: bool, code: int
) -> None:
    assert exit_code(outcomes, largest=largest) == code


@pytest.mark.parametrize(
    ("outcome", "lines", "says"),
    [
        (done("n1", 7), 0, None),
        (other("n1", "stopped"), 0, None),
        (
            other("n1", "lost"),
            3,
            "ERROR: n1 connection lost (after 2.0 s, 3 lines kept): a reason",
        ),
        (
            Outcome(node("n1"), "lost", None, 6.25),
            1,
            "ERROR: n1 connection lost (after 6.2 s, 1 line kept)",
        ),
        (other("n1", "unreachable"), 0, "ERROR: n1 unreachable: a reason"),
        (other("n1", "timeout"), 0, "ERROR: n1 timed out (after 2.0 s, 0 lines kept)"),
        (other("n1", "failed"), 0, "ERROR: n1 failed: a reason"),
        (
            Outcome(node("n1"), "unreachable", reason="a banner\r\nof two lines"),
            0,
            "ERROR: n1 unreachable: a banner of two lines",
        ),
    ],
)
def test_a_failure_is_told_at_once(outcome: Outcome, lines: int, says: str | None) -> None:
    assert error_line(outcome, lines) == says


def test_the_final_line_names_the_failed_nodes_folded() -> None:
    outcomes = [done(f"node{n}", 1 if n in {7, 9} else 0) for n in range(1, 41)]
    assert summary(outcomes) == "clsh: 2 of 40 failed: node[7,9] (exit 1)"
    assert not is_well(outcomes[6])
    assert is_well(outcomes[0])


def test_the_final_line_tells_the_ways_of_failing_apart() -> None:
    outcomes = [
        done("n1"),
        done("n2", 2),
        Outcome(node("n3"), "done", Exit(signal="KILL")),
        other("n4", "lost"),
        other("n5", "unreachable"),
        other("n6", "timeout"),
        other("n7", "failed"),
        other("n8", "stopped"),
        other("n9", "stopped", seconds=0),
        other("n10", "lost"),
    ]
    assert summary(outcomes) == (
        "clsh: 9 of 10 failed: n[4,10] (connection lost), n2 (exit 2), n7 (not complete), "
        "n9 (not run), n3 (signal KILL), n8 (stopped), n6 (timed out), n5 (unreachable)"
    )


def test_without_a_failure_there_is_no_final_line() -> None:
    assert summary([done("n1")]) is None


def test_the_final_line_is_in_the_language_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert "node1" in str(summary([done("node1", 1)]))
