"""When a session counts, and what is an address of ours."""

from __future__ import annotations

import pytest

from clsh.access.model import Lengths, Session, is_alive, is_local

LENGTHS = Lengths(idle_s=100.0, whole_s=1000.0)


def a_session(made: float = 0.0, used: float = 0.0) -> Session:
    return Session(b"d", "id", "alice", "10.0.0.1", "", made, used)


@pytest.mark.parametrize(
    ("made", "used", "now", "alive"),
    [
        (0, 0, 0, True),
        (0, 0, 99, True),
        (0, 0, 100, False),
        (0, 950, 999, True),
        (0, 999, 1000, False),
        (0, 400, 101, True),  # the clock was set back a little
        (0, 402, 101, False),  # it comes from a future that we cannot believe in
    ],
)
def test_a_session_ends_unused_and_ends_anyway(
    made: float, used: float, now: float, alive: bool
) -> None:
    assert is_alive(a_session(made, used), LENGTHS, now) == alive


@pytest.mark.parametrize("path", ["/", "/account", "/c/red/n1?range=day&lang=ko", "/m/a/b#x"])
def test_our_own_addresses(path: str) -> None:
    assert is_local(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "account", "//evil.org", "///evil.org", "/\\evil.org", "\\\\evil.org", "/x\\..\\y",
        "http://evil.org/", "https:evil.org", "javascript:alert(1)", "/\t/evil.org", "/\n/evil.org",
        "/\x00", " /", "/ /evil.org", "/é", "/" + "x" * 2000, "data:text/html,x",
        "/\r\nSet-Cookie: a",
    ],
)  # fmt: skip
def test_addresses_of_others(path: str) -> None:
    assert not is_local(path)
