"""Jobs and tasks as tables and lines of words. Pure but for the clock's time that is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsh.base.errors import UsageError
from clsh.base.messages import tr
from clsh.cli.monitoring.figures import duration, moment, size
from clsh.cli.monitoring.table import Column
from clsh.nodes.model import node_name
from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]
_COLOURS = {
    "failed": "31",
    "lost": "31",
    "unknown": "35",
    "cancelled": "35",
    "running": "32",
}


def job_columns(now: float, *, owner: bool) -> list[Column[Row]]:
    """Return the columns of a list of jobs."""
    found: list[Column[Row]] = [
        Column("id", "JOB", lambda row: row["id"], str),
        _state(),
        _word("owner", "OWNER", lambda row: row["owner"]),
        _word("name", "NAME", lambda row: row["name"]),
        _word("tasks", "TASKS", tasks),
        Column("submitted", "SUBMITTED", lambda row: row["submitted"], moment),
        _time(now),
        _word("command", "COMMAND", lambda row: row["reason"] or row["command"]),
    ]
    return [column for column in found if owner or column.name != "owner"]


def task_columns(now: float) -> list[Column[Row]]:
    """Return the columns of the tasks of a job."""
    return [
        Column("task", "TASK", lambda row: row["index"], str),
        _state(),
        _word("nodes", "NODES", nodes),
        _word("status", "EXIT", exit_of),
        _time(now),
        Column("rss", "MEMORY", lambda row: row["rss"] or None, size),
        _word("reason", "REASON", lambda row: row["reason"] or row["why"]),
    ]


def _word(name: str, title: str, value: Callable[[Row], str]) -> Column[Row]:
    return Column(name, title, value, number=False, most=40)


def _state() -> Column[Row]:
    return Column(
        "state",
        "STATE",
        lambda row: tr(row["state"]),
        number=False,
        style=lambda row: _COLOURS.get(row["state"], ""),
    )


def _time(now: float) -> Column[Row]:
    return Column("time", "TIME", lambda row: took(row, now), duration)


def took(row: Row, now: float) -> float | None:
    """Return how long a job or a task ran, or runs, in seconds."""
    if not row["started"]:
        return None
    return max(0.0, float((row["ended"] or now) - row["started"]))


def tasks(row: Row) -> str:
    """Return how many tasks are over, `3/10`; "" for a job that has one."""
    counts: dict[str, int] = row["counts"]
    over = sum(counts.get(state, 0) for state in ("done", "failed", "cancelled", "lost"))
    return f"{over}/{sum(counts.values())}" if sum(counts.values()) > 1 else ""


def nodes(row: Row) -> str:
    """Return where a task is or was: `node[1-2]`, with the number of ranks when there are more."""
    places: list[dict[str, Any]] = row["nodes"]
    ranks = sum(place["ranks"] for place in places)
    names = _folded([place["node"] for place in places])
    return f"{names} ({ranks})" if ranks > len(places) else names


def _folded(names: list[str]) -> str:
    try:
        return fold(map(node_name, names))
    except UsageError:  # Slurm may name its nodes as it likes
        return ",".join(names)


def exit_of(row: Row) -> str:
    """Return the exit status or the signal."""
    return str(row["signal"] or ("" if row["status"] is None else row["status"]))


def told(job: Row, fields: dict[str, str], now: float) -> Iterator[tuple[str, str]]:
    """Yield what a job is, as pairs of a label and a text; `fields` are those of the form."""
    from clsh.jobs.forms import spelling
    from clsh.jobs.forms.fields import BY_NAME, said
    from clsh.jobs.sent import item

    reason = f": {job['reason']}" if job["reason"] else ""
    yield tr("job"), f"{job['id']}  {job['name']}"
    yield tr("state"), f"{tr(job['state'])}{reason}"
    yield tr("owner"), job["owner"]
    for name in ("submitted", "started", "ended"):
        if job[name]:
            yield tr(name), moment(job[name])
    length = took(job, now)
    if length is not None:
        yield tr("time"), duration(length)
    if count := tasks(job):
        yield tr("tasks"), count
    for name, text in fields.items():
        if name not in {"name", "kind", "metric", "again", "key"}:
            shown = ", ".join(item.names(spelling.entries(text))) if name == "send" else text
            yield said(BY_NAME[name].label).lower(), shown


def notified(told: list[Row]) -> Iterator[tuple[str, str]]:
    """Yield whom the end of a job, or its beginning, was told to, and who could not be told."""
    for row in told:
        state = tr(row["state"])
        error = f": {row['error']}" if row["error"] else ""
        yield tr("notice"), f"{row['who']} ({tr(row['event'])}): {state} {moment(row['at'])}{error}"


def told_task(task: Row, job: Row) -> Iterator[tuple[str, str]]:
    """Yield what became of the only task of a job, but for what `told` says already."""
    if names := nodes(task):
        yield tr("nodes"), names
    if task["why"]:
        yield tr("why"), task["why"]
    if exit_of(task):
        yield tr("exit"), exit_of(task)
    if task["reason"] != job["reason"]:
        yield tr("reason"), task["reason"]
    if task["attempt"] > 1:
        yield tr("attempt"), str(task["attempt"])
    if task["rss"]:
        yield tr("memory used"), size(task["rss"])
