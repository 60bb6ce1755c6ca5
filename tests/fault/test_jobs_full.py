"""A disk that is really full: a small one of its own, and a file that may not grow."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from clsh.jobs import scheduler, service
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.queue import QueueError, QueueFullError
from clsh.jobs.service import Jobs
from clsh.jobs.wish import Wish
from tests.support.jobs import ALICE, ROOT, ended, made, reached, run, running, until

SMALL = 'mount -t tmpfs -o size=4m tmpfs "$3" && exec "$1" -m "$2" "$3"'
LONG = ("sleep", "1000")
TOGETHER = 20
_REFUSED = 5


def fill(file: Path) -> None:
    """Leave no byte on the disk."""
    with file.open("wb", buffering=0) as there:
        for size in (1 << 16, 1):
            try:
                while there.write(bytes(size)):
                    pass
            except OSError:
                continue


async def submit_until_refused(jobs: Jobs, taken: list[int], refused: int = _REFUSED) -> QueueError:
    """Note what is acknowledged; what was refused is not submitted again."""
    for _ in range(2000):
        try:
            taken += await jobs.submit(ALICE, [run(name="x" * 90)] * TOGETHER)
        except QueueError as error:
            refused -= 1
            if not refused:
                return error
    raise AssertionError("the disk is larger than that")


async def stored(jobs: Jobs) -> list[int]:
    found: list[int] = []
    while page := (await jobs.jobs(ROOT, Wish(order="id", offset=len(found), limit=1000))).jobs:
        found += [job.id for job in page]
    return found


async def full(disk: Path) -> None:
    engine = MemoryEngine()
    state = disk / "state"
    async with running(made(state, engine)) as jobs:
        (long,) = await jobs.submit(ALICE, [run(*LONG)])
        await reached(jobs, long, lambda job, _: "running" in job.counts)
        taken = [long]
        await asyncio.to_thread(fill, disk / "filler")
        error = await submit_until_refused(jobs, taken)
        assert isinstance(error, QueueFullError), error
        assert "no room for" in str(error)
        assert error.hint == "free some space on its disk"
        assert await stored(jobs) == taken
        engine.end(engine.running()[0], status=0)
        await until(lambda: "no room for" in jobs.trouble())
        await asyncio.to_thread((disk / "filler").unlink)
        for number in taken:
            await ended(jobs, number, "done")
        await ended(jobs, (await jobs.submit(ALICE, [run()]))[0], "done")
        assert jobs.trouble() == ""
        taken = await stored(jobs)
    assert len(engine.started) == len(taken)
    assert set(engine.started.values()) == {1}
    await full_at_the_start(disk, engine, taken)


async def full_at_the_start(disk: Path, engine: MemoryEngine, taken: list[int]) -> None:
    """What there is is shown as soon as it can be opened, and nothing is lost."""
    await asyncio.to_thread(fill, disk / "filler")
    async with running(made(disk / "state", engine)) as jobs:
        await asyncio.to_thread((disk / "filler").unlink)
        await until(lambda: not jobs.trouble())
        assert await stored(jobs) == taken
        await ended(jobs, (await jobs.submit(ALICE, [run()]))[0], "done")


def test_a_small_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a disk that is small needs root")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", SMALL, "sh", sys.executable, __name__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr


async def test_a_file_that_may_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a quota: SQLite says "disk I/O error" then, and nothing more exact."""
    monkeypatch.setattr(scheduler, "_AGAIN_S", 0.05)
    engine = MemoryEngine()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with running(made(tmp_path, engine)) as jobs:
        taken: list[int] = []
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, before[1]))
        try:
            error = await submit_until_refused(jobs, taken)
            assert "jobs.db" in str(error)
            assert await stored(jobs) == taken
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        for number in taken:
            await ended(jobs, number, "done")
        await ended(jobs, (await jobs.submit(ALICE, [run()]))[0], "done")
        assert jobs.trouble() == ""
        taken = await stored(jobs)
    assert len(engine.started) == len(taken)
    assert set(engine.started.values()) == {1}


if __name__ == "__main__":
    scheduler._AGAIN_S = service._AGAIN_S = 0.05
    asyncio.run(full(Path(sys.argv[1])))
