"""SQLite files: opened in WAL mode, with numbered migrations, newer ones refused in words.

What was committed outlives the death of the process (`synchronous=NORMAL`); the death of the
machine may cost the last moments, never the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_FULL = {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


class NewerFormatError(ClshError):
    """A file was written by a newer version."""


def open_file(
    file: Path, migrations: Sequence[str], *, page_size: int = 4096
) -> sqlite3.Connection:
    """Open or make a database and bring it to the newest format, which is `len(migrations)`.

    Statements are transactions of their own unless `transaction` is used; any thread may use
    the connection, one at a time. Raises NewerFormatError and sqlite3.Error.
    """
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA page_size={page_size}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # both count only before the first table
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA cache_size=-16000")
        db.execute("PRAGMA secure_delete=OFF")
        _migrate(db, file, migrations)
    except BaseException:
        db.close()
        raise
    return db


def open_damaged(file: Path) -> sqlite3.Connection:
    """Open a file for reading what can be read; a file that is cut off is opened too."""
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


def is_damaged(error: BaseException) -> bool:
    """Tell whether an error says that the file is not what SQLite wrote."""
    return _name(error) in _DAMAGED


def is_full(error: BaseException) -> bool:
    """Tell whether an error says that there was no room."""
    return isinstance(error, sqlite3.Error) and error.sqlite_errorname in _FULL


def _name(error: BaseException) -> str:
    """Return the primary name of an error: SQLITE_CORRUPT for SQLITE_CORRUPT_INDEX."""
    if not isinstance(error, sqlite3.Error):
        return ""
    return "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])


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
            for statement in filter(str.strip, script.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")
