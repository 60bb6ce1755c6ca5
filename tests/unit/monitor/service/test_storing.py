from __future__ import annotations

import asyncio
import contextlib
import threading
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Health, Layout, Series, Tick
from clsh.monitor.service import storing
from clsh.monitor.service.storing import Storing
from clsh.monitor.store import StoreContext, StoreError
from clsh.monitor.stores.memory import MemoryStore
from tests.support.clocks import NOON, Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

A = Series("c", "n", "a")
LAYOUT = Layout((A,))


def tick(number: int) -> Tick:
    return Tick(NOON + 15 * number, LAYOUT, array("d", [number]))


class Slow(MemoryStore):
    """Waits for `go` at each tick, and fails as told."""

    def __init__(self) -> None:
        super().__init__(StoreContext(Path(), "", 1 << 30, 15, Running()))
        self.go = threading.Event()
        self.go.set()
        self.bug = False
        self.closed = 0
        self.threads: set[str] = set()

    def append(self, tick: Tick) -> None:
        self.threads.add(threading.current_thread().name)
        self.go.wait(10)
        if self.bug:
            raise ValueError("a bug")
        super().append(tick)

    def stored(self) -> list[float]:
        (line,) = self.range([A], NOON, NOON + 1500, 100)
        return [value for value in line.average if value == value]

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.closed += 1


class Case:
    """A store, and what is told of it."""

    def __init__(self) -> None:
        self.store = Slow()
        self.health: list[Health] = []
        self.storing = Storing(lambda: self.store, Running(), self.health.append, later_s=[0.01])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Storing]:
        task = asyncio.create_task(self._run())
        try:
            yield self.storing
        finally:
            task.cancel()
            await asyncio.wait({task})
            self.store.go.set()
            await self.storing.close()

    async def _run(self) -> None:
        await self.storing.open()
        await self.storing.run()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - a thread sets no event
                await asyncio.sleep(0.005)


@pytest.fixture
def case() -> Case:
    return Case()


async def test_ticks_are_stored_in_one_thread(case: Case) -> None:
    async with case.running() as running:
        for number in range(3):
            running.put(tick(number))
            await case.until(lambda size=4 * number + 4: running.size == size)  # type: ignore[misc]  # a default
    assert case.store.stored() == [0, 1, 2]
    assert case.store.threads == {"clsh-store"}
    assert case.store.closed == 1
    assert (case.storing.trouble(), case.storing.missed) == ("", 0)
    assert all(health.ok for health in case.health)


async def test_a_slow_store_loses_nothing_and_is_told(case: Case) -> None:
    case.store.go.clear()
    async with case.running() as running:
        for number in range(10):
            running.put(tick(number))
        await case.until(lambda: running.waiting == 10)
        assert running.trouble() == "10 ticks wait to be stored"
        case.store.go.set()
        await case.until(lambda: running.waiting == 0)
        assert running.trouble() == ""
    assert case.store.stored() == list(range(10))


