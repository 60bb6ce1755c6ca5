"""What is done to users and tokens, by whom, and what ends with it."""

from __future__ import annotations

import asyncio

import pytest

from clsh.access import passwords, users
from clsh.access.users import NoTokenError, NoUserError, Users
from clsh.base.errors import UsageError
from clsh.base.users import User
from tests.support.access import CALLER, PASSWORD, an_access

BOSS = User("root", is_admin=True)
ALICE, BOB = User("alice"), User("bob")


async def test_a_user_is_added_logs_in_and_is_removed() -> None:
    access = an_access()
    acts = Users(access)
    await acts.add(BOSS, "dora", "a fine password", is_admin=False)
    secret = await access.login("dora", "a fine password", CALLER)
    token, _ = await acts.make_token(User("dora"), "ci", "jobs", 5)
    link = await access.link("dora")
    (row,) = (one for one in acts.listed() if one["name"] == "dora")
    assert row == {
        "name": "dora", "local": True, "admin": False, "password": True, "sessions": 1, "tokens": 1,
    }  # fmt: skip
    await acts.remove(BOSS, "dora")
    assert access.of_session(secret) is None
    assert access.of_token(token) is None
    assert access.whose_link(link) is None
    assert "dora" not in [one["name"] for one in acts.listed()]


async def test_a_name_is_added_once() -> None:
    acts = Users(an_access())
    with pytest.raises(UsageError, match="is a local user alice already"):
        await acts.add(BOSS, "alice", "", is_admin=True)
    both = await asyncio.gather(
        acts.add(BOSS, "dora", "", is_admin=False),
        acts.add(BOSS, "dora", "", is_admin=True),
        return_exceptions=True,
    )
    assert [type(one) for one in both] == [type(None), UsageError]


@pytest.mark.parametrize("name", ["", "-x", "a b", "../x", "a/b", "x" * 65, "é", "a\n", "1a"])
async def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no login name"):
        await Users(an_access()).add(BOSS, name, "", is_admin=False)


async def test_there_is_an_end_to_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_MOST_ACCOUNTS", 3)
    with pytest.raises(UsageError, match="there are 3 local users already"):
        await Users(an_access()).add(BOSS, "dora", "", is_admin=False)


async def test_a_new_password_ends_sessions_but_the_one_it_was_set_in() -> None:
    access = an_access()
    here = await access.login("alice", PASSWORD, CALLER)
    there = await access.login("alice", PASSWORD, CALLER)
    session = access.session(here)
    assert session is not None
    await Users(access).set_password(ALICE, "alice", "another one", keep=session.digest)
    assert access.of_session(here)
    assert access.of_session(there) is None
    assert passwords.matches(access.holdings.accounts["alice"].password, "another one")


async def test_what_is_not_there_is_told() -> None:
    acts = Users(an_access())
    for doing in (
        acts.set_password(BOSS, "dora", "long enough"),
        acts.set_admin(BOSS, "dora", is_admin=True),
        acts.remove(BOSS, "dora"),
        acts.link(BOSS, "nobody-of-that-name"),
    ):
        with pytest.raises(NoUserError, match=r"dora|nobody-of-that-name"):
            await doing


async def test_users_of_the_machine_and_administrators_get_links() -> None:
    access = an_access()
    for name in ("root", "alice", "boss", "daemon"):
        assert access.whose_link(await Users(access).link(BOSS, name)) == name


async def test_a_token_is_ended_by_its_id_or_its_owner_s_name_for_it() -> None:
    access = an_access()
    acts = Users(access)
    secret, token = await acts.make_token(ALICE, "ci", "jobs", 5)
    for by, word in ((BOB, token.id), (BOB, "ci"), (BOSS, "ci"), (ALICE, "other")):
        with pytest.raises(NoTokenError, match="there is no token"):
            await acts.remove_token(by, word)
    assert access.of_token(secret)
    await acts.remove_token(ALICE, "ci")
    assert access.of_token(secret) is None
    secret, token = await acts.make_token(ALICE, "ci", "jobs", 5)
    await acts.remove_token(BOSS, token.id)
    assert access.of_token(secret) is None


@pytest.mark.parametrize(
    ("title", "scope", "days", "told"),
    [
        ("", "jobs", 5, "1 to 64 printable"),
        ("x" * 65, "jobs", 5, "1 to 64 printable"),
        ("a\x1b", "jobs", 5, "1 to 64 printable"),
        ("ci", "all", 5, "one of: read, jobs, admin"),
        ("ci", "jobs", 0, "1 to 3650 days"),
        ("ci", "jobs", 3651, "1 to 3650 days"),
        ("old", "jobs", 5, "you have a token 'old' already"),
    ],
)
async def test_tokens_that_cannot_be(title: str, scope: str, days: int, told: str) -> None:
    acts = Users(an_access())
    await acts.make_token(ALICE, "old", "jobs", 5)
    with pytest.raises(UsageError, match=told):
        await acts.make_token(ALICE, title, scope, days)


async def test_there_is_an_end_to_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_MOST_TOKENS", 1)
    acts = Users(an_access())
    await acts.make_token(ALICE, "one", "jobs", 5)
    await acts.make_token(BOB, "one", "jobs", 5)
    with pytest.raises(UsageError, match="you have 1 tokens"):
        await acts.make_token(ALICE, "two", "jobs", 5)
