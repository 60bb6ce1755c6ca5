"""The file `access.sqlite`: accounts, sessions, tokens and links, for its owner alone.

All of it is read once, when it is opened; then it is only written. What was revoked stays
revoked when the machine dies in the next moment (`synchronous=FULL`).
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any, TypeVar

from clsh.access.model import Account, Link, Session, Token
from clsh.base import db
from clsh.base.errors import ClshError
from clsh.base.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FILE_NAME = "access.sqlite"
Record = Account | Session | Token | Link
T = TypeVar("T")

MIGRATIONS = (
    """
    CREATE TABLE accounts (
        name TEXT PRIMARY KEY, password TEXT NOT NULL, is_admin INTEGER NOT NULL,
        added REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,
        agent TEXT NOT NULL, made REAL NOT NULL, used REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE tokens (
        digest BLOB PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL,
        scope TEXT NOT NULL, made REAL NOT NULL, expires REAL NOT NULL, used REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE links (
        digest BLOB PRIMARY KEY, name TEXT NOT NULL, expires REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
)

_TABLES: dict[type[Record], tuple[str, str]] = {
    Account: ("accounts", "name"),
    Session: ("sessions", "digest"),
    Token: ("tokens", "digest"),
    Link: ("links", "digest"),
}


class StoreError(ClshError):
    """The file of users cannot be used."""


class Store:
    """One file, in a thread of its own."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE_NAME
        self._lane = Lane("access")
        self._db: sqlite3.Connection | None = None

    async def open(self) -> tuple[list[Record], dict[str, str]]:
        """Return all records and what else is known; raises StoreError."""
        return await self._do(self._open)

    async def swap(self, gone: Sequence[Record], new: Sequence[Record]) -> None:
        """Delete records and write others, over those with the same key; raises StoreError.

        All of it is done, or nothing.
        """
        await self._do(lambda: self._write([*map(_dropping, gone), *map(_putting, new)]))

    async def say(self, key: str, value: str) -> None:
        """Keep a fact about the file; raises StoreError."""
        await self._do(
            lambda: self._write([("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))])
        )

    async def close(self) -> None:
        """Close the file when all is written."""

        def close() -> None:
            if self._db is not None:
                self._db.close()

        await self._lane.call(close)
        self._lane.end()

    def _open(self) -> tuple[list[Record], dict[str, str]]:
        self._db = db.open_file(self._file, MIGRATIONS)
        for suffix in ("", "-wal", "-shm"):  # SQLite makes the others as the first is then
            self._file.with_name(self._file.name + suffix).chmod(0o600)
        self._db.execute("PRAGMA synchronous=FULL")
        found: list[Record] = []
        for kind, (table, _) in _TABLES.items():
            names = ", ".join(one.name for one in fields(kind))
            rows = self._db.execute(f"SELECT {names} FROM {table}")  # noqa: S608 - our own names
            found.extend(_record(kind, row) for row in rows)
        return found, dict(self._db.execute("SELECT key, value FROM about"))

    def _write(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        if self._db is None:
            raise StoreError(f"{self._file} could not be opened", hint="its log says why")
        with db.transaction(self._db):
            for statement, values in statements:
                self._db.execute(statement, values)

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await self._lane.call(work)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(_words(self._file, error), hint=_hint(self._file, error)) from error


def _record(kind: type[Record], row: tuple[Any, ...]) -> Record:
    values = dict(zip((one.name for one in fields(kind)), row, strict=True))
    if "is_admin" in values:
        values["is_admin"] = bool(values["is_admin"])
    return kind(**values)


def _putting(record: Record) -> tuple[str, tuple[object, ...]]:
    table, _ = _TABLES[type(record)]
    values = astuple(record)
    places = ", ".join("?" * len(values))
    return f"INSERT OR REPLACE INTO {table} VALUES ({places})", values  # noqa: S608 - ours


def _dropping(record: Record) -> tuple[str, tuple[object, ...]]:
    table, key = _TABLES[type(record)]
    return f"DELETE FROM {table} WHERE {key} = ?", (getattr(record, key),)  # noqa: S608 - ours


def _words(file: Path, error: Exception) -> str:
    if db.is_damaged(error):
        return f"the users in {file} cannot be read: the file is damaged"
    if db.is_full(error):
        return f"{file} cannot be written: the disk is full"
    return f"{file} cannot be used: {error}"


def _hint(file: Path, error: Exception) -> str:
    if db.is_damaged(error):
        return "restore it from a backup, or move it away and start anew with `cl user link`"
    return f"df -h {file.parent}; ls -l {file}"
