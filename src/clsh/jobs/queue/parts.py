"""Tasks of jobs, a page at a time: those with rows, and those that are as their job says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from clsh.base import db as files
from clsh.jobs.model import Task, TaskState
from clsh.jobs.queue import rows
from clsh.jobs.queue.codec import array_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.jobs.queue.rows import Whole
    from clsh.jobs.wish import TaskWish

_STATES: tuple[TaskState, ...] = get_args(TaskState)


def wholes(db: sqlite3.Connection, numbers: Iterable[int]) -> list[Whole]:
    """Return those of these jobs that exist."""
    found = db.execute(
        f"SELECT {rows.JOB} FROM jobs WHERE id IN {rows.SOME}",  # noqa: S608 - names of our own
        (json.dumps(list(numbers)),),
    )
    return [rows.whole(row) for row in found]


def page(db: sqlite3.Connection, job: Whole, wish: TaskWish) -> list[Task]:
    """Return the page of a wish, in the order of the array."""
    if wish.index is not None:
        return _one(db, job, wish.index)
    if wish.limit <= 0:
        return []
    positions = _positions(db, job, wish)
    array = array_of(job.request) or (0,)
    return _at(db, job, [array[position] for position in positions])


def few(db: sqlite3.Connection, numbers: Sequence[int]) -> list[tuple[Whole, list[Task]]]:
    """Return jobs that have few tasks, each with all of them."""
    with files.reading(db):
        found = wholes(db, numbers)
        stored: dict[int, list[Task]] = {}
        for row in db.execute(
            f"SELECT {rows.TASK} FROM tasks WHERE job IN {rows.SOME}",  # noqa: S608 - names of our own
            (json.dumps(numbers),),
        ):
            stored.setdefault(row[0], []).append(rows.task(row))
    return [
        (one, _filled(one, array_of(one.request) or (0,), stored.get(one.row.id, ())))
        for one in found
    ]


def nodes(db: sqlite3.Connection, number: int, most: int) -> list[str]:
    """Return names of nodes on which a job ever had a place."""
    found = db.execute("SELECT node FROM job_nodes WHERE job=? LIMIT ?", (number, most))
    return [node for (node,) in found]


def _one(db: sqlite3.Connection, job: Whole, index: int) -> list[Task]:
    known = index in (array_of(job.request) or (0,))
    return _at(db, job, [index]) if known else []


def _at(db: sqlite3.Connection, job: Whole, indexes: Sequence[int]) -> list[Task]:
    found = db.execute(
        f"SELECT {rows.TASK} FROM tasks WHERE job=? AND idx IN {rows.SOME}",  # noqa: S608 - names of our own
        (job.row.id, json.dumps(indexes)),
    )
    return _filled(job, indexes, map(rows.task, found))


def _filled(job: Whole, indexes: Iterable[int], stored: Iterable[Task]) -> list[Task]:
    """Return a task for each index, from its row or as the job says."""
    row = job.row
    rest = Task(row.id, 0)
    if row.rest != "pending":
        rest = Task(row.id, 0, row.rest, ended=row.ended, reason=row.reason)
    found = {one.index: one for one in stored}
    return [found.get(index) or replace(rest, index=index) for index in indexes]


def _positions(db: sqlite3.Connection, job: Whole, wish: TaskWish) -> Sequence[int]:
    """Return the positions in the array that are on the page.

    Up to `next` each has a row. Beyond, those that have none are as `rest` says.
    """
    first, row = wish.offset, job.row
    if not wish.states:
        return range(first, min(first + wish.limit, job.size))
    states = json.dumps(sorted(wish.states))
    found = db.execute(
        f"SELECT position FROM tasks WHERE job=? AND state IN {rows.SOME} AND position<?"  # noqa: S608 - names of our own
        " ORDER BY position LIMIT ? OFFSET ?",
        (row.id, states, row.next, wish.limit, first),
    ).fetchall()
    positions = [position for (position,) in found]
    if len(positions) == wish.limit or row.next >= job.size:
        return positions
    (before,) = db.execute(
        f"SELECT count(*) FROM tasks WHERE job=? AND state IN {rows.SOME} AND position<?",  # noqa: S608 - names of our own
        (row.id, states, row.next),
    ).fetchone()
    apart = dict(
        db.execute(
            f"SELECT position, state FROM tasks WHERE job=? AND state IN {rows.SOME}"  # noqa: S608 - names of our own
            " AND position>=?",
            (row.id, json.dumps(_STATES), row.next),
        ).fetchall()
    )
    return [*positions, *_beyond(job, wish, apart, max(0, first - before), len(positions))]


def _beyond(
    job: Whole, wish: TaskWish, apart: Mapping[int, TaskState], skip: int, have: int
) -> Sequence[int]:
    """Return positions from `next` on, `apart` having rows, without the first `skip`."""
    row, most = job.row, wish.limit - have
    if not apart:
        every = range(row.next, job.size) if row.rest in wish.states else range(0)
        return every[skip : skip + most]
    chosen = [at for at in range(row.next, job.size) if apart.get(at, row.rest) in wish.states]
    return chosen[skip : skip + most]
