"""Files that are handed in from here: in pieces, again after a broken connection."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from clsh.base import client
from clsh.base.errors import ClshError, UsageError
from clsh.jobs.forms import asking, handing
from clsh.jobs.sent import item
from clsh.jobs.sent.store import Bounds, Store

if TYPE_CHECKING:
    from pathlib import Path


class Counter:
    """A manager that takes files, and breaks off after pieces that a test names."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.pieces: list[tuple[int, int]] = []
        self.breaks: set[int] = set()
        self.loses: set[int] = set()
        self.jobs: list[object] = []

    def post(self, path: str, body: object) -> object:
        if not isinstance(body, bytes):
            self.jobs.append(body)
            return {"jobs": [1]}
        asked = {name: one for name, (one,) in parse_qs(urlsplit(path).query).items()}
        offset, size = int(asked["offset"]), int(asked["size"])
        self.pieces.append((offset, len(body)))
        number = len(self.pieces)
        if number in self.loses:
            raise client.BrokenOffError("lost")
        taken = self.store.take("alice", asked["upload"], offset, size, body)
        if number in self.breaks:
            raise client.BrokenOffError("after it was taken")
        return {"have": taken.have, "digest": taken.digest}


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter:
    made = Counter(Store(tmp_path / "store", Bounds()))
    monkeypatch.setattr(client, "post", made.post)
    monkeypatch.setattr(client, "LARGEST_SENT", 10)
    monkeypatch.setattr(handing, "_PAUSE_S", 0.0)
    return made


def test_whole_and_with_its_mode(manager: Counter, tmp_path: Path) -> None:
    file = tmp_path / "prog"
    data = bytes(range(25))
    file.write_bytes(data)
    file.chmod(0o750)
    (entry,) = handing.all_of([str(file)])
    assert item.read(entry) == item.Item(hashlib.sha256(data).hexdigest(), "prog", executable=True)
    assert manager.pieces == [(0, 10), (10, 10), (20, 5)]
    assert manager.store.path("alice", entry[:64]).read_bytes() == data
    assert handing.all_of([entry]) == [entry]
    (tmp_path / "empty").touch()
    (empty,) = handing.all_of([str(tmp_path / "empty")])
    assert empty == f"{hashlib.sha256(b'').hexdigest()}:empty"


def test_after_a_broken_connection_it_goes_on(manager: Counter, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(25)))
    manager.breaks, manager.loses = {1}, {3}
    (entry,) = handing.all_of([str(tmp_path / "x")])
    assert manager.pieces == [(0, 10), (0, 10), (10, 10), (10, 10), (20, 5)]
    assert manager.store.path("alice", entry[:64]).read_bytes() == bytes(range(25))


def test_the_last_answer_may_be_lost(manager: Counter, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    manager.breaks = {1}
    (entry,) = handing.all_of([str(tmp_path / "x")])
    assert manager.store.path("alice", entry[:64]).read_bytes() == b"abc"
    assert len(manager.pieces) == 2


def test_a_file_that_shrinks(
    manager: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    told = os.stat_result((stat.S_IFREG | 0o600, 0, 0, 0, 0, 0, 20, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _: told)
    with pytest.raises(ClshError, match="was not taken whole"):
        handing.all_of([str(tmp_path / "x")])


def test_what_cannot_be_sent(manager: Counter, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no file") as told:
        handing.all_of([str(tmp_path)])
    assert "tar" in told.value.hint
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file"):
        handing.all_of([str(tmp_path / "pipe")])
    (tmp_path / "a,b").touch()
    with pytest.raises(UsageError, match="cannot be sent along by this name"):
        handing.all_of([str(tmp_path / "a,b")])
    with pytest.raises(ClshError, match=r"cannot read .*missing: No such file"):
        handing.all_of([str(tmp_path / "missing")])
    assert manager.pieces == []


def test_once_for_many_jobs(
    manager: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_SENT", 1000)
    (tmp_path / "x").write_bytes(b"abc")
    request = {"argv": ["./x"], "send": [str(tmp_path / "x")], "key": "k"}
    asking.submit([request, request, {"argv": ["y"], "key": "z"}])
    assert len(manager.pieces) == 1
    entry = f"{hashlib.sha256(b'abc').hexdigest()}:x"
    (body,) = manager.jobs
    assert body == {
        "jobs": [
            {"argv": ["./x"], "send": [entry], "key": "k"},
            {"argv": ["./x"], "send": [entry], "key": "k"},
            {"argv": ["y"], "key": "z"},
        ]
    }
