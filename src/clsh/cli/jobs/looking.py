"""One job on the terminal: what it is, its tasks, the end of what it wrote."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.cli import render
from clsh.cli.jobs import ending, finding, showing
from clsh.cli.monitoring import table, telling
from clsh.jobs.forms import asking, form

if TYPE_CHECKING:
    from clsh.jobs.engine import Stream

_MOST_TASKS = 100
_MOST_TOLD = 10
_TAIL = 4096
_TAIL_LINES = 10


def show(number: int, task: int | None, *, as_json: bool) -> int:
    """Show a job, or one task of it."""
    if as_json:
        job = asking.job(number, limit=0)
        every = list(finding.tasks(number)) if task is None else [_task(number, task)]
        told = {name: value for name, value in job.items() if name not in {"version", "total"}}
        render.say(json.dumps({**told, "tasks": every}))
        return 0
    job = asking.job(number, limit=_MOST_TASKS)
    tasks: list[dict[str, Any]] = job["tasks"] if task is None else [_task(number, task)]
    now = time.time()
    request = form.read(job["request"])
    alone = tasks[0] if len(tasks) == 1 else None
    pairs = list(showing.told(job, form.texts(request), now))
    if alone:
        pairs += showing.told_task(alone, job)
    pairs += showing.notified(job["told"][-_MOST_TOLD:])
    width = max(table.width(label) for label, _ in pairs)
    for label, text in pairs:
        line = f"{table.fit(label, width)}  {table.plain(text.replace(chr(10), ' '))}"
        render.say(table.within(line, telling.places()))
    if alone:
        _tails(number, alone["index"], one_file=request.error == request.output != "")
        return 0
    _table(tasks, job["total"], now)
    return 0


def _task(number: int, task: int) -> dict[str, Any]:
    found: list[dict[str, Any]] = asking.job(number, task=str(task))["tasks"]
    if not found:
        raise ClshError(f"job {number} has no task {task}", hint=f"cl job {number} lists them")
    return found[0]


def _table(tasks: list[dict[str, Any]], total: int, now: float) -> None:
    render.say("")
    columns = showing.task_columns(now)
    for line in table.lines(columns, tasks, telling.places(), colour=telling.colour()):
        render.say(line)
    if len(tasks) < total:
        render.talk(tr("{more} more tasks; --json has all", more=total - len(tasks)))


def _tails(number: int, task: int, *, one_file: bool) -> None:
    """Show the last lines that a task wrote."""
    streams: tuple[tuple[Stream, str], ...] = (("output", tr("output")), ("error", tr("error")))
    for stream, label in streams[:1] if one_file else streams:
        try:
            data = asking.tail(number, stream, task, size=_TAIL)
        except ClshError as error:
            render.talk(f"{label}: {error}")
            continue
        lines = data.splitlines(keepends=True)[-_TAIL_LINES:]
        if lines:
            render.say(f"\n{label}:")
            ending.show([b"".join(lines).removesuffix(b"\n") + b"\n"])


def follow(number: int, task: int | None) -> int:
    """Show what a job writes until it has ended; return its exit status."""
    job = asking.job(number, limit=2)
    request = form.read(job["request"])
    if task is None and job["total"] == 1:
        task = job["tasks"][0]["index"]
    if task is None:
        raise ClshError(
            f"job {number} has {job['total']} tasks",
            hint=f"follow one: cl job {number} -f --task 1",
        )
    ending.follow(number, task, error=not request.error or request.error != request.output)
    ended = _task(number, task)
    if ended["reason"]:
        render.talk(
            tr("job {job} {state}", job=number, state=tr(ended["state"])) + f": {ended['reason']}"
        )
    return ending.status_of(ended, ended)
