"""How browsers reach the page, and who may use the Unix socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from clsh.access.settings import Settings as AccessSettings
from clsh.manager import certificate, service
from clsh.monitor.settings import Settings
from clsh.web import security
from tests.support.access import an_access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clsh.access.settings import Socket


@pytest.fixture
def line() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_on_loopback_it_is_plain(line: socket.socket, tmp_path: Path) -> None:
    front = service._front(Settings(names=("web",)), line, tmp_path)
    port = line.getsockname()[1]
    assert (front.address, front.names, front.tls) == (f"http://127.0.0.1:{port}/", ("web",), None)
    assert not (tmp_path / certificate.KEY).exists()


def test_beyond_it_is_tls(
    line: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "is_loopback", lambda _: False)
    front = service._front(Settings(names=("web",)), line, tmp_path)
    assert front.address.startswith("https://127.0.0.1:")
    assert front.names[:2] == ("127.0.0.1", "web")
    assert front.tls is not None
    pem, key = (str(tmp_path / name) for name in (certificate.CERTIFICATE, certificate.KEY))
    given = service._front(Settings(certificate=pem, key=key), line, tmp_path / "unused")
    assert given.tls is not None
    assert given.tls.fingerprint == front.tls.fingerprint


def test_an_address_that_is_all_of_them_is_shown_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wild:
        family = socket.AF_INET

        def getsockname(self) -> tuple[str, int]:
            return ("0.0.0.0", 8650)

    front = service._front(Settings(), Wild(), tmp_path)  # type: ignore[arg-type]  # nothing listens
    assert front.address == f"https://{socket.gethostname().lower()}:8650/"


@pytest.mark.parametrize(
    ("said", "uid", "everybody"),
    [
        ("auto", 0, True),
        ("auto", 1000, False),
        ("owner", 0, False),
        ("everybody", 1000, True),
    ],
)
def test_who_may_use_the_socket(
    monkeypatch: pytest.MonkeyPatch, said: Socket, uid: int, everybody: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    access = an_access(settings=AccessSettings(socket=said))
    assert service._for_everybody(access) == everybody


def test_an_owner_without_a_name_has_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert service._owner() == "root" or os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert service._owner() == "uid54321"
