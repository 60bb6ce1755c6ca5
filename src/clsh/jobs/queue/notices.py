"""The outbox: notices that wait in the file of the queue, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clsh.jobs.notices.notice import Facts, decode
from clsh.jobs.notices.wanted import is_address

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from clsh.jobs.notices.notice import Notice

MAIL = "@"
"""The lane of all mail addresses; a channel is a lane by itself."""

FAR_S = 7200.0
"""What is due later than so is due now: the clock was put back."""

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits; `tries` is how often it was tried in vain."""

    id: str
    who: str
    made: float
    tries: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try: `settled` (0: it waits on, until `due`), and why it failed."""

    id: str
    who: str
    tries: int
    due: float
    settled: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a notice, for who looks at the job; `at` is when it was settled or made."""

    who: str
    what: Facts
    state: Literal["waiting", "told", "given up"]
    at: float
    tries: int
    error: str


def put(db: sqlite3.Connection, notices: Iterable[Notice]) -> None:
    """Store notices; one whose id and receiver are there already is the same."""
    db.executemany(
        "INSERT OR IGNORE INTO notices(job, id, who, lane, made, due, facts)"
        " VALUES (?,?,?,?,?,?,?)",
        [
            (
                one.facts.job,
                one.id,
                one.who,
                MAIL if is_address(one.who) else one.who,
                one.facts.at,
                one.facts.at,
                one.facts.encode(),
            )
            for one in notices
        ],
    )


def lanes(db: sqlite3.Connection) -> list[tuple[str, float, int]]:
    """Return each lane in which something waits, when the first of it is due, and how much."""
    return db.execute(
        "SELECT lane, min(due), count(*) FROM notices WHERE settled=0 GROUP BY lane"
    ).fetchall()


def due(db: sqlite3.Connection, lane: str, now: float) -> list[Waiting]:
    """Return some of what is due in a lane, the oldest first."""
    found = db.execute(
        "SELECT id, who, made, tries, facts FROM notices WHERE settled=0 AND lane=?"
        " AND (due<=? OR due>?) ORDER BY due, made LIMIT ?",
        (lane, now, now + FAR_S, _AT_ONCE),
    )
    return [Waiting(id_, who, made, tries, decode(facts)) for id_, who, made, tries, facts in found]


def settle(db: sqlite3.Connection, outcomes: Sequence[Outcome]) -> None:
    """Take note of what became of tries."""
    db.executemany(
        "UPDATE notices SET tries=?, due=?, settled=?, error=? WHERE id=? AND who=?",
        [(one.tries, one.due, one.settled, one.error, one.id, one.who) for one in outcomes],
    )


def of_job(db: sqlite3.Connection, job: int) -> list[Fate]:
    """Return what became of the notices of a job, the oldest first, 1,000 at most."""
    found = db.execute(
        "SELECT who, facts, settled, made, tries, error FROM notices WHERE job=?"
        " ORDER BY made, id LIMIT 1000",
        (job,),
    )
    return [
        Fate(
            who,
            decode(facts),
            "waiting" if not settled else "given up" if error else "told",
            settled or made,
            tries,
            error,
        )
        for who, facts, settled, made, tries, error in found
    ]
