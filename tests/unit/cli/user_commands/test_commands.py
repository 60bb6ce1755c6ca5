"""`cl user`, `cl token` and `cl audit`: what they ask of the manager, and what they print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.cli import passwords
from clsh.cli.main import main
from tests.support.manager import Answering, answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USERS = {
    "users": [
        {"name": "carol", "local": True, "admin": True, "password": True,
         "sessions": 2, "tokens": 0}
    ]
}  # fmt: skip
TOKEN = {
    "id": "1f5f778dd5", "user": "carol", "name": "ci", "scope": "jobs", "made": 1.7e9,
    "expires": 1.8e9, "used": 0.0,
}  # fmt: skip
LINE = {
    "time": "2026-01-31T12:00:00.000Z", "who": "carol", "how": "socket", "act": "cancel",
    "object": "job 12\x1b[2J", "outcome": "done", "address": "socket",
}  # fmt: skip


@pytest.fixture
def manager() -> Iterator[Answering]:
    with answering() as server:
        server.answers |= {
            "/api/v1/me": (200, {"name": "carol"}),
            "/api/v1/users": (200, USERS),
            "/api/v1/users/carol/remove": (200, {"name": "carol"}),
            "/api/v1/users/carol/password": (200, {"name": "carol"}),
            "/api/v1/users/carol/admin": (200, {"name": "carol"}),
            "/api/v1/users/carol/link": (200, {"url": "http://x/login?link=s"}),
            "/api/v1/tokens": (200, {"tokens": [TOKEN], "token": "clsh_x"}),
            "/api/v1/tokens?whose=all": (200, {"tokens": [TOKEN]}),
            "/api/v1/tokens/a%2Fb/remove": (200, {"id": "a/b"}),
            "/api/v1/audit?since=-1w&limit=100000": (200, {"lines": [LINE]}),
            "/api/v1/audit?since=1700000000.5&limit=100000": (200, {"lines": []}),
        }
        yield server


def asked(manager: Answering) -> list[tuple[str, str, Any]]:
    return [(how, path, json.loads(body) if body else None) for how, path, body in manager.asked]


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> None:
    left = list(answers)
    monkeypatch.setattr(passwords, "ask", lambda _: left.pop(0))


def test_add_asks_twice(manager: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "s3cret one", "s3cret one")
    assert main(["user", "add", "carol", "--admin"]) == 0
    sent = {"name": "carol", "password": "s3cret one", "admin": True}
    assert asked(manager) == [("POST", "/api/v1/users", sent)]


def test_a_password_from_a_file(manager: Answering, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret one\nmore")
    file.chmod(0o600)
    assert main(["user", "passwd", "carol", "--password-file", str(file)]) == 0
    assert asked(manager)[-1][2] == {"password": "s3cret one"}
    file.chmod(0o644)
    with pytest.raises(ClshError, match="others may read"):
        main(["user", "passwd", "carol", "--password-file", str(file)])


def test_two_that_differ_and_no_terminal(
    manager: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "one", "other")
    with pytest.raises(UsageError, match="differ"):
        main(["user", "passwd"])
    typed(monkeypatch, None)
    with pytest.raises(UsageError, match="no terminal") as told:
        main(["user", "passwd"])
    assert "--password-file" in told.value.hint
    assert {path for _, path, _ in asked(manager)} == {"/api/v1/me"}


@pytest.mark.parametrize("name", ["-x", "a/b", "", "a b"])
def test_hostile_names_are_not_sent(manager: Answering, name: str) -> None:
    with pytest.raises(UsageError):
        main(["user", "add", "--no-password", name])
    assert manager.asked == []


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["user", "add", "carol", "--no-password"], "/api/v1/users",
         {"name": "carol", "password": "", "admin": False}),
        (["user", "remove", "carol"], "/api/v1/users/carol/remove", None),
        (["user", "admin", "carol"], "/api/v1/users/carol/admin", {"admin": True}),
        (["user", "admin", "carol", "--off"], "/api/v1/users/carol/admin", {"admin": False}),
        (["user", "link"], "/api/v1/users/carol/link", None),
        (["token", "create", "ci", "--scope", "read", "--days", "5"], "/api/v1/tokens",
         {"name": "ci", "scope": "read", "days": 5}),
        (["token", "remove", "a/b"], "/api/v1/tokens/a%2Fb/remove", None),
    ],
)  # fmt: skip
def test_what_is_asked(manager: Answering, words: list[str], path: str, body: Any) -> None:
    assert main(words) == 0
    assert asked(manager)[-1] == ("POST", path, body)


def test_secrets_alone_go_to_stdout(manager: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "create", "ci"])
    told = capsys.readouterr()
    assert told.out == "clsh_x\n"
    assert "not shown again" in told.err
    main(["user", "link", "carol"])
    assert capsys.readouterr().out == "http://x/login?link=s\n"


def test_lists(manager: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*words: str) -> list[str]:
        assert main(words) == 0
        return capsys.readouterr().out.splitlines()

    head, line = printed("user", "list")
    assert head.split() == ["NAME", "LOCAL", "ADMIN", "PASSWORD", "SESSIONS", "TOKENS"]
    assert line.split() == ["carol", "yes", "yes", "yes", "2", "0"]
    assert json.loads(printed("user", "list", "--json")[0]) == USERS["users"][0]
    head, line = printed("token", "list")
    assert head.split() == ["ID", "NAME", "SCOPE", "EXPIRES", "USED"]
    assert line.split()[0] == "1f5f778dd5"
    assert line.split()[-1] == "-"
    assert "carol" in printed("token", "list", "--all")[1]
    head, line = printed("audit")
    assert head.split() == ["TIME", "WHO", "HOW", "ACT", "OBJECT", "OUTCOME", "ADDRESS"]
    assert "carol" in line
    assert "\x1b" not in line
    assert json.loads(printed("audit", "--json")[0]) == LINE


def test_nothing_to_list(manager: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--since", "1700000000.5"]) == 0
    assert tuple(capsys.readouterr()) == ("", "Nothing is written down.\n")
    manager.answers["/api/v1/users"] = (200, {"users": []})
    manager.answers["/api/v1/tokens"] = (200, {"tokens": []})
    main(["user", "list"])
    main(["token", "list"])
    assert capsys.readouterr().err == "No users.\nNo tokens.\n"


def test_what_the_manager_refuses_is_told(manager: Answering) -> None:
    manager.answers["/api/v1/users"] = (403, {"error": "only administrators may do this"})
    with pytest.raises(NotAllowedError, match="only administrators"):
        main(["user", "list"])


@pytest.mark.parametrize(
    "words", [["user"], ["token"], ["token", "create", "x", "--days", "-1"],
              ["token", "create", "x", "--scope", "root"], ["user", "add"]]
)  # fmt: skip
def test_words_that_cannot_be(words: list[str]) -> None:
    with pytest.raises(UsageError):
        main(words)
