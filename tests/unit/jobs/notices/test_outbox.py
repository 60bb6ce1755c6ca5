"""The outbox: what is stored is told, at least once, and never in anybody's way."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.errors import NoJobError, RequestError
from clsh.jobs.model import Slots
from clsh.jobs.notices import outbox
from clsh.jobs.queue import QueueError, notices
from clsh.jobs.settings import Settings
from tests.support.clocks import Running
from tests.support.jobs import ALICE, BOB, ended, made, run, running, until
from tests.support.letters import Letters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clsh.jobs.queue.notices import Outcome


@pytest.fixture
def engine() -> MemoryEngine:
    found = MemoryEngine()
    found.nodes = {"n1": Slots("n1", 2, 8 << 30)}
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(outbox, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(outbox, "_AGAIN_S", 0.01)


async def test_who_wants_to_know_is_told_once(tmp_path: Path, engine: MemoryEngine) -> None:
    letters = Letters()
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        wanted = ("all:a@example.org", "fail:ops")
        one, two = await jobs.submit(
            ALICE, [run(notify=wanted), run("exit", "1", notify=("fail:ops",))]
        )
        await until(lambda: len(letters.told) == 3)
        await ended(jobs, one)
        await ended(jobs, two)
        await until(lambda: not jobs._outbox or not jobs._outbox.waiting)
        name = jobs._name
        fates = await jobs.told(ALICE, one)
        with pytest.raises(NoJobError):
            await jobs.told(BOB, one)
    assert sorted(letters.said()) == [
        ("a@example.org", "begin", None, "running"),
        ("a@example.org", "end", None, "done"),
        ("ops", "end", None, "failed"),
    ]
    ids = [message.id for _, message in letters.told]
    assert len(set(ids)) == 3
    assert all(one.startswith(f"{name}-") for one in ids)
    assert [(fate.who, fate.state, fate.tries) for fate in fates] == [
        ("a@example.org", "told", 1), ("a@example.org", "told", 1),
    ]  # fmt: skip
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        (three,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await ended(jobs, three)
        await until(lambda: len(letters.told) == 4)
    assert len(letters.told) == 4, "nothing is told again after a restart"


async def test_what_is_refused_says_why(tmp_path: Path, engine: MemoryEngine) -> None:
    letters = Letters()
    letters.refused["a@example.org"] = "this manager has no mail server"
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        with pytest.raises(RequestError, match="notify: this manager has no mail") as told:
            await jobs.submit(ALICE, [run(notify=("a@example.org",))])
        assert (told.value.field, told.value.hint) == ("notify", "name another")
        await jobs.submit(ALICE, [run(notify=("ops",))])


async def test_what_fails_is_tried_again(tmp_path: Path, engine: MemoryEngine) -> None:
    letters = Letters()
    letters.fails["ops"] = "no route"
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: letters.tries > 3)
        (fate,) = await jobs.told(ALICE, one)
        assert fate.state == "waiting"
        letters.fails.clear()
        await until(lambda: bool(letters.told))
        await until(lambda: not jobs._outbox or not jobs._outbox.waiting)
        (fate,) = await jobs.told(ALICE, one)
        assert (fate.state, fate.error) == ("told", "")


async def test_what_fails_for_too_long_is_given_up(tmp_path: Path, engine: MemoryEngine) -> None:
    letters, clock = Letters(), Running()
    letters.fails["ops"] = "no route"
    settings = Settings("memory", notify_hours=2)
    async with running(
        made(tmp_path, engine, teller=letters, clock=clock, settings=settings)
    ) as jobs:
        (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: letters.tries > outbox._LEAST_TRIES + 3)
        clock.offset = 2 * 3600 + 60
        async with asyncio.timeout(20):
            while (await jobs.told(ALICE, one))[0].state != "given up":  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
        (fate,) = await jobs.told(ALICE, one)
        assert fate.error == "OSError: no route"
        tries = letters.tries
        letters.fails.clear()
        (two,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: bool(letters.told))
        assert letters.tries == tries + 1
        assert letters.told[0][1].facts.job == two


async def test_a_clock_that_jumps_gives_nothing_up_at_once(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    letters, clock = Letters(), Running()
    letters.fails["ops"] = "no route"
    async with running(made(tmp_path, engine, teller=letters, clock=clock)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: letters.tries == 1)
        clock.offset = 86_400 * 2
        await until(lambda: letters.tries == 2)
        assert (await jobs.told(ALICE, one))[0].state == "waiting"
        clock.offset = -86_400 * 2
        letters.fails.clear()
        await until(lambda: bool(letters.told))


async def test_who_hangs_holds_up_nobody_else(tmp_path: Path, engine: MemoryEngine) -> None:
    letters = Letters()
    letters.hangs.add("slow")
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        await jobs.submit(ALICE, [run(notify=("slow", "ops", "a@x.org"))])
        await until(lambda: len(letters.told) == 2)
    assert {who for who, _ in letters.told} == {"ops", "a@x.org"}
    letters.hangs.clear()
    async with running(made(tmp_path, engine, teller=letters)):
        await until(lambda: "slow" in {who for who, _ in letters.told})


async def test_a_dead_channel_is_not_tried_for_each(tmp_path: Path, engine: MemoryEngine) -> None:
    letters = Letters()
    letters.fails["ops"] = "no route"
    engine.nodes = {"n1": Slots("n1", 64, 8 << 30)}
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        many = [run("sleep", "0.1", notify=("ops",)) for _ in range(20)]
        await until(lambda: bool(list(jobs._scheduler.book.rooms.seen())))
        numbers = await jobs.submit(ALICE, many)
        for number in numbers:
            await ended(jobs, number)
        letters.fails.clear()
        await until(lambda: len(letters.told) == 20)
    assert sorted(message.facts.job for _, message in letters.told) == numbers


async def test_killed_after_telling_it_is_told_again_by_the_same_id(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(db: sqlite3.Connection, outcomes: Sequence[Outcome]) -> None:
        raise sqlite3.OperationalError("killed here")

    letters = Letters()
    with monkeypatch.context() as patched:
        patched.setattr(notices, "settle", full)
        async with running(made(tmp_path, engine, teller=letters)) as jobs:
            (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
            await ended(jobs, one)
            await until(lambda: bool(letters.told))
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        async with asyncio.timeout(20):
            while (await jobs.told(ALICE, one))[0].state != "told":  # noqa: ASYNC110 - no event says so
                await asyncio.sleep(0.01)
    assert len(letters.told) >= 2
    assert len({message.id for _, message in letters.told}) == 1


async def test_what_was_stored_by_who_died_is_told_by_the_next(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    letters = Letters()
    letters.hangs.add("ops")  # it never comes to tell
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await ended(jobs, one)
    letters.hangs.clear()
    async with running(made(tmp_path, engine, teller=letters)):
        await until(lambda: bool(letters.told))
    assert letters.said() == [("ops", "end", None, "done")]


async def test_too_many_wait(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clsh.jobs import service

    monkeypatch.setattr(service, "MOST_WAITING", 0)
    letters = Letters()
    letters.hangs.add("ops")
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: bool(jobs._outbox and jobs._outbox.waiting))
        with pytest.raises(RequestError, match="more than 0 notices wait"):
            await jobs.submit(ALICE, [run(notify=("ops",))])
        await jobs.submit(ALICE, [run()])


async def test_an_outbox_that_cannot_be_read_is_tried_again(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 3

    def lanes(db: sqlite3.Connection) -> list[tuple[str, float, int]]:
        nonlocal failures
        failures -= 1
        if failures > 0:
            raise QueueError("not now")
        return real(db)

    real = notices.lanes
    monkeypatch.setattr(notices, "lanes", lanes)
    letters = Letters()
    async with running(made(tmp_path, engine, teller=letters)) as jobs:
        await jobs.submit(ALICE, [run(notify=("ops",))])
        await until(lambda: bool(letters.told))
    assert failures <= 0


async def test_they_go_with_their_job(tmp_path: Path, engine: MemoryEngine) -> None:
    letters, clock = Letters(), Running()
    async with running(made(tmp_path, engine, teller=letters, clock=clock)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(notify=("ops",))])
        await ended(jobs, one)
        await until(lambda: bool(letters.told))
        clock.offset = 365 * 86_400
        await jobs.forget()
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as db:
        assert db.execute("SELECT count(*) FROM notices").fetchone() == (0,)


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [outbox._pause_s(n) for n in (1, 2, 3, 9, 10, 5000)] == [5, 10, 20, 1280, 1800, 1800]
    assert notices.FAR_S > 2 * outbox._LONGEST_PAUSE_S
