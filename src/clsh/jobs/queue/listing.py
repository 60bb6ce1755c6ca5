"""Find the jobs of a wish: all that is filtered and sorted by stands in one index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clsh.jobs.queue import rows
from clsh.jobs.wish import MOST, Listing

if TYPE_CHECKING:
    import sqlite3

    from clsh.jobs.model import JobState
    from clsh.jobs.wish import Order, Wish

_ORDERS: dict[Order, str] = {
    "id": "id",
    "-id": "id DESC",
    "submitted": "submitted, id",
    "-submitted": "submitted DESC, id DESC",
    "name": "name, id",
    "-name": "name DESC, id DESC",
    "owner": "owner, id",
    "-owner": "owner DESC, id DESC",
}


def find(db: sqlite3.Connection, wish: Wish) -> Listing:
    """Return the page of a wish; an order that is not known is that by id, newest first."""
    source, values = _source(wish)
    states: dict[JobState, int] = {}
    for _, state, count in db.execute(
        f"SELECT owner, state, count(*) {source} GROUP BY owner, state",
        values,
    ):
        states[state] = states.get(state, 0) + count
    wanted = [state for state in states if state in wish.states or not wish.states]
    limit = max(0, min(wish.limit, MOST))
    order = _ORDERS.get(wish.order, _ORDERS["-id"])
    numbers = [
        number
        for (number,) in db.execute(
            f"SELECT id {source} AND state IN (SELECT value FROM json_each(?))"  # noqa: S608 - values are bound
            f" ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, json.dumps(wanted), limit, max(0, wish.offset)),
        )
    ]
    found = {
        row[0]: rows.whole(row).job()
        for row in db.execute(
            f"SELECT {rows.JOB} FROM jobs WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - names of our own
            (json.dumps(numbers),),
        )
    }
    jobs = [found[number] for number in numbers if number in found]
    return Listing(jobs, sum(n for state, n in states.items() if state in wanted), states)


def _source(wish: Wish) -> tuple[str, list[object]]:
    """Return what is looked through: an index rather than the rows, which are 5 times as long."""
    parts = ["1"]
    values: list[object] = []
    if wish.owner:
        parts.append("owner=?")
        values.append(wish.owner)
    if wish.text:
        parts.append("instr(words, ?)")
        values.append(wish.text.casefold())
    if wish.node:
        parts.append("id IN (SELECT job FROM job_nodes WHERE node=?)")
        values.append(wish.node)
        index = ""  # few jobs: those of the node one by one
    else:
        index = f"INDEXED BY {'jobs_words' if wish.text else 'jobs_list'}"
    return f"FROM jobs {index} WHERE {' AND '.join(parts)}", values
