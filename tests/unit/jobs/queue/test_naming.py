"""A file that is put back never gives a name of an attempt again that was given meanwhile."""

from __future__ import annotations

import asyncio
import errno
import shlex
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from clsh.base.chores import restore_command
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import Place, Task, attempt_id
from clsh.jobs.queue import Batch, JobRow, QueueError, naming
from clsh.jobs.queue.file import QueueFile
from tests.support.jobs import ALICE, ended, made, reached, run, running
from tests.unit.jobs.queue.test_file import new, put

if TYPE_CHECKING:
    from pathlib import Path


def opened(directory: Path) -> str:
    queue = QueueFile(directory)
    try:
        return queue.name()
    finally:
        queue.close()


def copied(directory: Path) -> Path:
    shutil.copy(directory / "jobs.db", directory / "copy")
    return directory / "copy"


def put_back(directory: Path) -> None:
    for end in ("-wal", "-shm"):
        (directory / f"jobs.db{end}").unlink(missing_ok=True)
    shutil.copy(directory / "copy", directory / "jobs.db")


def test_the_same_file_keeps_its_name(tmp_path: Path) -> None:
    assert len({opened(tmp_path) for _ in range(3)}) == 1


def test_a_file_that_was_put_back_gets_another_name(tmp_path: Path) -> None:
    first = opened(tmp_path)
    copied(tmp_path)
    assert opened(tmp_path) == first
    put_back(tmp_path)
    second = opened(tmp_path)
    assert second != first
    assert opened(tmp_path) == second
    put_back(tmp_path)
    assert opened(tmp_path) not in {first, second}


def test_what_lies_beside_it_is_missed(tmp_path: Path) -> None:
    first = opened(tmp_path)
    (tmp_path / "jobs.db.opened").unlink()
    assert opened(tmp_path) != first


def test_attempts_that_it_knows_keep_their_names(tmp_path: Path) -> None:
    queue = QueueFile(tmp_path)
    name = queue.name()
    one, two = put(queue, new(), new())
    task = Task(one, 0, "running", 1, (Place("n1"),))
    row = JobRow(one, "running", 1.0, 0.0, False, 1, "pending", {"running": 1}, "")
    queue.write(Batch([], {(one, 0): (task, 0), (two, 0): (Task(two, 0), 0)}, {one: row}))
    queue.close()
    copied(tmp_path)
    for _ in range(2):  # the second time it has two names to keep
        opened(tmp_path)
        put_back(tmp_path)
    queue = QueueFile(tmp_path)
    found, never = queue.job(one), queue.job(two)
    assert found is not None
    assert never is not None
    assert attempt_id(queue.name(), found[1][0]) == attempt_id(name, task)
    assert never[1][0].queue == ""
    queue.close()


@pytest.mark.parametrize("known", [True, False])
def test_a_full_disk_keeps_nobody_from_a_file_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    name = opened(tmp_path)
    copied(tmp_path)
    opened(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(naming, "_write", full)
    if known:
        assert opened(tmp_path) == name
        return
    put_back(tmp_path)
    with pytest.raises(QueueError, match="No space left"):
        QueueFile(tmp_path)
    monkeypatch.undo()
    assert opened(tmp_path) != name


async def test_after_a_restore_new_jobs_really_run(tmp_path: Path) -> None:
    """Backup, three jobs, the restore that the hint tells, three others on the same nodes."""
    engine = MemoryEngine()
    async with running(made(tmp_path, engine)) as jobs:
        (long,) = await jobs.submit(ALICE, [run("sleep", "1000")])
        await reached(jobs, long, lambda job, _: "running" in job.counts)
        await jobs._queue.back_up(jobs._clock.unix())
        file = jobs._queue._file
        assert file is not None
        assert file._chores is not None
        await asyncio.to_thread(file._chores.wait)
        before = await jobs.submit(ALICE, [run("exit", "3") for _ in range(3)])
        for number in before:
            await ended(jobs, number, "failed")
    await asyncio.to_thread(restore, tmp_path)
    async with running(made(tmp_path, engine)) as jobs:
        after = await jobs.submit(ALICE, [run() for _ in range(3)])
        assert after == before  # the numbers of jobs come again, the names of attempts do not
        for number in after:
            await ended(jobs, number, "done")
        engine.end(engine.running()[0], status=0)
        await ended(jobs, long, "done")
    assert len(engine.started) == 7
    assert set(engine.started.values()) == {1}


def restore(directory: Path) -> None:
    """Do what the hint tells, but for stopping and starting."""
    _, move, remove, copy, _ = restore_command(directory / "jobs.db").split(" && ")
    assert copy.startswith("cp ")
    for command in (move, remove, copy):
        subprocess.run(shlex.split(command), check=True)


def test_damage_beside_it_is_no_damage_of_the_file(tmp_path: Path) -> None:
    first = opened(tmp_path)
    (tmp_path / "jobs.db.opened").write_bytes(b"\xff\xfe\x00")
    assert opened(tmp_path) != first
    with sqlite3.connect(tmp_path / "jobs.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
