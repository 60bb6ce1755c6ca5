from __future__ import annotations

from pathlib import Path

import pytest

from clsh.monitor.store import StoreError, StoreFullError
from clsh.monitor.stores.memory import MemoryStore
from tests.support.stores import INTERVAL_S, context, layout, tick

START = 500_000 * 3600.0
SERIES = layout(10)  # 40 bytes a tick


def test_the_oldest_ticks_go_when_it_is_full() -> None:
    store = MemoryStore(context(Path(), limit=100))
    for number in range(5):
        store.append(tick(START + number * INTERVAL_S, SERIES, number))
    assert store.size() == 80
    (line,) = store.range(SERIES.series[:1], START, START + 75, 5)
    assert [value for value in line.average if value == value] == [3, 4]


def test_a_tick_that_is_larger_than_all_is_refused() -> None:
    store = MemoryStore(context(Path(), limit=30))
    with pytest.raises(StoreFullError):
        store.append(tick(START, SERIES, 1))
    assert store.latest() is None


def test_it_can_be_told_to_fail() -> None:
    store = MemoryStore(context(Path()))
    store.full = True
    with pytest.raises(StoreFullError):
        store.append(tick(START, SERIES, 1))
    store.full, store.away = False, True
    for ask in (store.latest, store.known, lambda: store.append(tick(START, SERIES, 1))):
        with pytest.raises(StoreError, match="is away"):
            ask()
    assert store.trouble() == "the store in memory is away"
    store.away = False
    assert (store.trouble(), store.size()) == ("", 0)
