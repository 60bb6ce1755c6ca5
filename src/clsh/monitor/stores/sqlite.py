"""The embedded store: one SQLite file with a journal of ticks, chunks and roll-ups.

docs/design/store.md is its format. Ticks are flushed into chunks a little at each `append`,
so that none takes long; what stands in the journal is read from there.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from clsh.base import db as files
from clsh.base.chores import Chores, restore_command
from clsh.base.messages import tr
from clsh.monitor.chunks.records import GROUP, HOURS, MINUTES, TENS
from clsh.monitor.model import no_line
from clsh.monitor.store import StoreError, StoreFullError
from clsh.monitor.stores._chunks import Chunks
from clsh.monitor.stores._format import FILE, MIGRATIONS
from clsh.monitor.stores._journal import Journal, Names, hour_of
from clsh.monitor.stores._reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsh.monitor.model import Line, Series, Tick
    from clsh.monitor.store import Store, StoreContext

_BUDGET_S = 0.0035  # of an append, for flushing
_AT_ONCE = 16  # pages cut off in one step
_STEP = 1 << 17  # bytes that a step of it writes at most


def build(context: StoreContext) -> Store:
    """Open the file in `context.directory`; raises StoreError."""
    return SqliteStore(context)


class SqliteStore:
    """See `clsh.monitor.store.Store`; when damaged, what can be read is read."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context
        self.file = context.directory / FILE
        self._wal = min(8 << 20, context.limit // 32)
        self._limit = context.limit - 8 * self._wal  # of the pages: the WAL has the rest
        self._damage = ""
        self._full = ""
        self._cut = ""
        self._work: Iterator[None] | None = None
        self._db: sqlite3.Connection | None = None
        try:
            context.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._chores = Chores(self.file, self._wal)
            self._open(files.open_file(self.file, MIGRATIONS))
            with files.transaction(self._use()):
                self._journal.clean()
        except sqlite3.Error as error:
            failed = self._failed(error)
            if not self._damage:
                self.close()
                raise failed from error
        except files.NewerFormatError as error:
            raise StoreError(str(error), hint=error.hint) from error
        except OSError as error:
            raise StoreError(f"cannot use {self.file}: {error.strerror or error}") from error

    def _open(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.execute(f"PRAGMA journal_size_limit={2 * self._wal}")
        db.execute(
            f"PRAGMA wal_autocheckpoint={2 * self._wal // files.PAGE}"
        )  # the chores are earlier
        self._names = Names(db)
        self._journal = Journal(db, self._names)
        self._chunks = Chunks(db)
        self._reader = Reader(self._chunks, self._journal, self._context.interval_s)

    def append(self, tick: Tick) -> None:
        """See Store.append."""
        db = self._writable()
        try:
            if self._is_crowded(db) and self._is_stuck(tick):
                raise StoreFullError(
                    f"{self.file} is at its store_limit of {self._context.limit} bytes",
                    hint="raise store_limit in [monitor]",
                )
            with files.transaction(db):
                written = self._journal.append(tick)
        except sqlite3.Error as error:
            self._reload()
            raise self._failed(error) from error
        self._full = ""
        self._chores.written(written)
        self._go_on(db)

    def range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        """See Store.range."""
        self._use()
        try:
            return self._range(series, start, end, points)
        except sqlite3.Error as error:
            failed = self._failed(error)
            if not self._damage:
                raise failed from error
        try:
            return self._range(series, start, end, points)
        except sqlite3.Error as error:
            raise StoreError(self._damage) from error

    def _range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        numbers = self._names.numbers
        known = sorted({name for name in series if name in numbers}, key=numbers.__getitem__)
        ids = [numbers[name] for name in known]
        # Without a number, too, the reader says which steps there are.
        lines = self._reader.lines(ids or [self._names.end], start, end, points)
        of_name = dict(zip(known, lines, strict=False))
        empty = no_line(lines[0].start, lines[0].step_s, len(lines[0].average))
        return [of_name.get(name, empty) for name in series]

    def latest(self) -> Tick | None:
        """See Store.latest: the tick that was stored last, whatever its time."""
        self._use()
        try:
            return self._journal.newest()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def known(self) -> list[Series]:
        """See Store.known."""
        self._use()
        return list(self._names.numbers)

    def trouble(self) -> str:
        """See Store.trouble."""
        if self._chores.damage is not None and not self._damage:
            self._failed(self._chores.damage)
        return self._damage or self._full or self._cut or self._chores.trouble

    def size(self) -> int:
        """See Store.size; backups are not counted."""
        sizes = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                sizes += self.file.with_name(self.file.name + suffix).stat().st_size
        return sizes

    def close(self) -> None:
        """See Store.close."""
        self._chores.close()
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _use(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(self._damage or f"{self.file} is closed")
        return self._db

    def _writable(self) -> sqlite3.Connection:
        if self.trouble() and self._damage:
            raise StoreError(self._damage)
        return self._use()

    def _go_on(self, db: sqlite3.Connection) -> None:
        """Do a little of the work that waits; all of it when it is urgent."""
        until = self._context.clock.steady() + _BUDGET_S
        try:
            while self._do_some(db, until):
                self._chores.bound(db)
            self._chores.bound(db)
        except sqlite3.Error as error:  # the tick is stored: this is told, not raised
            self._work = None
            self._reload()
            self._full = str(self._failed(error))

    def _do_some(self, db: sqlite3.Connection, until: float) -> bool:
        """Take as many steps as the WAL has room for; tell whether to go on at once."""
        clock = self._context.clock
        with files.transaction(db):
            for _ in range(max(1, self._wal // _STEP)):
                if clock.steady() > until and not self._is_urgent(db):
                    return False
                self._work = self._work or self._next_work(db)
                if self._work is None:
                    return False
                if next(self._work, self) is self:  # the end: it yields None
                    self._work = None
        return True

    def _is_urgent(self, db: sqlite3.Connection) -> bool:
        return len(self._journal.hours) > 2 or self._is_crowded(db)

    def _next_work(self, db: sqlite3.Connection) -> Iterator[None] | None:
        waiting = self._journal.hours - {self._journal.last_hour}
        if waiting:
            return self._flush(min(waiting))
        if self._is_crowded(db) and not self._chunks.is_empty():
            return self._make_room(self._limit // 64)
        return None

    def _is_crowded(self, db: sqlite3.Connection) -> bool:
        return self._used(db) > self._limit

    def _is_stuck(self, tick: Tick) -> bool:
        """Tell whether there is nothing to remove but the hour that a tick is of."""
        return self._chunks.is_empty() and self._journal.hours == {hour_of(tick)}

    def _flush(self, hour: int) -> Iterator[None]:
        """Flush an hour, with room made before and old detail removed afterwards."""
        groups = -(-self._names.end // GROUP)
        ticks = len(self._journal.ticks(hour))
        need = groups * (ticks * 4 * (GROUP + 1) + MINUTES.row_bytes)
        for tier in (TENS, HOURS):
            need += groups * tier.row_bytes if self._chunks.begins(tier, hour) else 0
        yield from self._make_room(need)
        if self._used(self._use()) + need > self._limit:  # nothing else is left to remove
            self._tell_cut()
            yield from self._journal.give_up(hour)
            return
        first = self._chunks.oldest(HOURS.table)
        for _ in self._chunks.flush(self._journal, hour, groups):
            self._chores.written(1 << 16)
            yield
        yield from self._chunks.age()
        if first != self._chunks.oldest(HOURS.table):
            yield from self._forget(groups)
        self._journal.clean()
        self._chores.backup(self._context.clock.unix())

    def _make_room(self, need: int) -> Iterator[None]:
        """Remove the oldest detail until `need` bytes more are within the limit."""
        db = self._use()
        while self._used(db) + need > self._limit and not self._chunks.is_empty():
            self._tell_cut()
            yield from self._chunks.remove_oldest()
        while self._bytes(db, "page_count") > self._limit and self._bytes(db, "freelist_count"):
            db.execute(f"PRAGMA incremental_vacuum({_AT_ONCE})").fetchall()
            yield

    def _tell_cut(self) -> None:
        self._cut = tr(
            "{file} is at its store_limit of {limit} bytes: the oldest detail is dropped",
            file=self.file,
            limit=self._context.limit,
        )

    def _forget(self, groups: int) -> Iterator[None]:
        """Free the numbers of series of which nothing is kept any more."""
        alive = self._journal.in_use()
        known = set(self._names.numbers.values())
        for group in range(groups):
            mine = set(range(group * GROUP, (group + 1) * GROUP)) & known
            if not mine <= alive:
                silent = {group * GROUP + lane for lane in self._chunks.silent_lanes(group)}
                self._names.forget((mine & silent) - alive)
                yield

    def _used(self, db: sqlite3.Connection) -> int:
        """Return the bytes of the pages in use."""
        return self._bytes(db, "page_count") - self._bytes(db, "freelist_count")

    def _bytes(self, db: sqlite3.Connection, counted: str) -> int:
        """Return the bytes of all pages (`page_count`) or of the free ones."""
        (pages,) = db.execute(f"PRAGMA {counted}").fetchone()
        return int(pages) * files.PAGE

    def _reload(self) -> None:
        """Forget what a transaction that was undone has changed in memory."""
        with suppress(sqlite3.Error):
            self._names.load()
            self._journal.load()

    def _failed(self, error: sqlite3.Error) -> StoreError:
        """Return the error to raise; from damage on, the file is only read."""
        if files.is_full(error):
            return StoreFullError(
                f"no room for {self.file}: {error}", hint="free some space on its disk"
            )
        if not files.is_damaged(error):
            return StoreError(f"cannot use {self.file}: {error}")
        self._damage = tr(
            "{file} is damaged ({reason}): nothing is stored, what can be read is shown."
            " To restore: {command}",
            file=self.file,
            reason=error,
            command=restore_command(self.file),
        )
        if self._db is not None:
            self._db.close()
            self._db = None
        try:
            self._open(files.open_damaged(self.file))
        except (sqlite3.Error, OSError):  # nothing at all can be read
            self._db = None
        return StoreError(self._damage)
