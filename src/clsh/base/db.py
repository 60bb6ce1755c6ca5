"""SQLite files: opened in WAL mode, with numbered migrations, newer ones refused in words.

What was committed outlives the death of the process; the death of the machine may cost the
last moments (`synchronous=NORMAL`) or nothing (`FULL`), never the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

PAGE = 4096

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


class NewerFormatError(ClshError):
    """A file was written by a newer version."""


class DamagedError(sqlite3.DatabaseError):
    """What is in a file is not what we wrote."""


def open_file(
    file: Path, migrations: Sequence[str], *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
) -> sqlite3.Connection:
    """Open or make a database and bring it to the newest format, which is `len(migrations)`.

    Statements are transactions of their own unless `transaction` is used; any thread may use
    the connection, one at a time. Raises NewerFormatError, sqlite3.Error and OSError.
    """
    if not file.exists():
        _make(file, migrations)
    _refuse_empty(file)
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute("PRAGMA cache_size=-16000")
        db.execute("PRAGMA secure_delete=OFF")
        _migrate(db, file, migrations)
    except BaseException:
        db.close()
        raise
    return db


def open_damaged(file: Path) -> sqlite3.Connection:
    """Open a file for reading what can be read; a file that is cut off is opened too.

    Raises sqlite3.Error and OSError.
    """
    _refuse_empty(file)
    db = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    db.execute("PRAGMA writable_schema=ON")  # else the length alone is a reason to refuse
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """All that is done within is done, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite itself rolls back when the disk is full
            db.execute("ROLLBACK")
        raise


@contextmanager
def reading(db: sqlite3.Connection) -> Generator[None]:
    """All that is read within is as it was at one moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def is_damaged(error: BaseException) -> bool:
    """Tell whether an error says that the file is not what was written."""
    return isinstance(error, DamagedError) or _name(error) in _DAMAGED


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that there was no room."""
    return getattr(error, "sqlite_errorname", "") in _FULL


def _name(error: BaseException) -> str:
    """Return the primary name of an error: SQLITE_CORRUPT for SQLITE_CORRUPT_INDEX."""
    return "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])


def _make(file: Path, migrations: Sequence[str]) -> None:
    """Make a file, whole or not at all: so one that is empty was cut off."""
    new = file.with_name(f"{file.name}.new")
    # What belonged to a file that is gone would be taken for a part of the new one.
    for name in (new.name, f"{new.name}-journal", f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # both count only before the first table
        _migrate(db, file, migrations)
    new.replace(file)


def _refuse_empty(file: Path) -> None:
    """SQLite takes a file of no byte, or of one, for a new one, and deletes its WAL."""
    if file.stat().st_size <= 1:
        raise DamagedError("the file is empty")


def _migrate(db: sqlite3.Connection, file: Path, migrations: Sequence[str]) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise NewerFormatError(
            f"{file} has format {version}, written by a newer clsh; this one knows"
            f" {len(migrations)}",
            hint="use the newer clsh, or move the file away",
        )
    for number, script in enumerate(migrations[version:], version + 1):
        with transaction(db):
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")


def _statements(script: str) -> Generator[str]:
    """Yield the statements of a script, a trigger with those in it as one."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            if statement.strip() != ";":
                yield statement
            statement = ""
