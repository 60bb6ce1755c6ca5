"""Asking the manager over its Unix socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from clsh.base import paths
from clsh.base.errors import ClshError, NotAllowedError
from clsh.cli import client
from clsh.cli.client import NoManagerError
from tests.support.manager import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.manager import Answering


@pytest.fixture
def manager() -> Iterator[Answering]:
    with answering() as server:
        yield server


def test_get_and_post(manager: Answering) -> None:
    manager.answers |= {"/a?b=c": (200, [1, None]), "/d": (202, b"")}
    assert client.get("/a?b=c") == [1, None]
    assert client.post("/d", {"e": "ü"}) is None
    assert client.post("/d") is None
    assert manager.asked == [
        ("GET", "/a?b=c", b""),
        ("POST", "/d", b'{"e": "\\u00fc"}'),
        ("POST", "/d", b""),
    ]


def test_the_manager_s_own_words(manager: Answering) -> None:
    manager.answers["/a"] = (404, {"error": "there is no node 'x'", "hint": "did you mean 'y'?"})
    with pytest.raises(ClshError, match="there is no node 'x'") as caught:
        client.get("/a")
    assert (caught.value.hint, caught.value.exit_code) == ("did you mean 'y'?", 1)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_a_refusal_without_words(manager: Answering, body: bytes) -> None:
    manager.answers["/a"] = (403, body)
    with pytest.raises(NotAllowedError, match="the manager answered 403"):
        client.get("/a")


def test_an_answer_that_is_no_json(manager: Answering) -> None:
    manager.answers["/a"] = (200, b"<html>")
    with pytest.raises(ClshError, match="no JSON"):
        client.get("/a")


def test_none_runs() -> None:
    with pytest.raises(client.NoManagerError, match="no manager runs") as caught:
        client.get("/")
    assert "cl up" in caught.value.hint


def test_one_that_was_killed() -> None:
    with answering():
        pass
    assert client.socket_path().exists()
    with pytest.raises(client.NoManagerError):
        client.get("/")


def test_one_that_hangs() -> None:
    path = client.socket_path()
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ClshError, match=r"does not answer within 0\.05 s"):
            client.get("/", timeout_s=0.05)


def test_one_that_breaks_off(manager: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "RequestHandlerClass", lambda *_: None)
    with pytest.raises(ClshError, match="the manager broke off"):
        client.get("/")


@pytest.mark.parametrize(
    "sent",
    [b"Content-Length: 12\r\n\r\n", b'Content-Length: 12\r\n\r\n{"jobs"', b"Server: x\r\n", b""],
)
def test_one_that_dies_while_it_answers(
    manager: Answering, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """What has come so far is never taken for an answer."""

    def answer(line: socket.socket, *_: object) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n" + sent)
        line.recv(4096)

    monkeypatch.setattr(manager, "RequestHandlerClass", answer)
    with pytest.raises(client.BrokenOffError, match="the manager broke off"):
        client.post("/a")


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (PermissionError(13, "Permission denied"), NotAllowedError, "is not yours to use"),
        (OSError(24, "Too many open files"), ClshError, "Too many open files"),
    ],
)
def test_a_socket_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, refusal: OSError, kind: type[ClshError], words: str
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise refusal

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(kind, match=words):
        client.get("/")


def test_without_a_manager_of_their_own_a_user_asks_root_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with answering() as manager:
        system = client.socket_path()
        monkeypatch.setattr(paths, "SYSTEM_RUNTIME", system.parent)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
        with pytest.raises(NoManagerError):  # root has its own or none
            client.get("/api/v1/status")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert client.get("/api/v1/status")
        assert len(manager.asked) == 1
