from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, UsageError
from clsh.cli import passwords

if TYPE_CHECKING:
    from pathlib import Path


def kept(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\nsecond\n"])
def test_the_first_line_of_a_file_is_the_password(tmp_path: Path, content: bytes) -> None:
    assert passwords.from_file(kept(tmp_path / "p", content)) == "secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ClshError, match="others may") as caught:
        passwords.from_file(kept(tmp_path / "p", b"secret\n", mode))
    assert "chmod 600" in caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    name = kept(tmp_path / "p", b"secret\n")
    os.chown(name, 12345, 12345)
    with pytest.raises(ClshError, match="somebody else"):
        passwords.from_file(name)


@pytest.mark.parametrize("content", [b"", b"\nsecret\n"])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match="no password"):
        passwords.from_file(kept(tmp_path / "p", content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        passwords.from_file(str(tmp_path / "p"))


def test_a_pipe_is_read_as_it_is(tmp_path: Path) -> None:
    readable, writable = os.pipe()
    os.write(writable, b"secret\n")
    os.close(writable)
    assert passwords.from_file(f"/dev/fd/{readable}") == "secret"
    os.close(readable)


def answers(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    """Stand in for the terminal: tests/fault/test_output.py asks on a real one."""
    real = os.open

    def opens(path: str, flags: int) -> int:
        return real(os.devnull if path == "/dev/tty" else path, flags)

    def typed(prompt: str) -> str:
        assert prompt == "Password: "
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(os, "open", opens)
    monkeypatch.setattr("getpass.getpass", typed)


def test_a_password_is_asked_for_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "secret")
    assert passwords.ask("Password: ") == "secret"


def test_nothing_typed_but_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, None)
    with pytest.raises(UsageError, match="no password was given"):
        passwords.ask("Password: ")


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> int:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "open", refuses)
    assert passwords.ask("Password: ") is None
