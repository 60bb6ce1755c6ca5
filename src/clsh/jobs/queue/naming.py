"""The name of a queue, which no queue that was restored from an older file keeps.

Attempts are known to nodes by this name. A file that is put back would give names once more
that were given after it was copied, and a node would tell of the attempts that had them. So
each time the file is opened a word is written to it and beside it, and another one to backups:
where they differ it is not the file that was used last.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from typing import TYPE_CHECKING

from clsh.base import db as files

if TYPE_CHECKING:
    from pathlib import Path

MARK = "INSERT OR REPLACE INTO facts VALUES ('opened', 'copied')"
"""What is written to a backup."""


def recognise(db: sqlite3.Connection, file: Path) -> None:
    """Give a file that was put back another name; the attempts that it knows keep theirs.

    Raises sqlite3.Error and OSError when that cannot be stored.
    """
    beside = file.with_name(f"{file.name}.opened")
    found = db.execute("SELECT value FROM facts WHERE name='opened'").fetchone()
    inside = str(found[0]) if found else ""
    is_known = inside == _read(beside)
    if not is_known:
        _rename(db)
    word = secrets.token_hex(8)
    try:
        # A death between the two costs a name and nothing else.
        _write(beside, word)
        db.execute("INSERT OR REPLACE INTO facts VALUES ('opened', ?)", (word,))
    except (OSError, sqlite3.Error):
        if not is_known:
            raise  # else it goes on as it was: a disk that is full keeps nobody from reading


def _rename(db: sqlite3.Connection) -> None:
    with files.transaction(db):
        db.execute(
            "UPDATE tasks SET queue=(SELECT value FROM facts WHERE name='name')"
            " WHERE queue='' AND attempt>0"
        )
        db.execute("UPDATE facts SET value=? WHERE name='name'", (f"q{secrets.token_hex(4)}",))


def _read(beside: Path) -> str:
    try:
        return beside.read_text("ascii", "replace")
    except FileNotFoundError:
        return ""


def _write(beside: Path, word: str) -> None:
    new = beside.with_name(f"{beside.name}.new")
    with new.open("w", encoding="ascii") as there:
        there.write(word)
        there.flush()
        os.fsync(there.fileno())
    new.replace(beside)
