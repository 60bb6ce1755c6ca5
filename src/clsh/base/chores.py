"""What a database does in a thread of its own: checkpoints of the WAL, backups.

Both wait for the disk. Each has its own connection, so what is written meanwhile waits for
neither, unless the WAL has grown to its bound.
"""

from __future__ import annotations

import datetime
import shlex
import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base import db
from clsh.base.messages import tr

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 5.0


def backups(file: Path) -> list[Path]:
    """Return the backups of a database, the newest first."""
    found = file.parent.glob(f"{file.name}.bak-????-??-??")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def restore_command(file: Path) -> str:
    """Return what puts the newest backup, or else nothing, in the place of a damaged file."""
    words = [f"mv {shlex.quote(str(file))} {shlex.quote(str(file) + '.damaged')}"]
    words.append(f"rm -f {shlex.quote(str(file) + '-wal')} {shlex.quote(str(file) + '-shm')}")
    words += [f"cp {shlex.quote(str(path))} {shlex.quote(str(file))}" for path in backups(file)[:1]]
    return " && ".join(["cl down", *words, "cl up"])


class Chores:
    """At most one thread at a time; `trouble` says why the last backup failed.

    The WAL is brought into the file whenever `every` bytes were written. `mark` is a statement
    that makes a backup known as one.
    """

    def __init__(self, file: Path, every: int, mark: str = "") -> None:
        self._file = file
        self._every = every
        self._mark = mark
        self._written = 0
        self._wanted: Path | None = None
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._closing = False
        self.trouble = ""
        self.damage: sqlite3.Error | None = None
        for left in file.parent.glob(f"{file.name}.bak-*.part"):
            left.unlink(missing_ok=True)

    def written(self, count: int) -> None:
        """Count bytes, and bring the WAL into the file when there are enough."""
        self._written += count
        if self._wanted is not None and self._begin(partial(self._copy_to, self._wanted)):
            self._wanted = None
        if self._written >= self._every and self._begin(self._checkpoint):
            self._written = 0

    def backup(self, now: float) -> None:
        """Back up, as soon as nothing else is under way, unless that was done on this day."""
        day = datetime.datetime.fromtimestamp(now, datetime.UTC).date().isoformat()
        target = self._file.with_name(f"{self._file.name}.bak-{day}")
        if not target.exists():
            self._wanted = target

    def wait(self) -> None:
        """Wait until what was begun is done."""
        if self._thread is not None:
            self._thread.join()

    def bound(self, writer: sqlite3.Connection) -> None:
        """Bring the WAL into the file at once when it is three times as long as it should be.

        That waits for what is under way; a backup is given up when it lasts, for as long as it
        reads the WAL can only grow.
        """
        with suppress(FileNotFoundError):
            if self._file.with_name(f"{self._file.name}-wal").stat().st_size > 3 * self._every:
                if self._thread is not None:
                    self._thread.join(_PATIENCE_S)
                self._give_up()
                writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Give up a backup that is under way."""
        self._closing = True
        self._give_up()

    def _give_up(self) -> None:
        while self._thread is not None and self._thread.is_alive():
            if (connection := self._connection) is not None:
                with suppress(sqlite3.ProgrammingError):  # closed meanwhile
                    connection.interrupt()
            self._thread.join(0.05)

    def _begin(self, work: Callable[[], None]) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return False
        self._thread = threading.Thread(target=work, name="store", daemon=True)
        self._thread.start()
        return True

    def _checkpoint(self) -> None:
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _copy_to(self, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        try:
            self._copy(target, part)
            self.trouble = ""
        except (OSError, sqlite3.Error) as error:
            if db.is_damaged(error) and isinstance(error, sqlite3.Error):
                self.damage = error
            elif not self._closing:
                self.trouble = tr("no backup {file}: {reason}", file=target, reason=error)
        finally:
            part.unlink(missing_ok=True)

    def _copy(self, target: Path, part: Path) -> None:
        size = self._file.stat().st_size
        if shutil.disk_usage(target.parent).free < 2 * size:
            raise OSError(tr("there is less room than twice {size} bytes", size=size))
        with closing(self._connect()) as connection:
            self._connection = connection
            try:
                connection.execute("VACUUM INTO ?", (str(part),))
            finally:
                self._connection = None
        if self._mark:
            with closing(sqlite3.connect(part, isolation_level=None)) as copy:
                copy.execute(self._mark)
        older = backups(self._file)
        part.replace(target)
        for path in older:
            path.unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
