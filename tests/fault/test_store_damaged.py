"""A file that was cut off or overwritten: read-only, in words, never silently empty."""

from __future__ import annotations

import contextlib
import math
import random
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Line
from clsh.monitor.store import StoreError
from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.clocks import Stopped
from tests.support.stores import INTERVAL_S, context, layout, tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = 4096
HOUR = 3600.0
START = 500_000 * HOUR
TICKS = 800
END = START + TICKS * INTERVAL_S
SERIES = layout(90)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of three hours and a little, closed, with its backup of the first of them."""
    directory = tmp_path_factory.mktemp("whole")
    clock = Stopped(START)
    store = SqliteStore(context(directory, clock=clock))
    for number in range(TICKS):
        clock.go(INTERVAL_S)
        store.append(tick(START + number * INTERVAL_S, SERIES, number))
        if number == 300:
            store._chores.wait()
    store.close()
    assert list(directory.glob("*.bak-????-??-??"))
    return directory


@pytest.fixture
def directory(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "store", ignore=shutil.ignore_patterns("*-wal"))


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(context(directory, clock=Stopped(END)))
    try:
        yield store
    finally:
        store.close()


def read(store: SqliteStore, points: int = TICKS) -> list[Line]:
    return store.range(SERIES.series, START, END, points)


def is_told(store: SqliteStore) -> str:
    """Ticks are refused, and it is said why and what to do; return that."""
    with pytest.raises(StoreError) as refused:
        store.append(tick(END, SERIES, 1))
    told = store.trouble()
    assert str(refused.value) == told
    assert "metrics.db is damaged (" in told
    assert "nothing is stored, what can be read is shown. To restore: cl down && mv " in told
    return told


def restore(told: str) -> None:
    """Do as told; there is no manager here to be ended and begun."""
    command = told.partition("To restore: cl down && ")[2].removesuffix(" && cl up")
    subprocess.run(["sh", "-ec", command], check=True, timeout=30)


@pytest.mark.parametrize("left", [0, 1, 99, 100, PAGE - 1, PAGE, 3 * PAGE, 0.5, 0.99])
def test_a_file_that_was_cut_off(directory: Path, left: float) -> None:
    file = directory / "metrics.db"
    size = file.stat().st_size
    with file.open("r+b") as cut:
        cut.truncate(int(left if left >= 1 else size * left))
    before = file.read_bytes()
    with opened(directory) as store:
        told = is_told(store)
        for ask in (store.latest, store.known, lambda: read(store)):
            with contextlib.suppress(StoreError):
                ask()
    assert file.read_bytes() == before
    restore(told)
    assert (directory / "metrics.db.damaged").read_bytes() == before
    with opened(directory) as store:
        assert store.trouble() == ""
        (line,) = store.range([SERIES.series[70]], START, START + HOUR, 60)
        assert list(line.low) == list(range(0, 240, 4))
        store.append(tick(END, SERIES, 1))


def test_a_file_that_was_cut_off_shows_what_is_left(directory: Path) -> None:
    file = directory / "metrics.db"
    with file.open("r+b") as cut:
        cut.truncate(file.stat().st_size - PAGE)
    with opened(directory) as store:
        is_told(store)
        (line,) = store.range([SERIES.series[0]], START, START + HOUR, 60)
        assert list(line.low) == list(range(0, 240, 4))
        assert set(store.known()) == set(SERIES.series)


@pytest.mark.parametrize("what", [b"nonsense" * 4096, bytes(1 << 16), b"SQLite format 3\0"])
def test_a_file_that_is_something_else(directory: Path, what: bytes) -> None:
    (directory / "metrics.db").write_bytes(what)
    with opened(directory) as store:
        restore(is_told(store))
    with opened(directory) as store:
        assert store.trouble() == ""
        assert set(store.known()) == set(SERIES.series)


def test_without_a_backup_the_hint_begins_anew(directory: Path) -> None:
    for backup in directory.glob("*.bak-*"):
        backup.unlink()
    (directory / "metrics.db").write_bytes(b"")
    with opened(directory) as store:
        told = is_told(store)
    assert " && cp " not in told
    restore(told)
    with opened(directory) as store:
        assert (store.trouble(), store.known()) == ("", [])
        store.append(tick(END, SERIES, 1))


def test_a_backup_that_finds_damage_tells_it(directory: Path) -> None:
    with opened(directory) as store:
        damage(directory, "hours")
        for backup in directory.glob("*.bak-*"):
            backup.unlink()
        for number in range(TICKS, TICKS + 300):
            with contextlib.suppress(StoreError):
                store.append(tick(START + number * INTERVAL_S, SERIES, number))
        store._chores.wait()
        is_told(store)
    assert not list(directory.glob("*.bak-*"))


def damage(directory: Path, table: str) -> None:
    """Overwrite the root page of a table."""
    with contextlib.closing(sqlite3.connect(directory / "metrics.db")) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = db.execute(query, (table,)).fetchone()
    with (directory / "metrics.db").open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


@pytest.mark.parametrize(
    ("table", "fails"),
    [
        ("series", lambda store: store.known()),
        ("journal", lambda store: store.latest()),
        ("ticks", lambda store: store.latest()),
        ("raw", lambda store: read(store)),
        ("minutes", lambda store: read(store, TICKS // 4)),
        ("flushed", lambda store: read(store)),
    ],
)
def test_a_table_that_was_overwritten(
    directory: Path, table: str, fails: Callable[[SqliteStore], object]
) -> None:
    damage(directory, table)
    with opened(directory) as store:
        with pytest.raises(StoreError, match="is damaged"):
            fails(store)
        is_told(store)
        if table == "raw":
            assert [line.low[0] for line in read(store, TICKS // 4)] == [0] * len(SERIES.series)


@pytest.mark.parametrize(
    ("statement", "points", "reason"),
    [
        ("UPDATE raw SET data = x'ffff'", TICKS, "not whole"),
        ("UPDATE raw SET data = x''", TICKS, "not whole"),
        ("UPDATE minutes SET data = zeroblob(9)", TICKS // 4, "a row of minutes has not its size"),
    ],
)
def test_rows_that_are_not_ours(directory: Path, statement: str, points: int, reason: str) -> None:
    with contextlib.closing(sqlite3.connect(directory / "metrics.db")) as db, db:
        db.execute(statement)
    with opened(directory) as store:
        with pytest.raises(StoreError, match=reason):
            read(store, points)
        is_told(store)


def test_a_tick_without_all_of_its_values(directory: Path) -> None:
    with contextlib.closing(sqlite3.connect(directory / "metrics.db")) as db, db:
        db.execute("UPDATE journal SET data = zeroblob(8)")
    with opened(directory) as store:
        with pytest.raises(StoreError, match="not all of its values"):
            store.latest()
        is_told(store)


@pytest.mark.parametrize("seed", range(12))
def test_random_damage_is_never_silently_empty(directory: Path, seed: int) -> None:
    chance = random.Random(seed)
    file = directory / "metrics.db"
    data = bytearray(file.read_bytes())
    for _ in range(3):
        page = chance.randrange(len(data) // PAGE)
        data[page * PAGE : (page + 1) * PAGE] = chance.randbytes(PAGE)
    file.write_bytes(data)
    with opened(directory) as store:
        for points in (TICKS, TICKS // 4, 3):
            try:
                lines = read(store, points)
            except StoreError:
                continue
            if not store.trouble():
                assert not all(math.isnan(value) for line in lines for value in line.average)
        try:
            for number in range(TICKS, TICKS + 300):
                store.append(tick(START + number * INTERVAL_S, SERIES, number))
        except StoreError:
            is_told(store)
