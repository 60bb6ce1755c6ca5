"""What the embedded store does beyond the contract: limits, backups, its own files."""

from __future__ import annotations

import math
import shutil
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clsh.base import chores
from clsh.monitor.model import Layout, Series
from clsh.monitor.store import StoreError, StoreFullError
from clsh.monitor.stores import _journal, sqlite
from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.clocks import Running, Stopped
from tests.support.stores import INTERVAL_S, context, layout, tick

if TYPE_CHECKING:
    from pathlib import Path

HOUR, DAY = 3600.0, 86_400.0
START = 20_000 * DAY
SERIES = layout(40)
Usage = namedtuple("Usage", "total used free")


def fill(store: SqliteStore, count: int, start: float = START, of: Layout = SERIES) -> None:
    for number in range(count):
        store.append(tick(start + number * INTERVAL_S, of, number))


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    SqliteStore(context(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / "metrics.db")) as db:
        db.execute("PRAGMA user_version=9")
    with pytest.raises(StoreError, match="has format 9, written by a newer clsh") as told:
        SqliteStore(context(tmp_path))
    assert told.value.hint == "use the newer clsh, or move the file away"


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot use .*file/store/metrics.db: Not a directory"):
        SqliteStore(context(tmp_path / "file" / "store"))


def test_a_file_that_cannot_be_opened_is_told_and_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "metrics.db").mkdir()
    with pytest.raises(StoreError, match="unable to open database file"):
        SqliteStore(context(tmp_path))
    (tmp_path / "metrics.db").rmdir()
    SqliteStore(context(tmp_path)).close()


def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.append(tick(START, SERIES, 1))
    with pytest.raises(StoreError, match="is closed"):
        store.known()


