"""Sessions, tokens and links: when they count, whom they stand for, what ends them."""

from __future__ import annotations

import asyncio
import json
import pwd
from typing import TYPE_CHECKING

import pytest

from clsh.access import keys, service
from clsh.access.logins import TooOftenError, WrongLoginError
from clsh.access.model import Session, Token
from clsh.access.service import Access, Caller, WrongLinkError, is_of_machine
from clsh.access.settings import Settings
from clsh.access.store import FILE_NAME, Store, StoreError
from clsh.access.users import Users
from clsh.base.audit import Audit
from clsh.base.users import User
from tests.support.access import CALLER, OWNER, PASSWORD, an_access
from tests.support.clocks import Stopped

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400.0


async def test_in_and_out() -> None:
    access = an_access()
    secret = await access.login("alice", PASSWORD, CALLER)
    user = access.of_session(secret)
    assert user == User("alice")
    assert user is not None
    assert (user.how, user.scope) == ("session", "admin")
    session = access.session(secret)
    assert session is not None
    assert (session.address, session.agent) == ("10.0.0.7", "a browser")
    await access.end(user, session, "10.0.0.7")
    assert access.of_session(secret) is None


@pytest.mark.parametrize("secret", ["", "x", "x" * 10_000, "\udcff", "' OR 1=1 --"])
async def test_what_is_no_secret_of_ours_is_nobody(secret: str) -> None:
    access = an_access()
    await access.login("alice", PASSWORD, CALLER)
    await access.link("alice")
    assert access.of_session(secret) is None
    assert access.of_token(secret) is None
    assert access.whose_link(secret) is None
    with pytest.raises(WrongLinkError):
        await access.enter(secret, CALLER)


async def test_one_kind_of_secret_is_none_of_another() -> None:
    access = an_access()
    session = await access.login("alice", PASSWORD, CALLER)
    token, _ = await Users(access).make_token(User("alice"), "ci", "admin", 5)
    link = await access.link("alice")
    digest = keys.digest(session).hex()
    assert access.of_session(token) is access.of_session(link) is access.of_session(digest) is None
    assert access.of_token(session) is access.of_token(link) is None
    assert access.whose_link(session) is access.whose_link(token) is None


async def test_a_session_ends_when_it_is_not_used_and_after_a_week() -> None:
    clock = Stopped()
    access = an_access(clock)
    secret = await access.login("alice", PASSWORD, CALLER)
    clock.go(11 * 3600)
    assert access.of_session(secret)
    clock.go(11 * 3600)
    assert access.of_session(secret), "it was used meanwhile"
    clock.go(12 * 3600)
    assert access.of_session(secret) is None
    await access.tidy()
    assert access.holdings.sessions == {}
    other = await access.login("alice", PASSWORD, CALLER)
    for _ in range(7 * 24):
        assert access.of_session(other)
        clock.go(3600)
    assert access.of_session(other) is None


async def test_nobody_goes_on_in_a_session_that_was_there_before() -> None:
    """Else who planted it in the browser would be logged in too."""
    access = an_access()
    planted = await access.login("bob", PASSWORD, CALLER)
    secret = await access.login("alice", PASSWORD, CALLER, planted)
    assert secret != planted
    assert access.of_session(planted) is None
    assert access.of_session(secret) == User("alice")
    again = await access.enter(await access.link("bob"), CALLER, secret)
    assert access.of_session(secret) is None
    assert access.of_session(again) == User("bob")


async def test_a_user_has_some_sessions_at_most() -> None:
    clock = Stopped()
    access = an_access(clock)
    made: list[str] = []
    for _ in range(25):
        made.append(await access.enter(await access.link("alice"), CALLER))
        clock.go(1)
    assert len(access.holdings.sessions) == 20
    assert access.of_session(made[4]) is None
    assert access.of_session(made[5])


async def test_a_link_is_used_once() -> None:
    access = an_access()
    secret = await access.link("alice")
    assert access.whose_link(secret) == "alice"
    assert access.of_session(await access.enter(secret, CALLER)) == User("alice")
    with pytest.raises(WrongLinkError):
        await access.enter(secret, CALLER)
    assert access.whose_link(secret) is None


async def test_of_two_who_use_a_link_at_once_one_gets_in(tmp_path: Path) -> None:
    access = an_access(store=Store(tmp_path))
    await access.open()
    secret = await access.link("alice")
    both = await asyncio.gather(
        access.enter(secret, CALLER), access.enter(secret, CALLER), return_exceptions=True
    )
    assert [type(one) for one in both] == [str, WrongLinkError]
    await access.holdings.close()


