"""A disk that is full, and a file that may not grow: refused in words, and gone on with."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.store import StoreError, StoreFullError
from clsh.monitor.stores.sqlite import SqliteStore
from tests.support.clocks import Stopped
from tests.support.stores import INTERVAL_S, context, layout, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.monitor.model import Tick

START = 500_000 * 3600.0
SERIES = layout(640)
LIMIT = 64 << 20  # the WAL is brought into the file every 2 MB
SMALL = 'mount -t tmpfs -o size=12m tmpfs "$4" && exec "$1" -m "$2" "$3" "$4"'


class Ticks:
    """Ticks one after the other; those are counted that the store acknowledged."""

    def __init__(self) -> None:
        self.clock = Stopped(START)
        self.stored: list[int] = []
        self.refused: list[StoreError] = []
        self.number = 0

    def next(self) -> Tick:
        self.number += 1
        self.clock.go(INTERVAL_S)
        return tick(START + self.number * INTERVAL_S, SERIES, self.number)

    def put(self, store: SqliteStore) -> None:
        try:
            store.append(self.next())
        except StoreError as error:
            self.refused.append(error)
        else:
            self.stored.append(self.number)

    def until_refused(self, store: SqliteStore, times: int = 1, most: int = 2000) -> None:
        already = len(self.refused)
        for _ in range(most):
            self.put(store)
            if len(self.refused) == already + times:
                return
        raise AssertionError(f"never refused {times} times")

    def check(self, store: SqliteStore) -> None:
        """Exactly those are there that were acknowledged."""
        for series in (SERIES.series[0], SERIES.series[-1]):
            end = START + (self.number + 1) * INTERVAL_S
            (line,) = store.range([series], START, end, self.number + 1)
            assert line.step_s == INTERVAL_S
            numbers = range(len(line.average))
            # A step without a tick shows the one before it when that still holds.
            found = [int(line.average[n]) for n in numbers if line.average[n] == n]
            assert found == self.stored


def free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def full(disk: Path) -> None:
    """The disk fills up while ticks come, and again when the store is opened."""
    ticks = Ticks()
    store = SqliteStore(context(disk / "store", limit=LIMIT, clock=ticks.clock))
    for _ in range(300):  # into the second hour
        ticks.put(store)
    assert not ticks.refused
    fill(disk / "filler")
    ticks.until_refused(store, 20)
    for error in ticks.refused:
        assert isinstance(error, StoreFullError)
        assert "no room for" in str(error)
        assert "metrics.db" in str(error)
        assert error.hint == "free some space on its disk"
    ticks.check(store)
    (disk / "filler").unlink()
    for _ in range(300):  # an hour is flushed
        ticks.put(store)
    assert len(ticks.refused) == 20
    assert "no room for" not in store.trouble()  # that there is none for a backup may stand
    ticks.check(store)
    store.close()
    fill(disk / "filler")
    with pytest.raises(StoreFullError, match="no room for") as told:
        SqliteStore(context(disk / "store", limit=LIMIT, clock=ticks.clock))
    assert told.value.hint == "free some space on its disk"
    (disk / "filler").unlink()
    store = SqliteStore(context(disk / "store", limit=LIMIT, clock=ticks.clock))
    ticks.check(store)
    ticks.put(store)
    ticks.check(store)
    store.close()


def full_in_flush(disk: Path) -> None:
    """There is room for ticks, and not for the chunks of an hour."""
    ticks = Ticks()
    store = SqliteStore(context(disk / "store", limit=LIMIT, clock=ticks.clock))
    for _ in range(239):
        ticks.put(store)
    (disk / "filler").write_bytes(bytes(free(disk) - 300_000))
    for _ in range(3):
        ticks.put(store)
    assert "no room for" in store.trouble()
    ticks.check(store)
    (disk / "filler").unlink()
    refused = len(ticks.refused)
    for _ in range(10):
        ticks.put(store)
    assert "no room for" not in store.trouble()
    assert len(ticks.refused) == refused
    ticks.check(store)
    store.close()


@pytest.mark.parametrize("scenario", [full, full_in_flush])
def test_a_small_disk(scenario: Callable[[Path], None], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a disk that is small needs root")
    words = [sys.executable, __name__, scenario.__name__, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", SMALL, "sh", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """As with a quota: SQLite says "disk I/O error" then, and nothing more exact."""
    ticks = Ticks()
    store = SqliteStore(context(tmp_path, clock=ticks.clock))
    for _ in range(100):
        ticks.put(store)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
    try:
        ticks.until_refused(store, 5)
        ticks.check(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot use" in str(ticks.refused[0])
    for _ in range(300):
        ticks.put(store)
    assert len(ticks.refused) == 5
    ticks.check(store)
    store.close()
    store = SqliteStore(context(tmp_path, clock=ticks.clock))
    ticks.check(store)
    store.close()


if __name__ == "__main__":  # in a mount namespace, with a disk of its own
    {"full": full, "full_in_flush": full_in_flush}[sys.argv[1]](Path(sys.argv[2]))
