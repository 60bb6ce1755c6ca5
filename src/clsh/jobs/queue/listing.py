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
    where, values = _where(wish)
    # The index, not the table: its entries are a fifth as long as the rows.
    source = f"FROM jobs INDEXED BY jobs_list WHERE {where}"
    counted = db.execute(f"SELECT state, count(*) {source} GROUP BY state", values)
    states: dict[JobState, int] = dict(counted.fetchall())
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


def _where(wish: Wish) -> tuple[str, list[object]]:
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
    return " AND ".join(parts), values