async def test_ticks_that_wait_are_bounded_and_what_is_lost_is_counted(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_WAITING", 4)
    case.store.go.clear()
    async with case.running() as running:
        running.put(tick(0))
        await case.until(lambda: "clsh-store" in case.store.threads)
        for number in range(1, 7):
            running.put(tick(number))
        assert running.trouble() == "4 ticks wait to be stored; 3 ticks were not stored"
        case.store.go.set()
        await case.until(lambda: running.waiting == 0)
        assert (running.missed, running.trouble()) == (3, "3 ticks were not stored")
    assert case.store.stored() == [0, 4, 5, 6]


async def test_a_full_store_is_told_and_later_ticks_are_tried(case: Case) -> None:
    case.store.full = True
    async with case.running() as running:
        running.put(tick(0))
        await case.until(lambda: running.missed == 1)
        assert running.trouble() == "the store in memory is full; 1 ticks were not stored"
        assert not case.health[-1].ok
        case.store.full = False
        running.put(tick(1))
        await case.until(lambda: case.store.size() == 4)
    assert case.store.stored() == [1]


async def test_a_store_that_is_away_gets_its_ticks_later(case: Case) -> None:
    async with case.running() as running:
        await case.until(lambda: bool(case.health))
        case.store.away = True
        for number in range(3):
            running.put(tick(number))
        await case.until(lambda: "takes nothing" in running.trouble())
        with pytest.raises(StoreError, match="away"):
            await running.range([A], NOON, NOON + 60, 4)
        case.store.away = False
        await case.until(lambda: running.waiting == 0)
        (line,) = await running.range([A], NOON, NOON + 45, 3)
        assert list(line.average) == [0, 1, 2]
    assert case.storing.missed == 0


async def test_a_bug_with_one_tick_does_not_stop_the_others(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    case.store.bug = True
    async with case.running() as running:
        running.put(tick(0))
        await case.until(lambda: running.missed == 1)
        assert "ValueError: a bug" in running.trouble()
        case.store.bug = False
        running.put(tick(1))
        await case.until(lambda: case.store.size() == 4)
    assert "the store failed" in caplog.text


async def test_a_store_that_cannot_be_opened_is_tried_again(case: Case) -> None:
    tries: list[int] = []

    def open_store() -> Slow:
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("the disk is away", hint="plug it in")
        return case.store

    told: list[Health] = []
    case.storing = Storing(open_store, Running(), told.append, later_s=[0.01, 0.02])
    with pytest.raises(StoreError, match="not open"):
        await case.storing.range([A], 0, 1, 1)
    async with case.running() as running:
        running.put(tick(0))
        await case.until(lambda: case.store.size() == 4)
    assert told[0].reason == "the store cannot be opened: the disk is away (plug it in)"
    assert len(tries) == 3
    assert told[-1].ok


async def test_the_newest_tick_comes_back(case: Case) -> None:
    case.store.append(tick(3))
    newest = await case.storing.open()
    assert newest is not None
    assert newest.at == tick(3).at
    await case.storing.close()


async def test_a_store_whose_newest_tick_cannot_be_read_is_used_all_the_same(case: Case) -> None:
    case.store.away = True
    assert await case.storing.open() is None
    assert "newest tick cannot be read" in case.health[-1].reason
    case.store.away = False
    await case.storing.close()


async def test_a_close_stores_what_waits(case: Case) -> None:
    await case.storing.open()
    for number in range(3):
        case.storing.put(tick(number))
    await case.storing.close()
    assert case.store.stored() == [0, 1, 2]
    assert case.store.closed == 1


async def test_a_close_of_a_store_that_fails_closes_it(case: Case) -> None:
    await case.storing.open()
    case.storing.put(tick(0))
    case.store.away = True
    await case.storing.close()
    assert case.store.closed == 1


async def test_a_store_that_hangs_holds_up_no_end(
    case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storing, "_CLOSE_S", 0.05)
    await case.storing.open()
    case.storing.put(tick(0))
    case.store.go.clear()
    await case.storing.close()
    assert "did not close" in caplog.text
    case.store.go.set()


async def test_a_store_that_was_never_opened_is_not_closed(case: Case) -> None:
    await case.storing.close()
    assert case.store.closed == 0


async def test_readers_are_bounded_so_that_a_tick_gets_its_turn(case: Case) -> None:
    entered: list[int] = []
    go = threading.Event()

    class Read(Slow):
        def range(self, *_: object) -> list[object]:  # type: ignore[override]  # whatever is asked
            entered.append(1)
            go.wait(5)
            return []

    case.store = Read()
    async with case.running() as running:
        await case.until(lambda: bool(case.health))
        reads = [asyncio.create_task(running.range([A], 0, 1, 1)) for _ in range(20)]
        await case.until(lambda: bool(entered))
        running.put(tick(0))
        await asyncio.sleep(0.02)
        go.set()
        await case.until(lambda: case.store.size() == 4)
        await asyncio.gather(*reads)
    assert len(entered) == 20
