"""Users: what they may, and what a login name is."""

from __future__ import annotations

import pytest

from clsh.base.errors import UsageError
from clsh.base.users import User, login_name, of_uid


def test_what_a_user_may() -> None:
    alice, boss = User("alice"), User("boss", is_admin=True)
    assert alice.may_handle("alice")
    assert not alice.may_handle("bob")
    assert boss.may_handle("bob")
    reader = User("alice", scope="read", how="token")
    assert reader.may("read")
    assert not reader.may("jobs")
    assert alice.may("admin")
    assert reader == alice, "it is the same user, in whatever way they came"


@pytest.mark.parametrize("name", ["alice", "_apt", "a.b-c_d", "x@example.org", "A1+", "a" * 64])
def test_login_names(name: str) -> None:
    assert login_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "1a", "a b", "a/b", "a\n", "a\0", "é", "a" * 65, "a;b", "$(x)", ".."]
)
def test_what_is_no_login_name(name: str) -> None:
    with pytest.raises(UsageError, match="is no login name") as told:
        login_name(name)
    assert len(str(told.value)) < 100


def test_of_uid() -> None:
    assert of_uid(0) == User("root", is_admin=True)
    assert of_uid(54321) is None
