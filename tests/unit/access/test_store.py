"""The file of users: what is written is there again, for its owner alone; damage is told."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from clsh.access.model import Account, Link, Session, Token
from clsh.access.store import FILE_NAME, Store, StoreError
from clsh.base import db

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.access.store import Record

ALICE = Account("alice", "$argon2id$x", True, 1.0)
SESSION = Session(b"s", "id1", "alice", "10.0.0.1", "a browser", 1.0, 2.0)
TOKEN = Token(b"t", "id2", "alice", "ci", "read", 1.0, 2.0, 3.0)
LINK = Link(b"l", "alice", 9.0)
ALL: list[Record] = [ALICE, SESSION, TOKEN, LINK]


async def test_all_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert await store.open() == ([], {})
    await store.swap([], ALL)
    await store.say("welcomed", "yes")
    await store.close()
    again = Store(tmp_path)
    assert await again.open() == (ALL, {"welcomed": "yes"})
    await again.swap([SESSION, LINK], [Account("alice", "", False, 1.0)])
    await again.close()
    last = Store(tmp_path)
    assert await last.open() == ([Account("alice", "", False, 1.0), TOKEN], {"welcomed": "yes"})
    await last.close()


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.glob("access*")}


async def test_the_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    await store.swap([], ALL)
    assert modes(tmp_path) == dict.fromkeys(
        (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"), "0o600"
    )
    await store.close()


async def test_all_is_done_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    bad = Account("bob", None, False, 1.0)  # type: ignore[arg-type]  # what SQLite refuses
    with pytest.raises(StoreError):
        await store.swap([], [ALICE, bad])
    await store.close()
    again = Store(tmp_path)
    assert await again.open() == ([], {})
    await again.close()


async def test_a_file_that_is_damaged_is_told_and_never_taken_for_an_empty_one(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="is damaged") as told:
        await store.open()
    assert "backup" in told.value.hint
    with pytest.raises(StoreError, match="could not be opened"):
        await store.swap([], [ALICE])
    await store.close()
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"no database")


@pytest.mark.parametrize(
    ("name", "words"), [("SQLITE_FULL", "the disk is full"), ("SQLITE_IOERR", "cannot be used")]
)
async def test_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    store = Store(tmp_path)
    await store.open()

    def fail(_: object) -> None:
        error = sqlite3.OperationalError("failed")
        error.sqlite_errorname = name
        raise error

    monkeypatch.setattr(db, "transaction", fail)
    with pytest.raises(StoreError, match=words) as told:
        await store.swap([], [ALICE])
    assert "df -h" in told.value.hint
    await store.close()
