"""How often a password may be tried, and whom that costs anything."""

from __future__ import annotations

import pytest

from clsh.access import attempts
from clsh.access.attempts import ADDRESS, NAME, PAIR, Attempts, network


def test_a_name_from_an_address_has_a_few_tries_and_then_one_at_a_time() -> None:
    tries = Attempts()
    for _ in range(PAIR.burst):
        assert tries.wait_s("alice", "10.0.0.1", 0.0) == 0
        tries.take("alice", "10.0.0.1", 0.0)
    assert tries.wait_s("alice", "10.0.0.1", 0.0) == PAIR.each_s
    assert tries.wait_s("alice", "10.0.0.1", 10.0) == PAIR.each_s - 10
    assert tries.wait_s("alice", "10.0.0.1", PAIR.each_s) == 0
    tries.take("alice", "10.0.0.1", PAIR.each_s)
    assert tries.wait_s("alice", "10.0.0.1", PAIR.each_s) > 0


def test_others_pay_nothing_for_it() -> None:
    tries = Attempts()
    for _ in range(20):
        if not tries.wait_s("alice", "10.0.0.1", 0.0):
            tries.take("alice", "10.0.0.1", 0.0)
    assert tries.wait_s("bob", "10.0.0.1", 0.0) == 0
    assert tries.wait_s("alice", "10.0.0.2", 0.0) == 0


def test_an_address_runs_out_whatever_the_names() -> None:
    tries = Attempts()
    for number in range(ADDRESS.burst):
        assert tries.wait_s(f"u{number}", "10.0.0.1", 0.0) == 0
        tries.take(f"u{number}", "10.0.0.1", 0.0)
    assert tries.wait_s("another", "10.0.0.1", 0.0) == ADDRESS.each_s
    assert tries.wait_s("another", "10.0.0.2", 0.0) == 0


def test_a_name_runs_out_whatever_the_addresses() -> None:
    tries = Attempts()
    for number in range(NAME.burst):
        tries.take("alice", f"10.0.1.{number}", 0.0)
    assert tries.wait_s("alice", "10.9.9.9", 0.0) == NAME.each_s


def test_one_address_alone_never_empties_a_name() -> None:
    """Else anybody could lock alice out."""
    tries, now = Attempts(), 0.0
    for _ in range(5000):
        if not tries.wait_s("alice", "10.0.0.1", now):
            tries.take("alice", "10.0.0.1", now)
        now += 1.0
        assert tries.wait_s("alice", "10.0.0.2", now) == 0


def test_a_right_one_costs_nothing() -> None:
    tries = Attempts()
    for _ in range(3 * PAIR.burst):
        assert tries.wait_s("alice", "10.0.0.1", 0.0) == 0
        tries.take("alice", "10.0.0.1", 0.0)
        tries.give_back("alice", "10.0.0.1", 0.0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_MOST", 30)
    tries = Attempts()
    for number in range(1000):
        tries.take(f"user{number}", f"10.1.{number // 250}.{number % 250}", 0.0)
    assert len(tries._buckets) == 30


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("socket", "socket"),
    ],
)
def test_what_counts_as_one_address(address: str, known: str) -> None:
    assert network(address) == known
