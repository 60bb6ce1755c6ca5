"""The outbox in the file of the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.notices.notice import Facts, Notice
from clsh.jobs.notices.outbox import Outbox
from clsh.jobs.queue import Batch, Queue, notices
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.queue.notices import Outcome
from tests.support.clocks import Stopped
from tests.support.letters import Letters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = 1000.0


def notice(number: int, who: str = "ops", at: float = NOW) -> Notice:
    facts = Facts("end", number, None, "x", "alice", "done", at, at)
    return Notice(f"{number}-end-1", who, facts)


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    made = Queue(lambda: QueueFile(tmp_path))
    await made.open()
    yield made
    await made.close()


async def test_the_same_notice_is_stored_once_and_stays_settled(queue: Queue) -> None:
    await queue.write(Batch(notices=[notice(1), notice(1), notice(1, "a@x.org")]))
    assert await queue.ask(notices.lanes) == [("@", NOW, 1), ("ops", NOW, 1)]
    told = [Outcome("1-end-1", "ops", 1, 0.0, NOW), Outcome("1-end-1", "a@x.org", 1, 0.0, NOW)]
    await queue.change(lambda db: notices.settle(db, told))
    await queue.write(Batch(notices=[notice(1)]))
    assert await queue.ask(notices.lanes) == []
    fates = await queue.ask(lambda db: notices.of_job(db, 1))
    assert {(fate.who, fate.state) for fate in fates} == {("ops", "told"), ("a@x.org", "told")}


async def test_what_is_due(queue: Queue) -> None:
    later = NOW + 60
    await queue.write(Batch(notices=[notice(2), notice(1, at=NOW - 5), notice(3, at=later)]))
    far = notice(4, at=NOW + 2 * notices.FAR_S)  # the clock was put back
    await queue.write(Batch(notices=[far, notice(5, "a@x.org")]))
    found = await queue.ask(lambda db: notices.due(db, "ops", NOW))
    assert [one.facts.job for one in found] == [1, 2, 4]


async def test_a_channel_that_fails_has_a_pause(queue: Queue) -> None:
    letters, clock = Letters(), Stopped(NOW)
    letters.fails["ops"] = "no route"
    await queue.write(Batch(notices=[notice(number) for number in range(20)]))
    box = Outbox(queue, letters, clock, 24, lambda: "q1")
    await box._serve("ops")
    assert letters.tries == 3
    assert await queue.ask(lambda db: notices.due(db, "ops", NOW)) == []
    clock.go(6)
    letters.fails.clear()
    await box._serve("ops")
    assert len(letters.told) == 20
