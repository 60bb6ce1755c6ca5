"""Who is let in by a password, and what a wrong one costs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from clsh.access import logins, passwords
from clsh.access.attempts import PAIR
from clsh.access.holdings import Holdings
from clsh.access.logins import Logins, TooOftenError, WrongLoginError
from clsh.base.errors import ClshError
from tests.support.access import PASSWORD, Doorman, an_access
from tests.support.clocks import Stopped


def some(doorman: Doorman | None = None, clock: Stopped | None = None) -> Logins:
    holdings = an_access().holdings
    return Logins(holdings, clock or Stopped(), doorman, alike_s=0.0)


async def test_a_local_user_is_let_in() -> None:
    assert await some().check("alice", PASSWORD, "10.0.0.1") == "alice"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"), ("alice", ""), ("nobody", PASSWORD), ("", ""), ("root", ""),
        ("alice ", PASSWORD), ("Alice", PASSWORD), ("al\x00ice", PASSWORD), ("-oProxy=x", "x"),
        ("a" * 5000, "x"), ("'; DROP TABLE accounts; --", "x"), ("<script>", "x"), ("\udcff", "x"),
        ("../../etc/passwd", "x"), ("alice\n", PASSWORD), ("é", "x"),
    ],
)  # fmt: skip
async def test_others_are_told_alike(name: str, password: str) -> None:
    doorman = Doorman(carol="x")
    with pytest.raises(WrongLoginError, match="The name or the password is wrong"):
        await some(doorman).check(name, password, "10.0.0.1")
    asked = [one for one, _ in doorman.asked]
    assert asked == ([name] if name in {"nobody", "root", "Alice"} else []), "PAM sees good names"


async def test_pam_knows_those_whom_we_do_not() -> None:
    doorman = Doorman(dora="her own", alice="of the machine")
    checks = some(doorman)
    assert await checks.check("dora", "her own", "10.0.0.1") == "dora"
    with pytest.raises(WrongLoginError):  # alice is ours, and has one password alone
        await checks.check("alice", "of the machine", "10.0.0.1")
    assert doorman.asked == [("dora", "10.0.0.1")]


async def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    """Each costs one check with argon2, or PAM's, and is answered after one and the same time."""
    counted: list[str] = []
    checks = some()
    real = passwords.matches

    def counting(kept: str, password: str) -> bool:
        counted.append(kept)
        return real(kept, password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "matches", counting)
        for name in ("alice", "nobody"):
            with pytest.raises(WrongLoginError):
                await checks.check(name, "wrong", "10.0.0.1")
    assert len(counted) == 2
    slow = Logins(checks._holdings, Stopped(), Doorman(), alike_s=0.3)
    loop = asyncio.get_running_loop()
    for name in ("alice", "nobody", "-"):
        begun = loop.time()
        with pytest.raises(WrongLoginError):
            await slow.check(name, "wrong", "10.0.0.9")
        assert loop.time() - begun >= 0.29


async def test_too_many_wrong_ones_wait_and_cost_no_check() -> None:
    doorman, clock = Doorman(dora="right"), Stopped()
    checks = some(doorman, clock)
    for _ in range(PAIR.burst):
        with pytest.raises(WrongLoginError):
            await checks.check("dora", "wrong", "10.0.0.1")
    with pytest.raises(TooOftenError) as told:
        await checks.check("dora", "right", "10.0.0.1")
    assert told.value.wait_s == PAIR.each_s
    assert len(doorman.asked) == PAIR.burst
    assert await checks.check("dora", "right", "10.0.0.2") == "dora"
    clock.go(PAIR.each_s)
    assert await checks.check("dora", "right", "10.0.0.1") == "dora"


async def test_right_ones_do_not_count() -> None:
    checks = some(Doorman(dora="right"))
    for _ in range(3 * PAIR.burst):
        assert await checks.check("dora", "right", "10.0.0.1") == "dora"


class Hanging:
    def __init__(self) -> None:
        self.free = threading.Event()

    def check(self, name: str, password: str, address: str) -> str | None:
        self.free.wait(20)
        return None


async def test_one_address_cannot_fill_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Hanging()
    checks = Logins(Holdings(None), Stopped(), hanging, alike_s=0.0)
    tries = [
        asyncio.create_task(checks.check(f"u{n}", "x", f"2001:db8::{n + 1}")) for n in range(10)
    ]
    await asyncio.sleep(0.05)
    told = [one.exception() for one in tries if one.done()]
    assert [type(one) for one in told] == [TooOftenError] * 8, "the same /64 counts as one"
    hanging.free.set()
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, WrongLoginError) for one in done) == 2
    with pytest.raises(WrongLoginError):  # its places are free again
        await checks.check("u1", "x", "2001:db8::1")


async def test_a_directory_server_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_WITHIN_S", 0.05)
    hanging = Hanging()
    checks = Logins(an_access().holdings, Stopped(), hanging, alike_s=0.0)
    with pytest.raises(ClshError, match="cannot be checked now"):
        await checks.check("dora", "x", "10.0.0.1")
    monkeypatch.setattr(logins, "_WITHIN_S", 20.0)
    assert await checks.check("alice", PASSWORD, "10.0.0.1") == "alice", "local users go on"
    hanging.free.set()
    checks.end()


async def test_what_pam_cannot_tell_is_no_wrong_password() -> None:
    doorman = Doorman()
    doorman.error = ClshError("PAM is broken")
    with pytest.raises(ClshError, match="PAM is broken"):
        await some(doorman).check("dora", "x", "10.0.0.1")


def test_what_there_is_is_told() -> None:
    assert some().ways == "local users"
    assert some(Doorman()).ways == "PAM, local users"
