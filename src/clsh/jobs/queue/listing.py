"""Find the jobs of a wish, without a look at each of them where that can be.

How many there are in which state is counted as they change (`tallies`). A page is walked in an
index that has its order and all that is filtered by, from the nearer end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base import db as files
from clsh.jobs.queue import parts, rows
from clsh.jobs.wish import MOST, Listing

if TYPE_CHECKING:
    import sqlite3

    from clsh.jobs.model import JobState
    from clsh.jobs.wish import Wish

_INDICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "id": ("jobs_id", ("id",)),
    "submitted": ("jobs_submitted", ("submitted", "id")),
    "name": ("jobs_name", ("name", "id")),
    "owner": ("jobs_owner", ("owner", "id")),
}


@dataclass(slots=True)
class _Filter:
    """Conditions of SQL, and what is bound to them."""

    parts: list[str] = field(default_factory=lambda: ["1"])
    values: list[object] = field(default_factory=list[object])

    def add(self, part: str, value: object) -> None:
        self.parts.append(part)
        self.values.append(value)

    def __str__(self) -> str:
        return " AND ".join(self.parts)


def find(db: sqlite3.Connection, wish: Wish) -> Listing:
    """Return the page of a wish; an order that is not known is that by id, newest first."""
    with files.reading(db):
        return _find(db, wish)


def _find(db: sqlite3.Connection, wish: Wish) -> Listing:
    states = _states(db, wish)
    wanted: list[JobState] = [one for one in states if one in wish.states or not wish.states]
    total = sum(states[state] for state in wanted)
    offset = max(0, wish.offset)
    limit = max(0, min(wish.limit, MOST, total - offset))
    numbers = _page(db, wish, sorted(wanted), (offset, limit, total)) if limit else []
    found = {one.row.id: one.job() for one in parts.wholes(db, numbers)}
    return Listing([found[number] for number in numbers if number in found], total, states)


def failed_since(db: sqlite3.Connection, owner: str, at: float) -> int:
    """Return how many jobs of an owner ("": of all) failed after a moment."""
    whose = "AND owner=?" if owner else ""
    (count,) = db.execute(
        "SELECT count(*) FROM jobs INDEXED BY jobs_failed"  # noqa: S608 - values are bound
        f" WHERE state='failed' AND ended>? {whose}",
        (at, owner) if owner else (at,),
    ).fetchone()
    return int(count)


def _states(db: sqlite3.Connection, wish: Wish) -> dict[JobState, int]:
    """Return how many jobs are in which state, whatever states are wished for."""
    if not wish.text and not wish.node:
        whose = "AND owner=?" if wish.owner else ""
        return dict(
            db.execute(
                f"SELECT state, sum(jobs) FROM tallies WHERE jobs>0 {whose} GROUP BY state",  # noqa: S608 - values are bound
                (wish.owner,) if wish.owner else (),
            ).fetchall()
        )
    chosen = _filter(wish)
    found = db.execute(
        f"SELECT state, count(*) FROM {_source(wish, 'jobs_id')} WHERE {chosen} GROUP BY state",  # noqa: S608 - values are bound
        chosen.values,
    )
    return dict(found.fetchall())


def _page(
    db: sqlite3.Connection, wish: Wish, states: list[JobState], part: tuple[int, int, int]
) -> list[int]:
    offset, limit, total = part
    name, down = wish.order.removeprefix("-"), wish.order.startswith("-")
    if name not in _INDICES:
        name, down = "id", True
    from_end = offset > (total - limit) // 2
    if from_end:
        offset = total - limit - offset
    way = " DESC" if down != from_end else ""
    index, columns = _INDICES[name]
    if name == "id" and wish.owner:
        index = "jobs_owner"
    source, chosen = _source(wish, index), _filter(wish)
    if wish.text and not wish.node and name != "id" and _is_near(db, offset + limit, total):
        source = f"jobs INDEXED BY {index} CROSS JOIN jobs AS said INDEXED BY jobs_words USING (id)"
        chosen = _filter(wish, "said.words")
    chosen.add(f"jobs.state IN {rows.SOME}", json.dumps(states))
    found = db.execute(
        f"SELECT jobs.id FROM {source} WHERE {chosen}"  # noqa: S608 - values are bound
        f" ORDER BY {', '.join(f'jobs.{column}{way}' for column in columns)} LIMIT ? OFFSET ?",
        (*chosen.values, limit, offset),
    ).fetchall()
    numbers = [number for (number,) in found]
    return numbers[::-1] if from_end else numbers


def _is_near(db: sqlite3.Connection, wanted: int, matches: int) -> bool:
    """Tell whether a page is found sooner in an order than by putting all matches in order."""
    (jobs,) = db.execute("SELECT sum(jobs) FROM tallies").fetchone()
    return bool(wanted * jobs < matches * matches)


def _filter(wish: Wish, words: str = "jobs.words") -> _Filter:
    chosen = _Filter()
    if wish.node:
        chosen.add("node=?", wish.node)
    if wish.owner:
        chosen.add("jobs.owner=?", wish.owner)
    if wish.text:
        chosen.add(f"instr({words}, ?)", wish.text.casefold())
    return chosen


def _source(wish: Wish, index: str) -> str:
    """Return what is looked through: an index rather than the rows, which are 5 times as long."""
    if wish.node:  # those of the node one by one, in the order of their numbers
        index = "" if wish.text else "INDEXED BY jobs_id"
        return f"job_nodes CROSS JOIN jobs {index} ON jobs.id=job_nodes.job"
    if wish.text:
        index = "jobs_words"
    return f"jobs INDEXED BY {index}"
