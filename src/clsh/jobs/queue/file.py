"""The file of the queue: what is written is on the disk when a call returns. Blocking.

A damaged file is only read from then on, a newer one is not touched; nothing is repaired or
made anew unasked.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from clsh.base import db as files
from clsh.base.chores import Chores, restore_command
from clsh.base.messages import tr
from clsh.jobs.queue import gone as leftovers
from clsh.jobs.queue import naming, notices, opening, parts, rows
from clsh.jobs.queue.errors import QueueError, QueueFullError
from clsh.jobs.queue.format import FILE, MIGRATIONS
from clsh.jobs.queue.rows import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from clsh.jobs.model import JobState, Task
    from clsh.jobs.queue.rows import Batch, JobRow, Loaded, New, Sleeper, Whole
    from clsh.jobs.wish import TaskWish

T = TypeVar("T")

_WAL = 16 << 20
_SLICE = 5000  # tasks that are removed in one transaction

_UPSERT = (
    f"INSERT INTO tasks({rows.TASK}, position) VALUES ({','.join('?' * 15)})"  # noqa: S608 - names of our own
    " ON CONFLICT(job, idx) DO UPDATE SET state=excluded.state, attempt=excluded.attempt,"
    " places=excluded.places, why=excluded.why, started=excluded.started, ended=excluded.ended,"
    " status=excluded.status, signal=excluded.signal, reason=excluded.reason, rss=excluded.rss,"
    " cancelled=excluded.cancelled, queue=excluded.queue"
)
_UPDATE = "UPDATE jobs SET started=?, held=?, next=?, rest=?, counts=?, reason=? WHERE id=?"
# Apart: what stays the same in it would be written to each index all the same.
_TURN = "UPDATE jobs SET state=?1, ended=?2 WHERE id=?3 AND (state<>?1 OR ended<>?2)"
_INSERT = (
    "INSERT INTO jobs(owner, state, name, words, key, submitted, held, size, counts, request)"
    " VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_OF_JOBS = (("tasks", "job"), ("job_nodes", "job"), ("notices", "job"), ("jobs", "id"))


class QueueFile:
    """The file in a directory; raises QueueError when it cannot be opened at all."""

    def __init__(
        self,
        directory: Path,
        connect: Callable[[sqlite3.Connection], sqlite3.Connection] = lambda db: db,
    ) -> None:
        self.file = directory / FILE
        self.damage = ""
        self._connect = connect
        self._db: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._chores: Chores | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._chores = Chores(self.file, _WAL, naming.MARK)
            self._open()
        except sqlite3.Error as error:
            failed = self._failed(error)
            if not self.damage:
                raise failed from error
        except files.NewerFormatError as error:
            raise QueueError(str(error), hint=error.hint) from error
        except OSError as error:
            raise QueueError(
                tr("cannot use {file}: {reason}", file=self.file, reason=error.strerror or error),
                hint=tr("the manager needs a state directory that it may write"),
            ) from error

    def name(self) -> str:
        """Return the random name that this queue got when it was made."""
        with self._told() as db:
            (name,) = db.execute("SELECT value FROM facts WHERE name='name'").fetchone()
        return str(name)

    def write(self, batch: Batch) -> list[Stored]:
        """Store all of it or nothing; one Stored for each new job. Raises QueueError."""
        with self._told(writing=True) as db, files.transaction(db):
            stored = [_put(db, new) for new in batch.new]
            if batch.tasks:
                db.executemany(_UPSERT, [rows.task_values(*one) for one in batch.tasks.values()])
                placed = (task for task, _ in batch.tasks.values())
                nodes = {(task.job, place.node) for task in placed for place in task.places}
                db.executemany("INSERT OR IGNORE INTO job_nodes VALUES (?,?)", sorted(nodes))
            if batch.jobs:
                changed = batch.jobs.values()
                db.executemany(_UPDATE, [_changes(row) for row in changed])
                db.executemany(_TURN, [(row.state, row.ended, row.id) for row in changed])
            if batch.notices:
                notices.put(db, batch.notices)
        return stored

    def load(self) -> tuple[list[Loaded], list[Sleeper]]:
        """Return all jobs that have not ended; those of which nothing has begun sleep."""
        with self._told() as db:
            return opening.load(db)

    def wake(self, numbers: Sequence[int]) -> list[Loaded]:
        """Return jobs with their tasks that have not ended."""
        with self._told(reading=True) as db, files.reading(db):
            return opening.loaded(db, numbers)

    def job(self, number: int, index: int | None = None) -> tuple[Whole, list[Task]] | None:
        """Return a job with those of its tasks that have rows, or only the one with an index."""
        with self._told(reading=True) as db, files.reading(db):
            for whole in parts.wholes(db, [number]):
                one = "" if index is None else "AND idx=?"
                tasks = db.execute(
                    f"SELECT {rows.TASK} FROM tasks WHERE job=? {one}",  # noqa: S608 - names of our own
                    (number,) if index is None else (number, index),
                )
                return whole, [rows.task(row) for row in tasks]
        return None

    def page(self, number: int, wish: TaskWish) -> tuple[Whole, list[Task]] | None:
        """Return a job with a page of its tasks."""
        with self._told(reading=True) as db, files.reading(db):
            for whole in parts.wholes(db, [number]):
                return whole, parts.page(db, whole, wish)
        return None

    def apart(self, number: int) -> frozenset[int]:
        """Return the positions beyond `next` of tasks of a job that have a row."""
        with self._told(reading=True) as db:
            found = db.execute(
                "SELECT position FROM jobs JOIN tasks ON job=id WHERE id=? AND position>=next",
                (number,),
            ).fetchall()
        return frozenset(position for (position,) in found)

    def owners(self, numbers: Iterable[int]) -> dict[int, tuple[str, JobState]]:
        """Return owner and state of those of these jobs that exist."""
        with self._told(reading=True) as db:
            found = db.execute(
                f"SELECT id, owner, state FROM jobs WHERE id IN {rows.SOME}",  # noqa: S608 - names of our own
                (json.dumps(list(numbers)),),
            ).fetchall()
        return {number: (owner, state) for number, owner, state in found}

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `question` finds, on a connection that only reads."""
        with self._told(reading=True) as db:
            return question(db)

    def change(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Let `work` change something, all of it or nothing."""
        with self._told(writing=True) as db, files.transaction(db):
            work(db)

    def forget(self, before: float, keep: int) -> int:
        """Remove some of the jobs that ended before a moment, or beyond the `keep` newest.

        Returns how many were removed: 0 when none is left that should go. Their attempts are
        noted in the same transaction, see `gone`.
        """
        with self._told(writing=True) as db, files.transaction(db):
            (ended,) = db.execute("SELECT count(*) FROM jobs WHERE ended>0").fetchone()
            oldest = db.execute(
                "SELECT id, size, ended FROM jobs WHERE ended>0 ORDER BY ended, id LIMIT ?",
                (_SLICE,),
            ).fetchall()
            gone: list[int] = []
            tasks = 0
            for number, size, at in oldest:
                if (at >= before and ended - len(gone) <= keep) or tasks >= _SLICE:
                    break
                gone.append(number)
                tasks += size
            if gone:
                leftovers.note(db, gone)
                for table, column in _OF_JOBS:
                    db.execute(
                        f"DELETE FROM {table} WHERE {column} IN {rows.SOME}",  # noqa: S608 - names of our own
                        (json.dumps(gone),),
                    )
        return len(gone)

    def back_up(self, now: float) -> str:
        """Begin the backup of the day unless there is one; return why the last one failed."""
        if self._chores is None or self.damage:
            return ""
        self._chores.backup(now)
        self._chores.written(0)
        if self._chores.damage is not None:
            self._failed(self._chores.damage)
        return self._chores.trouble

    def end_reading(self) -> None:
        """Close the connection that only reads; for the thread that reads."""
        if self._reader is not None:
            with suppress(sqlite3.Error):
                self._reader.close()
        self._reader = None

    def close(self) -> None:
        """Close the file, when nobody reads any more; may be called twice."""
        if self._chores is not None:
            self._chores.close()
        self.end_reading()
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def _open(self) -> None:
        made = self._connect(files.open_file(self.file, MIGRATIONS, synchronous="FULL"))
        try:
            made.execute(f"PRAGMA journal_size_limit={_WAL}")
            naming.recognise(made, self.file)
        except BaseException:
            made.close()
            raise
        self._db = made
        self._reader = sqlite3.connect(
            f"{self.file.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        self._reader.execute("PRAGMA cache_size=-16000")
        self.name()

    @contextmanager
    def _told(
        self, *, writing: bool = False, reading: bool = False
    ) -> Generator[sqlite3.Connection]:
        """Hand out a connection, and turn SQLite's errors into ours."""
        if writing and self.damage:
            raise QueueError(self.damage)
        db = self._reader if reading else self._db
        if db is None:
            raise QueueError(self.damage or tr("the queue of jobs is closed"))
        try:
            yield db
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> QueueError:
        """Return the error to raise; from damage on, the file is only read."""
        if files.is_full(error):
            return QueueFullError(
                tr("no room for {file}: {reason}", file=self.file, reason=error),
                hint=tr("free some space on its disk"),
            )
        if not files.is_damaged(error):
            return QueueError(tr("cannot use {file}: {reason}", file=self.file, reason=error))
        self.damage = tr(
            "{file} is damaged ({reason}): no job is taken or started, what can be read is shown."
            " To restore: {command}",
            file=self.file,
            reason=error,
            command=restore_command(self.file),
        )
        # Not closed here: the other thread may use one, and closes it when it lets go of it.
        self._db = self._reader = None
        with suppress(sqlite3.Error, OSError):
            self._db = self._reader = files.open_damaged(self.file)
        return QueueError(self.damage)


def _put(db: sqlite3.Connection, new: New) -> Stored:
    if new.key:
        found = db.execute(
            "SELECT id FROM jobs WHERE owner=? AND key=?", (new.owner, new.key)
        ).fetchone()
        if found is not None:
            return Stored(found[0], is_new=False)
    counts = json.dumps({"pending": new.size})
    made = db.execute(
        _INSERT,
        (
            new.owner,
            new.state,
            new.name,
            new.words,
            new.key or None,
            new.submitted,
            new.held,
            new.size,
            counts,
            new.request,
        ),
    )
    return Stored(made.lastrowid or 0, is_new=True)


def _changes(row: JobRow) -> Sequence[object]:
    return (
        row.started,
        row.held,
        row.next,
        row.rest,
        json.dumps(row.counts, separators=(",", ":")),
        row.reason,
        row.id,
    )
