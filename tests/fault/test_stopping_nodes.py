"""TERM, INT and QUIT with 64 nodes, over OpenSSH's sshd: the figures of the safety page."""

from __future__ import annotations

import random
import signal
import statistics
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.support.many import Many

pytestmark = pytest.mark.alone

NODES = 64
LATE = 4
"""How much later than its figure something may be once."""


def wait_for(found: Callable[[], bool], limit_s: float) -> float:
    """Wait until `found`, at most `limit_s`; returns how long it took."""
    begun = time.monotonic()
    while not found():
        assert time.monotonic() - begun < limit_s, f"not so within {limit_s} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def in_time(limit_s: float, attempt: Callable[[], float]) -> None:
    """Try until it takes less than `limit_s`, at most 3 times: others may use the machine."""
    took_s = [attempt()]
    while took_s[-1] >= limit_s:
        assert len(took_s) < 3, took_s
        took_s.append(attempt())


def started(many: Many, seconds: str) -> subprocess.Popen[bytes]:
    process = many.popen("--hostfile", many.hostfile(NODES), "sleep", seconds)
    wait_for(lambda: len(many.running("sleep")) == NODES, 30)
    return process


@pytest.fixture
def nothing_left(many: Many) -> Many:
    assert many.running("sleep") == []
    return many


@pytest.mark.parametrize("name", ["INT", "QUIT"])
def test_int_and_quit_end_everything_at_once(nothing_left: Many, name: str) -> None:
    many = nothing_left
    number = signal.Signals[f"SIG{name}"]

    def attempt() -> float:
        process = started(many, "1000")
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        gone_s = time.monotonic() - begun
        wait_for(lambda: many.running("sleep") == [], LATE * 2)
        return gone_s

    in_time(0.5, attempt)


def test_term_lets_running_commands_finish_and_starts_no_more(nothing_left: Many) -> None:
    many = nothing_left
    process = many.popen("--hostfile", many.hostfile(NODES), "-f", "32", "sleep 3; echo done")
    wait_for(lambda: len(many.running("sleep")) == 32, 30)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 143
    assert out.count(b": done\n") == 32, err
    assert many.running("sleep") == []


def test_term_ends_what_outlasts_the_grace(nothing_left: Many) -> None:
    many = nothing_left
    process = many.popen("--hostfile", many.hostfile(NODES), "--grace", "1", "sleep", "1000")
    wait_for(lambda: len(many.running("sleep")) == NODES, 30)

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 143
    wait_for(lambda: many.running("sleep") == [], LATE * 2)


def test_second_term_stops_at_once(nothing_left: Many) -> None:
    many = nothing_left

    def attempt() -> float:
        process = started(many, "1000")
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
        gone_s = time.monotonic() - begun
        wait_for(lambda: many.running("sleep") == [], LATE * 2)
        return gone_s

    in_time(0.5, attempt)


def test_signals_at_random_moments_leave_nothing(nothing_left: Many) -> None:
    many = nothing_left
    chance = random.Random(20)
    gone_s: list[float] = []
    left_s: list[float] = []
    for _ in range(8):
        process = many.popen("--hostfile", many.hostfile(NODES), "--grace", "1", "sleep", "1000")
        time.sleep(chance.uniform(0.05, 2.0))
        number = chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
        begun = time.monotonic()
        process.send_signal(number)
        status = process.wait(10)
        if number != signal.SIGTERM:
            gone_s.append(time.monotonic() - begun)
        # The very first moments of a process belong to Python: it has the signal's default.
        assert status in {128 + number, -number}
        left_s.append(wait_for(lambda: many.running("sleep") == [], LATE * 2))
    # What a machine that has other work to do may break once, it may not break as a rule.
    assert statistics.median(gone_s) < 0.5
    assert max(gone_s) < LATE * 0.5
    assert statistics.median(left_s) < 2


def test_closed_stdout_stops_quietly(nothing_left: Many) -> None:
    many = nothing_left
    process = many.popen("--hostfile", many.hostfile(NODES), "echo first; sleep 1; yes")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(100)
    process.stdout.close()

    process.wait(10)

    assert process.stderr.read() == b""
    wait_for(lambda: many.running("yes") == [], LATE * 2)


def test_nodes_that_stand_still_are_ended_after_we_have_left(nothing_left: Many) -> None:
    many = nothing_left
    process = started(many, "1000")
    many.signal_servers("STOP")

    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    gone_s = time.monotonic() - begun
    assert len(many.running("sleep")) == NODES
    many.signal_servers("CONT")

    assert gone_s < LATE * 0.5
    wait_for(lambda: many.running("sleep") == [], LATE * 2)
