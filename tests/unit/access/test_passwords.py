"""Passwords of local users, and secrets that we make."""

from __future__ import annotations

import pytest

from clsh.access import keys, passwords
from clsh.base.errors import UsageError
from tests.support.access import PASSWORD, kept


def test_the_right_one_and_a_wrong_one() -> None:
    assert kept().startswith("$argon2id$")
    assert passwords.matches(kept(), PASSWORD)
    assert not passwords.matches(kept(), PASSWORD + " ")
    assert PASSWORD not in kept()


@pytest.mark.parametrize("password", ["", "x", PASSWORD, "nobody's password"])
def test_nobody_s_password_is_never_right(password: str) -> None:
    assert not passwords.matches("", password)


def test_what_is_no_hash_is_no_password() -> None:
    assert not passwords.matches("plain", "plain")


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
def test_lengths(password: str) -> None:
    with pytest.raises(UsageError, match="8 to 1024"):
        passwords.hashed(password)


def test_any_character_may_be_in_it() -> None:
    odd = "비밀번호 \udcff\x00 \N{KEY}"
    assert passwords.matches(passwords.hashed(odd), odd)


def test_secrets_differ_and_are_kept_as_digests() -> None:
    made = {keys.make() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 43 for one in made)
    assert keys.make(keys.TOKEN).startswith("clsh_")
    assert keys.digest("a") != keys.digest("b")
    assert len(keys.digest("\udcff" * 10_000)) == 32
    assert keys.digest("x" * 200) == keys.digest("x" * 5000)
