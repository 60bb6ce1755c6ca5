"""The queue at a glance: states, nodes and what runs on them, why the next job waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsh.base.messages import tr
from clsh.cli.jobs import finding
from clsh.cli.monitoring import table, telling
from clsh.cli.monitoring.table import Column, natural
from clsh.jobs.forms import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 200
_ORDER = ("held", "waiting", "pending", "running", "done", "failed", "cancelled")


def summary() -> dict[str, Any]:
    """Return `states`, the tasks on each of the `nodes`, and the `next` job with its reason.

    Of at most 200 running jobs; `more` says how many are left out.
    """
    states = asking.listing(limit=0)["states"]
    running, total = finding.pages(_MOST, state="running", sort="id")
    nodes: dict[str, list[str]] = {}
    for job in running:
        for task in finding.tasks(job["id"], state=["starting", "running", "unknown"]):
            label = f"{job['id']}.{task['index']}" if _has_indexes(job) else str(job["id"])
            for place in task["nodes"]:
                nodes.setdefault(place["node"], []).append(label)
    return {
        "states": {state: states.get(state, 0) for state in _ORDER},
        "nodes": {name: nodes[name] for name in sorted(nodes, key=natural)},
        "more": total - len(running),
        "next": _next(),
    }


def _has_indexes(job: dict[str, Any]) -> bool:
    """Tell whether the tasks of a job are told apart by their index."""
    return bool(job["kind"] == "batch")


def _next() -> dict[str, Any] | None:
    """Return the job that is to start next: of the highest priority the oldest."""
    waiting, _ = finding.pages(1000, state="pending", sort="id")
    if not waiting:
        return None
    job = max(waiting, key=lambda row: (row["priority"], -row["id"]))
    tasks = asking.job(job["id"], state="pending", limit=1)["tasks"]
    why = job["reason"] or (tasks[0]["why"] if tasks else "")
    return {"job": job["id"], "owner": job["owner"], "name": job["name"], "why": why}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield a summary as text."""
    states: dict[str, int] = found["states"]
    counts = [f"{count} {tr(state)}" for state, count in states.items() if count]
    yield ", ".join(counts) or tr("no jobs")
    if coming := found["next"]:
        why = table.plain(coming["why"]) or tr("it is about to start")
        name = table.plain(coming["name"])
        yield tr("next: job {job} ({name}): {why}", job=coming["job"], name=name, why=why)
    nodes: dict[str, list[str]] = found["nodes"]
    if nodes:
        columns: list[Column[tuple[str, list[str]]]] = [
            Column("node", "NODE", lambda row: row[0], number=False),
            Column("count", "TASKS", lambda row: len(row[1]), str),
            Column("jobs", "JOBS", lambda row: " ".join(row[1]), number=False),
        ]
        yield ""
        yield from table.lines(columns, list(nodes.items()), telling.places())
    if found["more"]:
        yield tr("and {more} more running jobs", more=found["more"])
