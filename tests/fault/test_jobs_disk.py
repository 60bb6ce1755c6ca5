"""A disk that is full, a file that is damaged: said in words, nothing lost, gone on with."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from clsh.jobs import scheduler, service
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.queue import Batch, JobRow, New, QueueError, QueueFullError
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.wish import Wish
from tests.support.jobs import ALICE, ROOT, ended, made, reached, run, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.jobs.service import Jobs

LONG = ("sleep", "1000")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_AGAIN_S", 0.05)
    monkeypatch.setattr(service, "_AGAIN_S", 0.05)


def limit(jobs: Jobs, more: int) -> None:
    """Let the file grow by some pages and no more, as on a disk that is full."""
    file = jobs._queue._file
    assert file is not None
    assert file._db is not None
    (pages,) = file._db.execute("PRAGMA page_count").fetchone()
    file._db.execute(f"PRAGMA max_page_count={pages + more}")


async def test_a_full_disk_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    engine = MemoryEngine()
    async with running(made(tmp_path, engine)) as jobs:
        (one,) = await jobs.submit(ALICE, [run(*LONG)])
        await reached(jobs, one, lambda job, _: "running" in job.counts)
        limit(jobs, 0)
        taken = [one]
        with pytest.raises(QueueFullError, match="no room for") as told:
            await submit_until_refused(jobs, taken)
        assert "free some space" in told.value.hint
        assert "no room for" in jobs.trouble()
        listing = await jobs.jobs(ROOT, Wish(limit=1000))
        assert sorted(job.id for job in listing.jobs) == taken
        # what ends meanwhile is stored as soon as there is room, and what waits then starts
        started = len(engine.started)
        for name in engine.running():
            engine.end(name, status=0)
        limit(jobs, 1000)
        await ended(jobs, one, "done")
        assert jobs.trouble() == ""
        await jobs.submit(ALICE, [run()])
        await until(lambda: len(engine.started) > started)
    assert set(engine.started.values()) == {1}


async def submit_until_refused(jobs: Jobs, taken: list[int]) -> None:
    for _ in range(1000):
        taken += await jobs.submit(ALICE, [run(*LONG, name="x" * 90)])


async def test_nothing_is_started_that_is_not_stored(tmp_path: Path) -> None:
    """The file fails when a placement is to be stored: the node hears nothing of it."""
    fails = False

    class Failing:
        def __init__(self, db: sqlite3.Connection) -> None:
            self._db = db

        def __getattr__(self, name: str) -> object:
            return getattr(self._db, name)

        def executemany(self, *words: object) -> object:
            if fails:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
            return self._db.executemany(*words)  # type: ignore[arg-type]  # whatever it is

    engine = MemoryEngine()
    jobs = made(tmp_path, engine, connect=Failing)  # type: ignore[arg-type]  # it is enough of one
    async with running(jobs):
        fails = True
        (one,) = await jobs.submit(ALICE, [run()])
        await until(lambda: "no room" in jobs.trouble())
        assert not engine.started
        with pytest.raises(QueueFullError):
            await jobs.cancel(ALICE, one)
        fails = False
        await ended(jobs, one, "cancelled")
    assert not engine.started


async def test_who_waits_when_the_manager_ends_is_told(tmp_path: Path) -> None:
    async with running(made(tmp_path, MemoryEngine())) as jobs:
        limit(jobs, 0)
        with pytest.raises(QueueFullError):
            await submit_until_refused(jobs, [])
        waiting = asyncio.create_task(jobs.submit(ALICE, [run()]))
        await until(lambda: bool(jobs._scheduler._promised))
    with pytest.raises(QueueError):
        await waiting


def break_pages(file: Path) -> None:
    """Spoil all but the first page."""
    size = file.stat().st_size
    with file.open("r+b") as there:
        there.seek(4096)
        there.write(os.urandom(size - 4096))


def filled(directory: Path, *, cut: bool = False) -> None:
    queue = QueueFile(directory)
    new = New("alice", '{"argv":["x"]}', "pending", "", "x", "", 1.0, False, 1)
    ids = [one.id for one in queue.write(Batch([new] * 100))]
    if cut:
        done = {n: JobRow(n, "done", 1.0, 9.0, False, 0, "pending", {}, "") for n in ids}
        queue.write(Batch(jobs=done))
    queue.back_up(1e9)
    assert queue._chores is not None
    queue._chores.wait()
    queue.close()
    if cut:  # nothing that is read at the start is missing
        os.truncate(queue.file, queue.file.stat().st_size - 4096)
    else:
        break_pages(queue.file)


async def test_a_damaged_file_is_told_with_what_restores_it(tmp_path: Path) -> None:
    await asyncio.to_thread(filled, tmp_path)
    before = await asyncio.to_thread((tmp_path / "jobs.db").read_bytes)
    engine = MemoryEngine()
    async with running(made(tmp_path, engine)) as jobs:
        assert "is damaged" in jobs.trouble()
        assert "no job is taken or started" in jobs.trouble()
        assert "jobs.db.bak-2001-09-09" in jobs.trouble()
        with pytest.raises(QueueError, match="is damaged"):
            await jobs.submit(ALICE, [run()])
        with pytest.raises(QueueError):
            await jobs.jobs(ROOT, Wish())
    assert await asyncio.to_thread((tmp_path / "jobs.db").read_bytes) == before
    await asyncio.to_thread(restore, tmp_path)
    async with running(made(tmp_path, engine)) as jobs:
        assert (await jobs.jobs(ROOT, Wish())).total == 100


async def test_what_is_left_of_a_file_is_shown_and_nothing_runs(tmp_path: Path) -> None:
    await asyncio.to_thread(filled, tmp_path, cut=True)
    engine = MemoryEngine()
    async with running(made(tmp_path, engine)) as jobs:
        assert "is damaged" in jobs.trouble()
        listing = await jobs.jobs(ROOT, Wish(order="id", limit=10))
        assert (len(listing.jobs), listing.total) == (10, 100)
        assert (await jobs.job(ROOT, 1))[0].state == "done"
        for asked in (jobs.submit(ALICE, [run()]), jobs.cancel(ROOT, 1)):
            with pytest.raises(QueueError, match="is damaged"):
                await asked
    assert not engine.started


def restore(directory: Path) -> None:
    (backup,) = directory.glob("jobs.db.bak-*")
    for name in ("jobs.db", "jobs.db-wal", "jobs.db-shm"):
        (directory / name).unlink(missing_ok=True)
    backup.rename(directory / "jobs.db")


@pytest.mark.parametrize("left", [b"", b"nonsense" * 1000])
async def test_a_file_that_is_none_is_never_taken_for_an_empty_queue(
    tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "jobs.db").write_bytes(left)
    async with running(made(tmp_path, MemoryEngine())) as jobs:
        assert "is damaged" in jobs.trouble()
        with pytest.raises(QueueError):
            await jobs.jobs(ROOT, Wish())
    assert (tmp_path / "jobs.db").read_bytes() == left


async def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    async with running(made(tmp_path, MemoryEngine())) as jobs:
        assert "cannot use" in jobs.trouble()
        (tmp_path / "jobs.db").rmdir()
        await until(lambda: jobs.trouble() == "" and bool(jobs._name))
        (one,) = await jobs.submit(ALICE, [run()])
        await ended(jobs, one, "done")
