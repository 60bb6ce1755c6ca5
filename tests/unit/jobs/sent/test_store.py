"""Files that are handed in: whole or not at all, each user's own, within bounds."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import UsageError
from clsh.jobs.errors import RequestError
from clsh.jobs.queue.errors import QueueError, QueueFullError
from clsh.jobs.sent import store as stores
from clsh.jobs.sent.store import Bounds, NoRoomError, Store, Taken

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)
NOW = 2e9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "sent", Bounds(100, 250, 7))


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(store: Store, data: bytes, owner: str = "alice", upload: str = ONE) -> str:
    taken = store.take(owner, upload, 0, len(data), data)
    assert taken == Taken(len(data), digest_of(data))
    return taken.digest


def names(tmp_path: Path, owner: str = "alice") -> list[str]:
    return sorted(path.name for path in (tmp_path / "sent" / owner).iterdir())


def age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_piece_by_piece(store: Store, tmp_path: Path) -> None:
    assert store.take("alice", ONE, 0, 9, b"abcd") == Taken(4)
    assert store.take("alice", ONE, 0, 9, b"abcd") == Taken(4), "a repetition changes nothing"
    assert store.take("alice", ONE, 6, 9, b"ghi") == Taken(4), "nor does one that is too early"
    assert names(tmp_path) == [f"{ONE}.part"]
    taken = store.take("alice", ONE, 4, 9, b"efghi")
    assert taken == Taken(9, digest_of(b"abcdefghi"))
    path = store.path("alice", taken.digest)
    assert path.read_bytes() == b"abcdefghi"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert names(tmp_path) == [taken.digest]
    assert put(store, b"abcdefghi", upload=TWO) == taken.digest
    assert put(store, b"") == digest_of(b"")


def test_what_is_not_taken(store: Store) -> None:
    with pytest.raises(RequestError, match="at most 100") as told:
        store.take("alice", ONE, 0, 101, b"x")
    assert told.value.field == "size"
    assert "send_limit" in told.value.hint
    with pytest.raises(RequestError, match="more bytes than 2"):
        store.take("alice", ONE, 0, 2, b"xyz")
    for upload in ("", "../x", "x" * 32, ONE[:-1], f"{ONE}\n"):
        with pytest.raises(RequestError, match="upload"):
            store.take("alice", upload, 0, 2, b"xy")
    with pytest.raises(UsageError, match="no login name"):
        store.take("../bob", ONE, 0, 2, b"xy")


def test_a_planted_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "sent/alice").mkdir(parents=True)
    (tmp_path / f"sent/alice/{ONE}.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QueueError):
        store.take("alice", ONE, 0, 2, b"xy")
    assert not (tmp_path / "elsewhere").exists()


def test_a_quota_counts_what_is_not_whole_yet(store: Store) -> None:
    put(store, b"a" * 100)
    assert store.take("alice", TWO, 0, 100, b"b" * 50) == Taken(50)
    assert store.take("alice", THREE, 0, 100, b"c" * 50) == Taken(50)
    store.take("alice", TWO, 50, 100, b"b" * 40)
    with pytest.raises(NoRoomError, match="more than 250 bytes") as told:
        store.take("alice", THREE, 50, 100, b"c" * 50)
    assert "send_quota" in told.value.hint
    put(store, b"a" * 100, "bob")


def test_too_many_files(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_FILES", 2)
    put(store, b"a")
    put(store, b"b")
    with pytest.raises(NoRoomError):
        put(store, b"c")
    store.make_room("alice", 1, [], time.time() + 7200)
    put(store, b"c")


def test_room_is_made_by_what_is_old_and_not_needed(store: Store, tmp_path: Path) -> None:
    needed, old, older = (put(store, letter * 80) for letter in (b"a", b"b", b"c"))
    folder = tmp_path / "sent/alice"
    for name, seconds in ((needed, 9000), (old, 8000), (older, 8500)):
        age(folder / name, seconds)
    store.make_room("alice", 80, [needed], time.time())
    assert names(tmp_path) == sorted([needed, old])
    fresh = put(store, b"d" * 80)
    store.make_room("alice", 100, [needed], time.time())
    assert names(tmp_path) == sorted([needed, fresh])
    store.make_room("alice", 250, [needed], time.time())
    assert names(tmp_path) == sorted([needed, fresh]), "its job may be on its way"
    store.make_room("nobody", 1, [], NOW)


def test_found_is_fresh_again(store: Store, tmp_path: Path) -> None:
    one = put(store, b"a")
    age(tmp_path / "sent/alice" / one, 9e6)
    assert store.find("alice", "alice", one)
    assert (tmp_path / "sent/alice" / one).stat().st_mtime > time.time() - 3600
    assert not store.find("bob", "bob", one), "what others have is not told"
    assert store.find("bob", "alice", one), "what alice submits for bob is given to him"
    assert store.path("bob", one).read_bytes() == b"a"
    assert not store.find("carol", "bob", "0" * 64)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, QueueFullError), (errno.EIO, QueueError)]
)
def test_a_disk_that_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    one = put(store, b"a")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(kind, match="cannot keep a file"):
            store.take("alice", TWO, 0, 1, b"b")
    assert store.take("alice", TWO, 0, 1, b"b") == Taken(1)
    assert store.take("alice", TWO, 1, 1, b"") == Taken(1, digest_of(b"b")), "it goes on from there"
    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", fails)
        with pytest.raises(kind, match="cannot keep a file"):
            store.find("alice", "alice", one)


def test_sweeping(store: Store, tmp_path: Path) -> None:
    store.sweep(set(), NOW)
    needed, old, fresh = (put(store, letter) for letter in (b"a", b"b", b"c"))
    store.take("alice", TWO, 0, 9, b"x")
    store.take("alice", THREE, 0, 9, b"x")
    folder = tmp_path / "sent/alice"
    (folder / "stray").touch()
    for name in (needed, old, "stray"):
        age(folder / name, 8 * 86_400)
    age(folder / f"{TWO}.part", 2 * 86_400)
    store.sweep({("alice", needed)}, time.time())
    assert names(tmp_path) == sorted([needed, fresh, f"{THREE}.part", "stray"])
    with pytest.raises(FileNotFoundError):
        store.path("alice", old)


def test_a_file_that_goes_while_it_is_counted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, b"a")
    (tmp_path / "sent/alice" / ("0" * 64)).symlink_to("nowhere")
    put(store, b"b", upload=TWO)