def test_an_error_that_is_no_damage_is_told_and_passes(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    fill(store, 2)
    with closing(sqlite3.connect(tmp_path / "metrics.db")) as other:
        other.execute("ALTER TABLE raw RENAME TO away")
        other.execute("ALTER TABLE journal RENAME TO gone")
        for ask in (
            store.latest,
            lambda: store.append(tick(START + 30, SERIES, 2)),
            lambda: store.range(SERIES.series, START, START + 60, 4),
        ):
            with pytest.raises(StoreError, match=r"cannot use .* no such table"):
                ask()
        assert store.trouble() == ""
        other.execute("ALTER TABLE gone RENAME TO journal")
        other.execute("ALTER TABLE away RENAME TO raw")
    store.append(tick(START + 30, SERIES, 2))
    (line,) = store.range(SERIES.series[:1], START, START + 45, 3)
    assert list(line.average) == [0, 1, 2]
    store.close()


def test_a_flush_that_fails_is_told_and_done_later(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    fill(store, 240)
    with closing(sqlite3.connect(tmp_path / "metrics.db")) as other:
        other.execute("ALTER TABLE tens RENAME TO away")
        fill(store, 2, START + HOUR)
        assert "no such table: tens" in store.trouble()
        other.execute("ALTER TABLE away RENAME TO tens")
    fill(store, 2, START + HOUR + 30)
    assert store.trouble() == ""
    (line,) = store.range(SERIES.series[39:], START, START + HOUR, 6)
    assert list(line.low) == [0, 40, 80, 120, 160, 200]
    assert store._journal.hours == {START // HOUR + 1}
    store.close()


def test_more_series_than_there_are_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_journal, "MOST", 40)
    store = SqliteStore(context(tmp_path))
    fill(store, 1)
    with pytest.raises(StoreFullError, match="there are more than 40 series"):
        store.append(tick(START + 15, layout(41), 1))
    store.append(tick(START + 30, SERIES, 1))
    (line,) = store.range(SERIES.series[:1], START, START + 45, 3)
    assert (line.average[0], line.average[2]) == (0, 1)
    assert math.isnan(line.average[1])
    store.close()


def test_values_beyond_float32_are_gaps_and_spoil_no_other(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    of = Layout((SERIES.series[1], SERIES.series[0]))
    store.append(tick(START, SERIES, 1))
    store.append(tick(START + 15, of, [1e300, 7]))
    one, other = store.range(of.series, START, START + 30, 2)
    assert math.isnan(one.average[1])
    assert other.average[1] == 7
    store.close()


def test_no_room_for_even_an_hour_keeps_the_newest(tmp_path: Path) -> None:
    """Less than an hour fits: the hours before go, and within one ticks are refused."""
    limit = 256 << 10
    of = layout(400)
    store = SqliteStore(context(tmp_path, limit=limit))
    stored: list[float] = []
    refused: list[StoreFullError] = []
    for number in range(1000):
        try:
            store.append(tick(START + number * INTERVAL_S, of, number))
        except StoreFullError as error:
            refused.append(error)
        else:
            stored.append(number)
        assert store.size() <= limit
    assert str(refused[0]) == f"{store.file} is at its store_limit of {limit} bytes"
    assert refused[0].hint == "raise store_limit in [monitor]"
    assert stored[-1] >= 720
    assert "the oldest detail is dropped" in store.trouble()
    newest = store.latest()
    assert newest is not None
    assert newest.at == START + stored[-1] * INTERVAL_S
    store.close()


def test_a_limit_that_was_lowered_cuts_the_file(tmp_path: Path) -> None:
    of = layout(320)
    store = SqliteStore(context(tmp_path, limit=1 << 30))
    for hour in range(30):
        fill(store, 4, START + hour * HOUR, of)
    store.close()
    before = store.file.stat().st_size
    limit = before // 2
    store = SqliteStore(context(tmp_path, limit=limit))
    for hour in range(30, 34):
        fill(store, 4, START + hour * HOUR, of)
    assert store.size() <= limit
    store.close()
    assert store.file.stat().st_size <= limit


def test_an_hour_that_is_fuller_than_those_before_is_no_dead_end(tmp_path: Path) -> None:
    """The file is at its limit, and the ticks of the hour need more room than those before."""
    of = layout(64)
    store = SqliteStore(context(tmp_path, limit=1 << 20))
    for hour in range(20):
        fill(store, 2, START + hour * HOUR, of)
    fill(store, 480, START + 20 * HOUR, of)
    assert store.size() <= 1 << 20
    (line,) = store.range(of.series[:1], START + 22 * HOUR - 60, START + 22 * HOUR, 1)
    assert line.high[0] == 479
    store.close()


def test_a_backup_each_day_of_which_one_is_kept(tmp_path: Path) -> None:
    clock = Stopped(START)
    store = SqliteStore(context(tmp_path, clock=clock))
    for day in range(3):
        for hour in range(3):
            fill(store, 2, clock.unix())
            store._chores.wait()
            clock.go(HOUR)
            assert len(chores.backups(store.file)) <= 1, hour
        clock.go(DAY - 3 * HOUR)
        (backup,) = chores.backups(store.file)
        assert backup.name == f"metrics.db.bak-2024-10-{4 + day:02}"
    store.close()
    shutil.copy(backup, tmp_path / "metrics.db")
    store = SqliteStore(context(tmp_path))
    assert set(store.known()) == set(SERIES.series)
    store.close()


def test_a_backup_that_has_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(context(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 1))
    for hour in range(3):
        fill(store, 2, START + hour * HOUR)
    store._chores.wait()
    assert "no backup " in store.trouble()
    assert "less room than twice" in store.trouble()
    monkeypatch.undo()
    for hour in range(3, 6):
        fill(store, 2, START + hour * HOUR)
        store._chores.wait()
    assert store.trouble() == ""
    store.close()


def test_what_an_interrupted_backup_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "metrics.db.bak-2024-10-04.part"
    left.write_bytes(b"half")
    SqliteStore(context(tmp_path)).close()
    assert not left.exists()


def test_a_close_waits_for_no_backup(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    fill(store, 2)
    with store._db as db:  # type: ignore[union-attr]  # it is open
        db.execute("CREATE TABLE big(data)")
        db.execute("INSERT INTO big SELECT zeroblob(200) FROM (WITH RECURSIVE n(i) AS (SELECT 1"
                   " UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT i FROM n)")  # fmt: skip
    store._chores.backup(START)
    store._chores.written(1)
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < 10
    assert not list(tmp_path.glob("*.part"))


def test_an_append_flushes_a_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUDGET_S", -1.0)  # no time at all: then only what must be
    store = SqliteStore(context(tmp_path, clock=Running()))
    fill(store, 10)
    fill(store, 10, START + HOUR)
    assert store._journal.hours == {START // HOUR, START // HOUR + 1}
    fill(store, 1, START + 2 * HOUR)
    assert len(store._journal.hours) <= 2
    for hour in range(2):
        (line,) = store.range(SERIES.series[:1], START + hour * HOUR, START + hour * HOUR + 150, 10)
        assert list(line.average) == list(range(10))
    store.close()


def test_a_series_that_is_gone_gives_its_number_to_another(tmp_path: Path) -> None:
    store = SqliteStore(context(tmp_path))
    old, new = Series("can", "old", "m"), Series("can", "new", "m")
    fill(store, 2, START, Layout((*SERIES.series, old)))
    for span in range(1, 80):  # each in a span of its own, so that the first ones go
        fill(store, 2, START + span * 5 * DAY)
    assert old not in store.known()
    last = START + 80 * 5 * DAY
    fill(store, 2, last, Layout((*SERIES.series, new)))
    assert store._names.numbers[new] == 40
    (line,) = store.range([new], last - 30 * DAY, last, 30)
    assert all(map(math.isnan, line.average))
    store.close()
