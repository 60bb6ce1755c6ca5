"""Jobs with files: handed in, checked at submission, kept as long as they are needed."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.errors import RequestError
from clsh.jobs.model import Slots
from clsh.jobs.queue import QueueError
from clsh.jobs.sent.service import Sent
from clsh.jobs.sent.store import Bounds, NoRoomError, Store
from tests.support.clocks import Running
from tests.support.jobs import ALICE, BOB, ROOT, ended, made, run, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clsh.base.users import User
    from clsh.jobs.service import Jobs

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[Jobs]:
    engine = MemoryEngine()
    engine.nodes = {"n1": Slots("n1", 2, 8 << 30)}
    sent = Sent(Store(tmp_path / "sent", Bounds(100, 250, 7)), Running())
    async with running(made(tmp_path / "state", engine, sent=sent)) as found:
        yield found


async def hand_in(jobs: Jobs, user: User, data: bytes, name: str = "x") -> str:
    taken = await jobs.take(user, TOKEN, 0, len(data), data)
    assert taken.digest == hashlib.sha256(data).hexdigest()
    return f"{taken.digest}:{name}"


def age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


async def test_what_was_handed_in_may_be_named(jobs: Jobs) -> None:
    one = await hand_in(jobs, ALICE, b"data")
    (number,) = await jobs.submit(ALICE, [run(send=(one,))])
    job, _ = await ended(jobs, number, "done")
    assert job.request.send == (one,)
    with pytest.raises(RequestError, match="send: x is not here, or no longer") as told:
        await jobs.submit(BOB, [run(send=(one,))])
    assert told.value.field == "send"
    with pytest.raises(RequestError, match="was not handed in") as told:
        await jobs.submit(ALICE, [run(send=("/etc/passwd",))])
    assert told.value.field == "send"


async def test_who_submits_for_another_gives_the_files(jobs: Jobs, tmp_path: Path) -> None:
    one = await hand_in(jobs, ROOT, b"data")
    (number,) = await jobs.submit(ROOT, [run(send=(one,))], owner="bob")
    await ended(jobs, number)
    assert (tmp_path / "sent/bob" / one[:64]).read_bytes() == b"data"
    await jobs.submit(BOB, [run(send=(one,))])


async def test_room_is_made_but_never_of_what_waits(jobs: Jobs, tmp_path: Path) -> None:
    folder = tmp_path / "sent/alice"
    one, two = await hand_in(jobs, ALICE, b"a" * 100), await hand_in(jobs, ALICE, b"b" * 100)
    (waiting,) = await jobs.submit(ALICE, [run(send=(one,), held=True)])
    for entry in (one, two):
        age(folder / entry[:64], 9000)
    three = await hand_in(jobs, ALICE, b"c" * 100)
    assert {path.name for path in folder.iterdir()} == {one[:64], three[:64]}
    age(folder / three[:64], 9000)
    await hand_in(jobs, ALICE, b"d" * 100)
    with pytest.raises(NoRoomError):
        await jobs.take(ALICE, TOKEN, 0, 90, b"e")
    assert (folder / one[:64]).exists()
    await jobs.cancel(ALICE, waiting)
    await jobs.take(ALICE, TOKEN, 0, 90, b"e")
    assert not (folder / one[:64]).exists()


async def test_sweeping_leaves_what_is_needed(jobs: Jobs, tmp_path: Path) -> None:
    assert jobs._sent is not None
    one, two = await hand_in(jobs, ALICE, b"a"), await hand_in(jobs, ALICE, b"b")
    await jobs.submit(ALICE, [run(send=(one,), held=True)])
    for entry in (one, two):
        age(tmp_path / "sent/alice" / entry[:64], 8 * 86_400)
    await jobs._sent.sweep(jobs._needed)
    assert [path.name for path in (tmp_path / "sent/alice").iterdir()] == [one[:64]]


async def test_files_are_swept_with_old_jobs(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clsh.jobs import service
    from tests.support.jobs import until

    monkeypatch.setattr(service, "_CHORES_S", 0.01)
    one = await hand_in(jobs, ALICE, b"a")
    path = tmp_path / "sent/alice" / one[:64]
    age(path, 8 * 86_400)
    engine = MemoryEngine()
    sent = Sent(Store(tmp_path / "sent", Bounds()), Running())
    async with running(made(tmp_path / "other", engine, sent=sent)):
        await until(lambda: not path.exists())


async def test_nothing_is_taken_before_it_is_known_what_is_needed(tmp_path: Path) -> None:
    sent = Sent(Store(tmp_path / "sent", Bounds()), Running())
    with pytest.raises(QueueError, match="not open yet"):
        await made(tmp_path, MemoryEngine(), sent=sent).take(ALICE, TOKEN, 0, 1, b"x")


async def test_where_no_files_are_taken(tmp_path: Path) -> None:
    async with running(made(tmp_path, MemoryEngine())) as jobs:
        with pytest.raises(RequestError, match="takes no files"):
            await jobs.take(ALICE, TOKEN, 0, 1, b"x")
