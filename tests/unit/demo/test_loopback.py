from __future__ import annotations

import contextlib
import fcntl
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.demo import loopback
from clsh.demo.loopback import Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator


class Peer:
    """Answers each line on the control socket with what `answers` has for it."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, str] = {}
        self.mute = False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "control"))
        self.listener.listen()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.listener.close()

    def _answer(self) -> None:
        with contextlib.ExitStack() as kept, contextlib.suppress(OSError):  # shut down
            while True:
                connection = kept.enter_context(self.listener.accept()[0])
                line = connection.recv(100).decode().strip()
                if not self.mute:
                    connection.sendall(self.answers[line].encode())
                    connection.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    (tmp_path / "servers").mkdir()
    made = Peer(tmp_path / "servers")
    yield made
    made.close()


def test_alive(peer: Peer, tmp_path: Path) -> None:
    peer.answers["alive"] = "node1=1 node2=0"
    assert Loopback(tmp_path).alive() == {"node1": True, "node2": False}


def test_a_refusal_is_an_error(peer: Peer, tmp_path: Path) -> None:
    peer.answers = {"start node1": "node1: address in use", "kill node1": ""}
    Loopback(tmp_path).kill("node1")
    with pytest.raises(ClshError, match=r"^node1: address in use$"):
        Loopback(tmp_path).start("node1")


def test_servers_that_hang_are_told(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "_ANSWER_S", 0.1)
    peer.mute = True
    with pytest.raises(ClshError, match="do not answer: timed out"):
        Loopback(tmp_path).alive()


def test_nothing_runs(tmp_path: Path) -> None:
    assert Loopback(tmp_path).alive() == {}
    Loopback(tmp_path).down()


def test_down_does_not_wait_for_ever(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "_GONE_S", 0.1)
    peer.answers["down"] = ""
    held = tmp_path / "servers/held"
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        Loopback(tmp_path).down()
    assert not held.exists()


def test_the_environment() -> None:
    made = Loopback(Path("/run/x")).environment({"PATH": "/mine"})
    assert made["CLSH_CONFIG"] == "/run/x/servers/clsh.toml"
    assert made["PATH"].endswith(":/mine")
    assert Loopback(Path("/run/x")).enter(["a", "b"], "/") == ["a", "b"]
