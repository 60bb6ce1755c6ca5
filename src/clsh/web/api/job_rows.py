"""Jobs, their tasks and what is asked for, as JSON has them. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, cast

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form
from clsh.web.answers import number
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from clsh.jobs.model import Job, Request, Task
    from clsh.jobs.queue.notices import Fate

MOST_REQUESTS = 1000
_HINT = 'send {"jobs": [{"argv": ["hostname"]}]}'


def job_row(job: Job) -> dict[str, object]:
    """Return a job without its tasks; `nothing was said` of a time is null."""
    return {
        "id": job.id,
        "owner": job.owner,
        "name": job.request.name or job.request.argv[0].rpartition("/")[2],
        "kind": job.request.kind,
        "command": command(job.request.argv),
        "state": job.state,
        "priority": job.request.priority,
        "submitted": number(job.submitted),
        "started": _time(job.started),
        "ended": _time(job.ended),
        "counts": dict(job.counts),
        "reason": job.reason,
    }


def command(argv: tuple[str, ...], most: int = 1000) -> str:
    """Return an argv as a shell would be told it, not too long."""
    text = shlex.join(word[: most + 1] for word in argv[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def task_row(task: Task) -> dict[str, object]:
    """Return a task."""
    return {
        "index": task.index,
        "state": task.state,
        "attempt": task.attempt,
        "nodes": [{"node": place.node, "ranks": place.ranks} for place in task.places],
        "why": task.why,
        "started": _time(task.started),
        "ended": _time(task.ended),
        "status": task.status,
        "signal": task.signal,
        "reason": task.reason,
        "rss": task.rss,
        "cancelled": task.cancelled,
    }


def told_row(fate: Fate) -> dict[str, object]:
    """Return what became of a notice."""
    return {
        "who": fate.who,
        "event": fate.what.event,
        "task": fate.what.task,
        "state": fate.state,
        "at": number(fate.at),
        "tries": fate.tries,
        "error": fate.error,
    }


def _time(at: float) -> float | None:
    return number(at) if at else None


def requests(body: bytes) -> tuple[list[Request], str]:
    """Return the requests in a body, and for whom they are; raises RefusedError (400)."""
    try:
        told: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is no JSON", hint=_HINT) from error
    asked = cast("dict[str, object]", told) if isinstance(told, dict) else {}
    jobs, owner = asked.get("jobs"), asked.get("owner", "")
    if not isinstance(jobs, list) or not isinstance(owner, str) or asked.keys() - {"jobs", "owner"}:
        raise RefusedError(400, "the body is no list of jobs", hint=_HINT)
    given = cast("list[object]", jobs)
    if not 0 < len(given) <= MOST_REQUESTS:
        raise RefusedError(
            400,
            f"{len(given)} jobs at once",
            hint=f"send 1 to {MOST_REQUESTS}; many like tasks are one job with an array",
            parameter="jobs",
        )
    return [_request(one, at, len(given)) for at, one in enumerate(given, 1)], owner


def _request(given: object, at: int, of: int) -> Request:
    if not isinstance(given, dict):
        raise RefusedError(400, f"job {at} is no object", hint=_HINT, parameter="jobs")
    try:
        return form.read(cast("dict[str, object]", given))
    except RequestError as error:
        raise RequestError(
            error.field, f"job {at}: {error}" if of > 1 else str(error), hint=error.hint
        ) from error