async def test_a_link_ends_after_a_day_or_by_another() -> None:
    clock = Stopped()
    access = an_access(clock)
    first = await access.link("alice")
    second = await access.link("alice")
    await access.link("bob")
    assert access.whose_link(first) is None
    assert access.whose_link(second) == "alice"
    clock.go(DAY)
    with pytest.raises(WrongLinkError):
        await access.enter(second, CALLER)
    await access.tidy()
    assert access.holdings.links == {}


async def test_the_owner_is_welcomed_once(tmp_path: Path) -> None:
    access = Access(Stopped(), OWNER, store=Store(tmp_path))
    await access.open()
    secret = await access.welcome()
    assert access.whose_link(secret) == OWNER
    assert await access.welcome() == ""
    await access.holdings.close()
    again = Access(Stopped(), OWNER, store=Store(tmp_path))
    await again.open()
    assert await again.welcome() == ""
    assert again.id == access.id, "browsers know it by that"
    assert again.of_session(await again.enter(secret, CALLER)) == User(OWNER, is_admin=True)
    await again.holdings.close()


async def test_who_is_an_administrator_is_asked_each_time() -> None:
    access = an_access(settings=Settings(administrators=("dora",)))
    secret = await access.login("alice", PASSWORD, CALLER)
    admins = {name for name in ("root", OWNER, "alice", "carol", "dora") if access.is_admin(name)}
    assert admins == {"root", OWNER, "carol", "dora"}
    by, users = User(OWNER, is_admin=True), Users(access)
    await users.set_admin(by, "alice", is_admin=True)
    assert access.of_session(secret) == User("alice", is_admin=True)
    await users.set_admin(by, "alice", is_admin=False)
    assert access.of_session(secret) == User("alice", is_admin=False)


@pytest.mark.parametrize(
    ("name", "scope", "is_admin", "may"),
    [
        ("alice", "read", False, {"read"}),
        ("alice", "jobs", False, {"read", "jobs"}),
        ("alice", "admin", False, {"read", "jobs", "admin"}),
        ("carol", "read", False, {"read"}),
        ("carol", "jobs", False, {"read", "jobs"}),
        ("carol", "admin", True, {"read", "jobs", "admin"}),
    ],
)
async def test_a_token_is_good_for_its_scope(
    name: str, scope: str, is_admin: bool, may: set[str]
) -> None:
    access = an_access()
    secret, _ = await Users(access).make_token(User(name), "ci", scope, 5)
    user = access.of_token(secret)
    assert user == User(name, is_admin=is_admin)
    assert user is not None
    assert user.how == "token"
    assert {one for one in ("read", "jobs", "admin") if user.may(one)} == may


async def test_a_token_ends_with_its_day() -> None:
    clock = Stopped()
    access = an_access(clock)
    secret, token = await Users(access).make_token(User("alice"), "ci", "read", 2)
    clock.go(2 * DAY - 1)
    assert access.of_token(secret)
    assert access.holdings.tokens[token.digest].used == clock.unix()
    clock.go(1)
    assert access.of_token(secret) is None


async def test_all_outlives_a_restart_but_what_was_revoked(tmp_path: Path) -> None:
    clock = Stopped()
    first = an_access(clock, store=Store(tmp_path))
    await first.open()
    running = asyncio.create_task(first.run())
    kept = await first.login("alice", PASSWORD, CALLER)
    ended = await first.login("bob", PASSWORD, CALLER)
    session = first.session(ended)
    assert session is not None
    clock.go(3600)
    assert first.of_session(kept)
    await first.end(User("bob"), session, "")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    again = an_access(clock, store=Store(tmp_path))
    await again.open()
    assert again.of_session(kept) == User("alice")
    assert again.of_session(ended) is None
    known = again.session(kept)
    assert known is not None
    assert known.used == clock.unix(), "when it was used last is written down at the end"
    secrets = [kept.encode(), ended.encode(), PASSWORD.encode()]
    assert not [one for one in secrets if any(one in data for data in contents(tmp_path))]
    await again.holdings.close()


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.is_file()]


