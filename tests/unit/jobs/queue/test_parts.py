"""Pages of tasks: those that have rows and those that are as their job says, in order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest

from clsh.jobs.model import Place, Request, Task, TaskState
from clsh.jobs.queue import Batch, JobRow, New, parts
from clsh.jobs.queue.codec import array_of, encode
from clsh.jobs.queue.file import QueueFile
from clsh.jobs.wish import TaskWish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

STATES: tuple[TaskState, ...] = get_args(TaskState)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[QueueFile]:
    made = QueueFile(tmp_path)
    yield made
    made.close()


def put(
    queue: QueueFile, array: tuple[int, ...], rows: Mapping[int, TaskState], **more: object
) -> int:
    """Store a job whose tasks at these positions have rows, all up to `next` among them."""
    request = encode(Request(("x",), kind="batch", array=array))
    size = len(array) or 1
    (one,) = queue.write(Batch([New("alice", request, "pending", "", "", "", 1.0, False, size)]))
    tasks = {
        (one.id, array[at]): (Task(one.id, array[at], state, 1, (Place("n1"),)), at)
        for at, state in rows.items()
    }
    given: dict[str, object] = {
        "state": "running", "started": 1.0, "ended": 0.0, "held": False, "next": 0,
        "rest": "pending", "counts": {}, "reason": "", **more,
    }  # fmt: skip
    queue.write(Batch([], tasks, {one.id: JobRow(one.id, **given)}))  # type: ignore[arg-type]  # the fields are those of JobRow
    return one.id


def page(queue: QueueFile, job: int, wish: TaskWish) -> list[tuple[int, TaskState]]:
    found = queue.page(job, wish)
    assert found is not None
    return [(task.index, task.state) for task in found[1]]


def test_a_job_that_is_not_there(queue: QueueFile) -> None:
    assert queue.page(7, TaskWish()) is None


def test_in_the_order_of_the_array(queue: QueueFile) -> None:
    job = put(queue, (9, 3, 7, 5), {0: "done", 1: "running"}, next=2)
    want: list[tuple[int, TaskState]] = [
        (9, "done"), (3, "running"), (7, "pending"), (5, "pending"),
    ]  # fmt: skip
    assert page(queue, job, TaskWish()) == want
    assert page(queue, job, TaskWish(offset=1, limit=2)) == want[1:3]
    assert page(queue, job, TaskWish(offset=9)) == []
    assert page(queue, job, TaskWish(limit=0)) == []
    assert page(queue, job, TaskWish(index=7)) == [(7, "pending")]
    assert page(queue, job, TaskWish(index=4)) == []


@pytest.mark.parametrize("seed", range(12))
def test_every_page_is_a_slice_of_all(queue: QueueFile, seed: int) -> None:
    """Against the plain way: all tasks in order, filtered, cut."""
    chance = random.Random(seed)
    array = tuple(chance.sample(range(100), 20))
    first = chance.randrange(21)
    after = [at for at in range(first, 20) if chance.random() < 0.3] if seed % 2 else []
    rows = {at: chance.choice(STATES) for at in [*range(first), *after]}
    rest: TaskState = chance.choice(("pending", "cancelled", "failed"))
    job = put(queue, array, rows, next=first, rest=rest)
    every = [(array[at], rows.get(at, rest)) for at in range(20)]
    for _ in range(40):
        states = frozenset(chance.sample(STATES, chance.randrange(4)))
        offset, limit = chance.randrange(22), chance.randrange(1, 22)
        chosen = [one for one in every if not states or one[1] in states]
        wish = TaskWish(states, offset=offset, limit=limit)
        assert page(queue, job, wish) == chosen[offset : offset + limit], (wish, rows, first, rest)


def test_few_tasks_of_several_jobs(queue: QueueFile) -> None:
    one = put(queue, (1, 2), {0: "done"}, next=1)
    two = put(queue, (), {}, rest="cancelled", ended=5.0, reason="by alice")
    found = queue.ask(lambda db: parts.few(db, [two, one, 99]))
    assert {job.row.id: [(task.index, task.state) for task in tasks] for job, tasks in found} == {
        one: [(1, "done"), (2, "pending")],
        two: [(0, "cancelled")],
    }
    assert [(t.ended, t.reason) for job, tasks in found if job.row.id == two for t in tasks] == [
        (5.0, "by alice")
    ]
    assert queue.ask(lambda db: parts.nodes(db, one, 5)) == ["n1"]


@pytest.mark.parametrize(
    ("array", "found"),
    [
        ((), ()),
        ((4,), (4,)),
        ((0, 1, 2, 3), range(4)),
        ((1, 4, 7), range(1, 8, 3)),
        ((1, 2, 3, 9), (1, 2, 3, 9)),
    ],
)
def test_arrays_of_one_span_are_ranges(array: tuple[int, ...], found: object) -> None:
    assert array_of(encode(Request(("x",), kind="batch", array=array))) == found
