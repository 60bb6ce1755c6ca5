from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clsh.base import db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ONE = "CREATE TABLE words (word TEXT NOT NULL); CREATE TABLE more (word TEXT)"
TWO = "ALTER TABLE words ADD COLUMN length INTEGER; UPDATE words SET length = length(word)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


def put(file: Path, migrations: Sequence[str], word: str) -> None:
    with closing(db.open_file(file, migrations)) as one, db.transaction(one):
        one.execute("INSERT INTO words(word) VALUES (?)", (word,))


def words(file: Path, migrations: Sequence[str]) -> list[tuple[object, ...]]:
    with closing(db.open_file(file, migrations)) as one:
        return one.execute("SELECT * FROM words").fetchall()


def version(file: Path) -> int:
    with closing(sqlite3.connect(file)) as one:
        return int(one.execute("PRAGMA user_version").fetchone()[0])


def test_a_file_is_made_and_opened_again(file: Path) -> None:
    put(file, [ONE], "one")
    put(file, [ONE], "two")
    assert words(file, [ONE]) == [("one",), ("two",)]
    assert [path.name for path in file.parent.glob("some.db*")] == ["some.db"]


def test_an_older_file_is_brought_to_the_newest_format(file: Path) -> None:
    put(file, [ONE], "three")
    assert version(file) == 1
    assert words(file, [ONE, TWO]) == [("three", 5)]
    assert version(file) == 2
    assert words(file, [ONE, TWO]) == [("three", 5)]


def test_a_file_of_a_newer_version_is_refused_and_left_as_it_is(file: Path) -> None:
    put(file, [ONE, TWO], "one")
    before = file.read_bytes()
    with pytest.raises(db.NewerFormatError, match="has format 2, written by a newer clsh") as told:
        db.open_file(file, [ONE])
    assert told.value.hint == "use the newer clsh, or move the file away"
    assert file.read_bytes() == before


def test_a_step_that_fails_leaves_the_file_as_it_was(file: Path) -> None:
    put(file, [ONE], "one")
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        db.open_file(file, [ONE, f"{TWO}; DROP TABLE nowhere"])
    assert version(file) == 1
    assert words(file, [ONE]) == [("one",)]


def test_a_file_that_could_not_be_made_is_not_there(file: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        db.open_file(file, [ONE, "DROP TABLE nowhere"])
    assert not file.exists()
    put(file, [ONE], "one")
    assert words(file, [ONE]) == [("one",)]
    assert [path.name for path in file.parent.glob("some.db*")] == ["some.db"]


def test_the_wal_of_a_file_that_is_gone_is_not_taken_for_its_own(file: Path) -> None:
    with closing(db.open_file(file, [ONE])) as one:
        one.execute("INSERT INTO words VALUES ('old')")
        wal = file.with_name("some.db-wal").read_bytes()
    assert wal
    file.unlink()
    file.with_name("some.db-wal").write_bytes(wal)
    assert words(file, [ONE]) == []


@pytest.mark.parametrize("left", [0, 1])
def test_an_empty_file_is_damaged_and_its_wal_stays(file: Path, left: int) -> None:
    file.write_bytes(b"S" * left)
    wal = file.with_name("some.db-wal")
    wal.write_bytes(b"what was written last")
    with pytest.raises(db.DamagedError) as told:
        db.open_file(file, [ONE])
    assert db.is_damaged(told.value)
    with pytest.raises(db.DamagedError):
        db.open_damaged(file)
    assert wal.read_bytes() == b"what was written last"


def test_a_transaction_is_all_or_nothing(file: Path) -> None:
    def half(one: sqlite3.Connection) -> None:
        with db.transaction(one):
            one.execute("INSERT INTO words VALUES ('one')")
            raise KeyboardInterrupt

    with closing(db.open_file(file, [ONE])) as one:
        with pytest.raises(KeyboardInterrupt):
            half(one)
        assert not one.in_transaction
    assert words(file, [ONE]) == []


def test_errors_that_sqlite_did_not_give_are_neither_full_nor_damaged(file: Path) -> None:
    one = db.open_file(file, [ONE])
    one.close()
    with pytest.raises(sqlite3.ProgrammingError) as told:
        one.execute("SELECT 1")
    assert not db.is_full(told.value)
    assert not db.is_damaged(told.value)
    assert not db.is_damaged(OSError())


def test_the_refined_name_of_an_error_counts_too(file: Path) -> None:
    with closing(db.open_file(file, [ONE])) as one:
        one.execute("PRAGMA max_page_count=1")
        with pytest.raises(sqlite3.OperationalError) as full:
            one.execute("INSERT INTO words VALUES (zeroblob(100000))")
    assert db.is_full(full.value)
    file.write_bytes(b"nonsense" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as told:
        db.open_file(file, [ONE])
    assert db.is_damaged(told.value)
