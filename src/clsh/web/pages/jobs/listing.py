"""The list of jobs: one's own, everybody's for administrators; filtered, sorted, in pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast, get_args

from clsh.jobs.model import ENDED
from clsh.jobs.wish import Order, Wish
from clsh.nodes.nodeset import fold
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.jobs import states
from clsh.web.pages.words import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from clsh.base.users import User
    from clsh.jobs.model import Job, Task
    from clsh.jobs.service import Jobs
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.jobs.details import Details

ROWS = 50
PACE_S = 3.0
_LONGEST = 256
_FURTHEST = 10**9
_DAY_S = 86400
_BAR = 64


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the list shows it; `bar` is how much of an array is done, in 64ths."""

    id: int
    link: str
    name: str
    owner: str
    kind: str
    state: str
    look: str
    why: str
    nodes: str
    time: str
    submitted: float
    bar: int | None
    failed: bool


async def page(service: Jobs, details: Details, user: User, asked: Asked) -> Page:
    """Return the page."""
    seen = service.version
    wish = wanted(asked, user)
    found = await service.jobs(user, wish)
    tasks = await details.of(user, found.jobs)
    filtered = replace(wish, order="-id", offset=0, limit=ROWS) != Wish()
    everything = await service.jobs(user, Wish(limit=0)) if filtered else found
    values: dict[str, object] = {
        "user": user,
        "visible": visible,
        "states": everything.states,
        "running": everything.states.get("running", 0),
        "queued": sum(everything.states.get(one, 0) for one in states.GROUPS["queued"]),
        "held": everything.states.get("held", 0),
        "failed": await service.failed_since(user, asked.words.now - _DAY_S),
        "count": sum(everything.states.values()),
        "filtered": filtered,
        "rows": [_row(asked, job, tasks.get(job.id, ())) for job in found.jobs],
        "total": found.total,
        "first": wish.offset + 1,
        "last": wish.offset + len(found.jobs),
        "turns": _turns(asked, wish, found.total),
        "heads": _heads(asked, user),
        "state": asked.query.get("state", ""),
        "choices": [(name, states.word(asked.words, name)) for name in states.GROUPS],
    }
    return Page(
        "jobs/list.html",
        values,
        "jobs",
        Watch({}, PACE_S, polls=True),
        [Part("say"), Part("rows"), Part("pager")],
        news={"seen": seen},
    )


def wanted(asked: Asked, user: User) -> Wish:
    """Return the wish of an address; what it says wrongly is taken as not said."""
    query = asked.query
    sort = query.get("sort", "")
    offset = query.get("offset", "")
    whole = offset.isascii() and offset.isdigit() and len(offset) <= 9
    return Wish(
        owner=query.get("owner", "")[:_LONGEST] if user.is_admin else "",
        states=states.GROUPS.get(query.get("state", ""), frozenset()),
        text=query.get("q", "")[:_LONGEST],
        node=query.get("node", "")[:_LONGEST],
        order=cast("Order", sort) if sort in get_args(Order) else "-id",
        offset=min(int(offset), _FURTHEST) if whole else 0,
        limit=ROWS,
    )


def _row(asked: Asked, job: Job, tasks: Sequence[Task]) -> Row:
    words = asked.words
    state = states.shown(job)
    many = states.total(job)
    ended = sum(job.counts.get(one, 0) for one in ENDED)
    return Row(
        job.id,
        asked.link(f"/jobs/{job.id}"),
        visible(job.request.name) or visible(" ".join(job.request.argv)[:80]),
        job.owner,
        states.kind(words, job),
        states.word(words, state),
        states.look(state),
        states.reason(words, job, tasks),
        nodes_of(tasks),
        states.taken(words, job),
        job.submitted,
        round(_BAR * ended / many) if job.request.kind == "batch" else None,
        state in {"failed", "lost", "unknown"} or bool(job.counts.get("failed")),
    )


def nodes_of(tasks: Sequence[Task]) -> str:
    """Return the nodes of tasks as a node set."""
    return folded(dict.fromkeys(place.node for task in tasks for place in task.places))


def folded(names: Collection[str]) -> str:
    """Return names of nodes as a node set."""
    return fold(names) if names else ""


def _turns(asked: Asked, wish: Wish, total: int) -> dict[str, str]:
    """Return the addresses of the pages before and after this one, "" where there is none."""
    last = max(0, (total - 1) // ROWS * ROWS)
    before = min(wish.offset - ROWS, last)
    return {
        "before": asked.link(offset=str(max(0, before)) if before > 0 else None)
        if wish.offset > 0
        else "",
        "after": asked.link(offset=str(wish.offset + ROWS)) if wish.offset + ROWS < total else "",
    }


def _heads(asked: Asked, user: User) -> list[tuple[str, str, str, str]]:
    """Return class, text, address and direction of each head; "" for an address: not sortable."""
    words = asked.words
    columns = [
        ("id", words.said("Job"), "t"),
        ("name", words.said("Name"), "t"),
        *([("owner", words.said("Owner"), "t")] if user.is_admin else []),
        ("", words.said("Kind"), "t wide"),
        ("", words.said("State"), "t"),
        ("", words.said("Why"), "t wide"),
        ("", words.said("Nodes"), "t wide"),
        ("", words.said("Time"), "wide"),
        ("submitted", words.said("Submitted"), "wide"),
    ]
    current = asked.query.get("sort", "-id")
    found: list[tuple[str, str, str, str]] = []
    for key, text, look in columns:
        usual = key if key in {"name", "owner"} else f"-{key}"
        other = f"-{key}" if usual == key else key
        turned = other if current == usual else usual
        way = {key: "ascending", f"-{key}": "descending"}.get(current, "") if key else ""
        found.append((look, text, asked.link(sort=turned, offset=None) if key else "", way))
    return found
