"""Run some jobs to their end, and show them as one table: what `cl demo jobs` stands on."""

from __future__ import annotations

import secrets
import shlex
import time
from typing import TYPE_CHECKING, Any, cast

from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.base.messages import tr
from clsh.cli import client
from clsh.cli.jobs import showing
from clsh.cli.monitoring import table, telling
from clsh.cli.monitoring.table import Column
from clsh.cli.render import say, talk
from clsh.jobs.forms import asking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOGETHER_S = 60.0
_OPTIONS = {"name": "-J", "array": "-a", "tasks": "-n", "tasks_per_node": "--tasks-per-node"}
_LINE = 4096
_OPEN_S = 10.0


def run(jobs: Sequence[Mapping[str, object]], owner: str, note: str) -> int:
    """Submit jobs for `owner` ("": who asks), wait for them, show them; 1 unless all are done.

    Raises ClshError when the manager does not watch the demo, or for jobs that do not end.
    """
    _check_manager()
    talk(tr("Jobs, as {user}:", user=owner) if owner else tr("Jobs:"))
    for job in jobs:
        talk(f"  {command(job)}")
    if note:
        talk(note)
    numbers = _submit(jobs, owner)
    until = time.monotonic() + _TOGETHER_S
    for number in numbers:
        _wait(number, until)
    rows = [asking.job(number) for number in numbers]
    written = {row["id"]: _last_line(row) for row in rows}
    for line in table.lines(_columns(written), rows, telling.places(), colour=telling.colour()):
        say(line)
    for row in rows:
        if row["state"] != "done":
            talk(f"{row['name']}: {_reason(row)}")
    return int(any(row["state"] != "done" for row in rows))


def command(job: Mapping[str, object]) -> str:
    """Return what a person types for a job."""
    given = [
        word for name, flag in _OPTIONS.items() if name in job for word in (flag, str(job[name]))
    ]
    return shlex.join(["cl", "submit", *given, *cast("list[str]", job["argv"])])


def _check_manager() -> None:
    told = cast("dict[str, dict[str, str]]", client.get("/api/v1/status"))
    if told["facts"].get("demo") != "yes":
        raise ClshError(
            "the manager that runs does not watch the demo", hint="cl down; cl up --demo"
        )


def _submit(jobs: Sequence[Mapping[str, object]], owner: str) -> list[int]:
    """Submit jobs as soon as the manager takes some: it answers before its queue is open."""
    until = time.monotonic() + _OPEN_S
    keyed = [{**job, "key": secrets.token_hex(16)} for job in jobs]
    while True:
        try:
            return asking.submit(keyed, owner)
        except (UsageError, NotAllowedError, client.NoManagerError):
            raise
        except ClshError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _wait(number: int, until: float) -> None:
    try:
        asking.wait(number, max(0.0, until - time.monotonic()))
    except TimeoutError as error:
        (task, *_) = asking.job(number, limit=1)["tasks"]
        why = task["reason"] or task["why"] or tr(task["state"])
        raise ClshError(
            f"job {number} has not ended within {_TOGETHER_S:g} s: {why}",
            hint=f"cl job {number}; cl doctor",
        ) from error


def _last_line(job: Mapping[str, Any]) -> str:
    """Return the last line that the last task of a job wrote."""
    data = asking.tail(job["id"], "output", job["tasks"][-1]["index"], size=_LINE)
    return data.decode(errors="replace").strip().rpartition("\n")[2]


def _reason(job: Mapping[str, Any]) -> str:
    reasons: list[str] = [job["reason"], *(task["reason"] for task in job["tasks"])]
    return next(filter(None, reasons), tr(job["state"]))


def _columns(written: Mapping[int, str]) -> list[Column[showing.Row]]:
    def nodes(row: showing.Row) -> str:
        places = {place["node"]: place for task in row["tasks"] for place in task["nodes"]}
        return showing.nodes({"nodes": [{**one, "ranks": 1} for one in places.values()]})

    kept = {"id", "state", "name", "tasks", "time"}
    columns = [
        column for column in showing.job_columns(time.time(), owner=False) if column.name in kept
    ]
    return [
        *columns,
        Column("nodes", "NODES", nodes, number=False),
        Column("wrote", tr("WROTE"), lambda row: written[row["id"]], number=False),
    ]
