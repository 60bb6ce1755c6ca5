"""What is read of jobs that have not ended: all of some, of the others only their turn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clsh.jobs.placement import rank
from clsh.jobs.queue import parts, rows
from clsh.jobs.queue.codec import decode
from clsh.jobs.queue.rows import Loaded, Sleeper
from clsh.jobs.rooms import need_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from clsh.jobs.model import Request, Task
    from clsh.jobs.rooms import Need

_OPEN = "('pending','starting','running','unknown')"
_AT_ONCE = 500

MOST_AWAKE = 1000
"""With so many jobs in memory, those that come and only wait go to sleep."""


def load(db: sqlite3.Connection) -> tuple[list[Loaded], list[Sleeper]]:
    """Return all jobs that have not ended; those of which nothing has begun sleep."""
    needs: dict[Need, Need] = {}
    asleep: list[Sleeper] = []
    awake: list[int] = []
    for number, submitted, held, begun, text in db.execute(
        "SELECT id, submitted, held,"
        " next>0 OR rest<>'pending' OR EXISTS (SELECT 1 FROM tasks WHERE job=id), request"
        " FROM jobs WHERE ended=0 ORDER BY id"
    ):
        request = decode(text)
        if begun or len(awake) < MOST_AWAKE or not may_sleep(request):
            awake.append(number)
        else:
            sleeper = sleeping(number, request, submitted, held=bool(held))
            need = needs.setdefault(sleeper.need, sleeper.need) if sleeper.need else None
            asleep.append(Sleeper(sleeper.key, need))
    found: list[Loaded] = []
    for at in range(0, len(awake), _AT_ONCE):
        found += loaded(db, awake[at : at + _AT_ONCE])
    return found, asleep


def may_sleep(request: Request) -> bool:
    """Tell whether nothing of a request is needed before its turn comes."""
    return not (request.after or request.send)


def sleeping(number: int, request: Request, submitted: float, *, held: bool) -> Sleeper:
    """Return what is kept in memory of a job that sleeps."""
    need = None if held else need_of(request)
    return Sleeper(rank(request.priority, submitted, number), need)


def loaded(db: sqlite3.Connection, numbers: Sequence[int]) -> list[Loaded]:
    """Return jobs with their tasks that have not ended."""
    some = json.dumps(numbers)
    live: dict[int, list[Task]] = {}
    for row in db.execute(
        f"SELECT {rows.TASK} FROM tasks WHERE job IN {rows.SOME} AND state IN {_OPEN}",  # noqa: S608 - names of our own
        (some,),
    ):
        live.setdefault(row[0], []).append(rows.task(row))
    apart: dict[int, list[int]] = {}
    for job, position in db.execute(
        f"SELECT job, position FROM jobs JOIN tasks ON job=id"  # noqa: S608 - names of our own
        f" WHERE id IN {rows.SOME} AND position>=next",
        (some,),
    ):
        apart.setdefault(job, []).append(position)
    return [
        Loaded(one, live.get(one.row.id, ()), frozenset(apart.get(one.row.id, ())))
        for one in parts.wholes(db, numbers)
    ]
