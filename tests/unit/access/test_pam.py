"""What keeps us from PAM, and what we answer it; with PAM itself: tests/integration."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_void_p
from typing import TYPE_CHECKING, Any

import pytest

from clsh.access import pam
from clsh.access.pam import Pam, PamError, why_not

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN, SHOWN, ERROR, INFO = 1, 2, 3, 4


def test_a_service_must_have_its_file(tmp_path: Path) -> None:
    """PAM would silently take another one, which may let in everybody."""
    missing = why_not("clsh", (tmp_path,))
    assert missing is not None
    assert str(missing) == "PAM has no service 'clsh'"
    assert missing.hint == f"cp {pam.EXAMPLE} {tmp_path}/clsh"
    (tmp_path / "clsh").write_bytes(pam.EXAMPLE.read_bytes())
    assert why_not("clsh", (tmp_path,)) is None


def test_the_file_that_is_shipped_asks_for_a_password() -> None:
    text = pam.EXAMPLE.read_text()
    rules = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert ["auth", "required", "pam_unix.so"] in rules
    assert ["account", "required", "pam_unix.so"] in rules
    assert {rule[1] for rule in rules} == {"required"}


def test_pam_is_for_root_and_shadow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import grp

    (tmp_path / "clsh").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [1000])
    told = why_not("clsh", (tmp_path,))
    assert told is not None
    assert "root and the group shadow" in str(told)
    monkeypatch.setattr(os, "getgroups", lambda: [grp.getgrnam("shadow").gr_gid])
    assert why_not("clsh", (tmp_path,)) is None

    def none(_: str) -> None:
        raise KeyError

    monkeypatch.setattr(grp, "getgrnam", none)
    assert why_not("clsh", (tmp_path,)) is not None


def test_a_machine_without_pam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pam, "LIBRARY", "libpam.so.nowhere")
    told = why_not("clsh")
    assert told is not None
    assert "PAM is not here" in str(told)


@pytest.mark.parametrize("password", ["", "a\0b"])
def test_a_password_that_c_would_cut_is_wrong(password: str) -> None:
    assert Pam("clsh").check("root", password, "10.0.0.1") is None


def ask(talk: Any, *styles: int) -> tuple[int, list[bytes | None]]:
    """Ask as PAM does; return the code and the answers."""
    held = [pam._Message(style, b"?") for style in styles]
    messages = (POINTER(pam._Message) * len(held))(*map(ctypes.pointer, held))
    responses = (POINTER(pam._Response) * 1)()
    code = talk(len(held), messages, responses, None)
    if code:
        return code, []
    texts = [responses[0][number].text for number in range(len(held))]
    return code, [ctypes.string_at(text) if text else None for text in texts]


def a_talk() -> Any:
    return pam._Talk(pam._libraries()[1], b"secret")


def test_the_password_is_said_once_and_to_the_hidden_question_alone() -> None:
    talk = a_talk()
    assert ask(talk, INFO, HIDDEN, ERROR) == (0, [None, b"secret", None])
    assert ask(talk, INFO) == (0, [None])
    assert ask(talk, HIDDEN)[0] == pam._CONVERSATION_ERROR, "it may want a new one"
    assert ask(a_talk(), SHOWN)[0] == pam._CONVERSATION_ERROR
    assert ask(a_talk(), HIDDEN, HIDDEN)[0] == pam._CONVERSATION_ERROR


def test_no_memory_is_told_to_pam() -> None:
    class Full:
        def calloc(self, *_: int) -> None:
            return None

    assert ask(pam._Talk(Full(), b"secret"), HIDDEN)[0] == pam._BUFFER_ERROR


class Fake:
    """A libpam that answers as it is told; `user` is who it says it was."""

    def __init__(self, start: int = 0, login: int = 0, account: int = 0, user: bytes = b"erin"):
        self.codes = {"start": start, "login": login, "account": account}
        self.user = ctypes.create_string_buffer(user)
        self.ended: list[int] = []
        self.calls: list[str] = []

    def pam_start(self, *_: Any) -> int:
        return self.codes["start"]

    def pam_set_item(self, *_: Any) -> int:
        return 0

    def pam_authenticate(self, *_: Any) -> int:
        self.calls.append("login")
        return self.codes["login"]

    def pam_acct_mgmt(self, *_: Any) -> int:
        self.calls.append("account")
        return self.codes["account"]

    def pam_get_item(self, _handle: Any, _kind: int, place: Any) -> int:
        ctypes.cast(place, POINTER(c_void_p))[0] = ctypes.cast(self.user, c_void_p).value
        return 0

    def pam_strerror(self, *_: Any) -> bytes:
        return b"it is broken"

    def pam_end(self, _handle: Any, code: int) -> int:
        self.ended.append(code)
        return 0


@pytest.mark.parametrize(
    ("fake", "known", "calls"),
    [
        (Fake(), "erin", ["login", "account"]),
        (Fake(login=7), None, ["login"]),
        (Fake(account=13), None, ["login", "account"]),
        (Fake(user=b"other"), "other", ["login", "account"]),
        (Fake(user=b"-x"), None, ["login", "account"]),
        (Fake(user=b"\xff"), None, ["login", "account"]),
    ],
)
def test_who_is_let_in(fake: Fake, known: str | None, calls: list[str]) -> None:
    asked = Pam("clsh")
    asked._pam = fake
    assert asked.check("erin", "secret", "10.0.0.1") == known
    assert fake.calls == calls
    assert len(fake.ended) == 1, "the handle is given back"


@pytest.mark.parametrize("fake", [Fake(start=5), Fake(login=28), Fake(account=4)])
def test_what_pam_cannot_tell_is_told(fake: Fake) -> None:
    asked = Pam("clsh")
    asked._pam = fake
    with pytest.raises(PamError, match="PAM cannot check erin: it is broken"):
        asked.check("erin", "secret", "10.0.0.1")