async def test_what_is_ended_is_not_written_back(tmp_path: Path) -> None:
    """A session that is used in the moment in which it ends stays ended."""
    clock = Stopped()
    access = an_access(clock, store=Store(tmp_path))
    await access.open()
    secret = await access.login("alice", PASSWORD, CALLER)
    session = access.session(secret)
    assert session is not None
    clock.go(100)
    assert access.of_session(secret)
    await asyncio.gather(access.end(User("alice"), session, ""), access.tidy())
    assert access.of_session(secret) is None
    await access.holdings.close()
    again = an_access(clock, store=Store(tmp_path))
    await again.open()
    assert again.of_session(secret) is None
    await again.holdings.close()


async def test_with_a_damaged_file_nobody_logs_in_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged(tmp_path)
    access = an_access(store=Store(tmp_path))
    await access.open()
    assert "nobody can log in" in caplog.text
    with pytest.raises(StoreError, match="damaged"):
        await access.login("alice", PASSWORD, CALLER)
    with pytest.raises(StoreError, match="damaged"):
        await access.welcome()
    assert access.of_peer(0, 0) == User("root", is_admin=True)
    await access.tidy()
    await access.holdings.close()


def damaged(folder: Path) -> None:
    (folder / FILE_NAME).write_bytes(b"no database" * 1000)


async def test_the_audit_knows_each_login_and_no_secret(tmp_path: Path) -> None:
    clock = Stopped()
    audit = Audit(tmp_path, clock)
    access = an_access(clock, audit=audit)
    secret = await access.login("alice", PASSWORD, CALLER)
    with pytest.raises(WrongLoginError):
        await access.login("alice", "s3cret-typo", CALLER)
    with pytest.raises(WrongLoginError):
        await access.login("s3cret-as-name", "x", CALLER)
    for _ in range(4):
        with pytest.raises(WrongLoginError):
            await access.login("alice", "x", CALLER)
    with pytest.raises(TooOftenError):
        await access.login("alice", "x", CALLER)
    link = await Users(access).link(User("root", is_admin=True), "bob", "socket")
    await access.enter(link, Caller("10.0.0.8"))
    with pytest.raises(WrongLinkError):
        await access.enter(link, Caller("10.0.0.8"))
    found = await audit.read(0.0, 100)
    told = [(one["who"], one["act"], one["outcome"], one["address"]) for one in found]
    assert told == [
        ("alice", "login", "done", "10.0.0.7"),
        ("alice", "login", "wrong", "10.0.0.7"),
        ("?", "login", "wrong", "10.0.0.7"),
        *[("alice", "login", "wrong", "10.0.0.7")] * 4,
        ("alice", "login", "too often", "10.0.0.7"),
        ("root", "make link", "done", "socket"),
        ("bob", "login", "done", "10.0.0.8"),
        ("?", "login", "wrong", "10.0.0.8"),
    ]
    text = json.dumps(found)
    assert "s3cret" not in text
    assert secret not in text
    assert link not in text


@pytest.mark.parametrize(
    ("uid", "owner", "user"),
    [
        (0, 1234, User("root", is_admin=True)),
        (1234, 1234, User(OWNER, is_admin=True)),  # has no name here
        (1, 1234, User(pwd.getpwuid(1).pw_name)),
        (1, 1, User(pwd.getpwuid(1).pw_name, is_admin=True)),
        (54321, 1234, None),
    ],
)
def test_the_kernel_s_word(uid: int, owner: int, user: User | None) -> None:
    assert an_access().of_peer(uid, owner) == user


def test_an_administrator_by_name_is_one_at_the_socket_too() -> None:
    name = pwd.getpwuid(1).pw_name
    access = an_access(settings=Settings(administrators=(name,)))
    assert access.of_peer(1, 0) == User(name, is_admin=True)


def test_names_of_this_machine() -> None:
    assert is_of_machine("root")
    assert not is_of_machine("nobody-of-that-name")
    assert not is_of_machine("ro\0ot")


async def test_what_a_browser_calls_itself_is_cut_and_printable() -> None:
    access = an_access()
    secret = await access.login("alice", PASSWORD, Caller("10.0.0.1", "\x1b[2J" + "x" * 5000))
    session = access.session(secret)
    assert session is not None
    assert session.agent.startswith("[2Jxxx")
    assert len(session.agent) == service._LONGEST_AGENT
    assert isinstance(session, Session)


async def test_use_is_noted_a_minute_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Stopped()
    access = an_access(clock)
    secret, token = await Users(access).make_token(User("alice"), "ci", "read", 2)
    access.of_token(secret)
    clock.go(30)
    access.of_token(secret)
    held: Token = access.holdings.tokens[token.digest]
    assert held.used == clock.unix() - 30
