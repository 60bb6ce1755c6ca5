"""Attempts of jobs that are kept no longer, until what nodes keep of them is deleted too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.jobs.queue import rows
from clsh.jobs.queue.codec import decode_places

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

_AT_ONCE = 5000
_FIRST_PAUSE_S = 600.0
_LONGEST_PAUSE_S = 86_400.0
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Gone:
    """An attempt, and a node that may keep it; `queue` is the name under which it was made."""

    job: int
    index: int
    attempt: int
    node: str
    queue: str
    owner: str


def note(db: sqlite3.Connection, jobs: Sequence[int]) -> None:
    """Note all attempts of jobs that are about to be removed."""
    some = (json.dumps(jobs),)
    nodes: dict[int, list[str]] = {}
    for job, node in db.execute(
        f"SELECT job, node FROM job_nodes WHERE job IN {rows.SOME}",  # noqa: S608 - names of our own
        some,
    ):
        nodes.setdefault(job, []).append(node)
    (name,) = db.execute("SELECT value FROM facts WHERE name='name'").fetchone()
    found = db.execute(
        "SELECT job, idx, attempt, places, queue, owner FROM tasks JOIN jobs ON id=job"  # noqa: S608 - names of our own
        f" WHERE job IN {rows.SOME} AND attempt>0",
        some,
    )
    db.executemany(
        "INSERT OR IGNORE INTO gone(job, idx, attempt, node, queue, owner) VALUES (?,?,?,?,?,?)",
        (
            (job, index, attempt, node, queue or name, owner)
            for job, index, last, places, queue, owner in found
            for attempt, node in _kept_at(last, places, nodes.get(job, ()))
        ),
    )


def _kept_at(last: int, places: str, nodes: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield attempts and the nodes that may keep them; only of the last it is known which."""
    every = nodes or ("",)  # an engine that chooses nodes itself may not have said which
    first = decode_places(places)[:1]
    for attempt in range(1, last + 1):
        if attempt == last and first:
            yield attempt, first[0].node
        else:
            for node in every:
                yield attempt, node


def due(db: sqlite3.Connection, now: float) -> list[Gone]:
    """Return attempts that one node is to forget now, none when there are none."""
    first = db.execute("SELECT node FROM gone WHERE due<=? ORDER BY due LIMIT 1", (now,)).fetchone()
    if first is None:
        return []
    found = db.execute(
        "SELECT job, idx, attempt, node, queue, owner FROM gone WHERE node=? AND due<=? LIMIT ?",
        (*first, now, _AT_ONCE),
    )
    return [Gone(*row) for row in found]


def settle(db: sqlite3.Connection, gone: Iterable[Gone]) -> None:
    """Take note that attempts are forgotten."""
    db.executemany("DELETE FROM gone WHERE node=? AND job=? AND idx=? AND attempt=?", _keys(gone))


def put_off(db: sqlite3.Connection, gone: Sequence[Gone], now: float) -> None:
    """Try again later, with growing pauses; who could not be asked for weeks is let be."""
    db.executemany(
        "UPDATE gone SET tries=tries+1, due=?+min(?, ?*(1<<tries))"
        " WHERE node=? AND job=? AND idx=? AND attempt=?",
        ((now, _LONGEST_PAUSE_S, _FIRST_PAUSE_S, *key) for key in _keys(gone)),
    )
    db.execute("DELETE FROM gone WHERE tries>=?", (_TRIES,))


def _keys(gone: Iterable[Gone]) -> Iterator[tuple[str, int, int, int]]:
    return ((one.node, one.job, one.index, one.attempt) for one in gone)
