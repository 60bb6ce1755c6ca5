"""The page of a job: its state and why, what it writes, where it runs, what was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clsh.jobs.forms import form, spelling
from clsh.jobs.forms.fields import BY_NAME
from clsh.jobs.model import ENDED
from clsh.jobs.sent import item
from clsh.jobs.wish import TaskWish
from clsh.web.pages.asked import Page, Part, Watch
from clsh.web.pages.jobs import resources, states, tail, tasks, timeline
from clsh.web.pages.jobs.listing import folded, nodes_of
from clsh.web.pages.spans import Span
from clsh.web.pages.words import quantity, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.base.errors import ClshError
    from clsh.base.users import User
    from clsh.jobs.model import Job, Task, TaskState
    from clsh.jobs.queue.notices import Fate
    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.jobs.tail import Tail
    from clsh.web.pages.jobs.tasks import Table
    from clsh.web.pages.words import Words

PACE_S = 2.0
_MOST_TOLD = 20
_TELLING: tuple[TaskState, ...] = ("unknown", "failed", "lost", "pending")
_MARGIN = 0.02  # of the time shown, before and after


@dataclass(frozen=True, slots=True)
class Act:
    """What can be done with a job: the button, and what it will do, said before it is done."""

    name: str
    label: str
    about: str
    task: int | None = None


async def page(
    service: Jobs,
    monitor: Monitor,
    user: User,
    asked: Asked,
    number: int,
    problem: ClshError | None = None,
) -> tuple[Asked, Page]:
    """Return the page, and what is asked with the time of the job; raises NoJobError."""
    words, seen = asked.words, service.version
    job, chosen = await tasks.chosen(service, user, number, asked.query.get("task", ""))
    many = states.total(job) > 1
    asked = replace(asked, span=_span(asked, job, chosen))
    tails = {
        "output": await tail.read(service, user, chosen, "output", words),
        "error": await tail.read(service, user, chosen, "error", words),
    }
    nodes = resources.nodes(monitor.grid, chosen)
    charts = resources.charts(asked, nodes, now=not chosen.ended) if chosen.started else []
    table = await _table(service, user, asked, job, chosen) if many else None
    told = await service.told(user, number) if job.request.notify else ()
    values: dict[str, object] = {
        **_said(words, job, await _telling(service, user, job, chosen)),
        "moments": [*_moments(words, job), *_told(words, told)],
        "nodes": folded(await service.nodes(user, number)) if many else nodes_of([chosen]),
        "visible": visible,
        "problem": (words.said(str(problem)), words.said(problem.hint)) if problem else ("", ""),
        "acts": _acts(words, job, chosen if "task" in asked.query and table else None),
        "again_link": asked.link("/jobs/new", like=str(job.id)),
        "jobs_link": asked.link("/jobs"),
        "owner_link": asked.link("/jobs", owner=job.owner) if user.is_admin else "",
        "action": asked.link(),
        "task": chosen,
        "table": table,
        "tails": tails,
        "titles": {"output": words.said("Output"), "error": words.said("Error output")},
        "files": _files(job, chosen),
        "places": resources.places(asked, monitor.grid, chosen),
        "facts": _facts(words, chosen, many=table is not None),
        "keys": [chart.key for chart in charts],
        "legend": [(node.name, asked.to_node(node.cluster, node.name)) for node in nodes],
        "whole_link": asked.link(start=None, end=None) if "start" in asked.query else "",
    }
    parts = [Part(name) for name in ("say", "acts", "when", "facts", "places")]
    parts += [Part("tasks")] if table else []
    live = job.state in states.UNFINISHED
    return asked, Page(
        "jobs/job.html",
        values,
        "jobs",
        Watch({}, PACE_S, polls=True),
        parts,
        charts,
        # Only a page that cannot change before the jobs do says which of their versions it has.
        news={"texts": _texts(tails), **({} if live else {"seen": seen})},
    )


async def _table(service: Jobs, user: User, asked: Asked, job: Job, chosen: Task) -> Table:
    """Return the page of tasks that the address asks for."""
    _, found = await service.job(user, job.id, tasks.wanted(asked, job)[0])
    return tasks.table(asked, job, found, chosen)


async def _telling(service: Jobs, user: User, job: Job, chosen: Task) -> Sequence[Task]:
    """Return the tasks that tell why the job waits or failed."""
    if states.total(job) == 1:
        return [chosen]
    for state in _TELLING:
        if job.counts.get(state):
            wish = TaskWish(frozenset({state}), limit=1)
            return (await service.job(user, job.id, wish))[1]
    return ()


def _said(words: Words, job: Job, found: Sequence[Task]) -> dict[str, object]:
    """Return what is said of the whole job: its state and why, its life, what was asked for."""
    state = states.shown(job)
    return {
        "job": job,
        "name": visible(job.request.name),
        "state": states.word(words, state),
        "look": states.look(state),
        "why": states.reason(words, job, found),
        "taken": states.taken(words, job),
        "life": timeline.life(job, words.now),
        "counts": timeline.counts(job),
        "counted": [
            (states.word(words, name), number)
            for name, number in job.counts.items()
            if number and states.total(job) > 1
        ],
        "asked_for": _asked_for(words, job),
        "argv": [visible(one) for one in job.request.argv],
    }


def _span(asked: Asked, job: Job, task: Task) -> Span:
    """Return the time to show: that which was dragged over, or that of the task."""
    if "start" in asked.query and not asked.span.live:
        return asked.span
    now = asked.words.now
    start, end = task.started or job.submitted, task.ended or now
    length = max(60.0, end - start)
    start = max(0.0, end - length * (1 + _MARGIN))
    # Named while it runs: then new values belong to it.
    return Span("" if task.ended else "job", start, min(now, end + length * _MARGIN))


def _texts(tails: dict[str, Tail]) -> dict[str, list[str | None]]:
    return {name: [one.text, one.note] for name, one in tails.items()}


def _acts(words: Words, job: Job, task: Task | None) -> list[Act]:
    """Return what can be done now with a job, and with one task that was chosen."""
    found: list[Act] = []
    if task:
        found.append(_task_act(words, task))
    if job.state in {"waiting", "pending"} or (
        job.state == "running" and job.counts.get("pending")
    ):
        about = words.said("What has not started waits until it is released.")
        found.append(Act("hold", words.said("Hold"), about))
    if job.state == "held":
        about = words.said("It may start as soon as there is room.")
        found.append(Act("release", words.said("Release"), about))
    if job.state in states.UNFINISHED:
        about = words.said("What runs is ended, what waits never starts.")
        found.append(Act("cancel", words.said("Cancel"), about))
    else:
        about = words.said("It is started anew with the same values and the same number.")
        found.append(Act("requeue", words.said("Requeue"), about))
    return found


def _task_act(words: Words, task: Task) -> Act:
    if task.state in ENDED:
        about = words.said("This task alone is started anew.")
        return Act("requeue", words.tr("Requeue task {n}", n=str(task.index)), about, task.index)
    about = words.said("This task alone is ended.")
    return Act("cancel", words.tr("Cancel task {n}", n=str(task.index)), about, task.index)


def _moments(words: Words, job: Job) -> list[tuple[str, float, str]]:
    """Return the moments of a job's life, each with how long what came before it took."""
    waited = states.spent(words, (job.started or job.ended or words.now) - job.submitted)
    found = [(words.said("submitted"), job.submitted, "")]
    if job.started:
        found.append((words.said("started"), job.started, words.tr("after {time}", time=waited)))
    if job.ended:
        length = states.taken(words, job) or waited
        found.append((words.said("ended"), job.ended, words.tr("after {time}", time=length)))
    return found


def _told(words: Words, fates: Sequence[Fate]) -> list[tuple[str, float, str]]:
    """Return the last of the moments at which somebody was told, or could not be."""
    found: list[tuple[str, float, str]] = []
    for one in fates[-_MOST_TOLD:]:
        who = visible(one.who)
        text = {
            "told": words.tr("{who} was told", who=who),
            "given up": words.tr("{who} was not told, and will not be", who=who),
            "waiting": words.tr("{who} waits to be told", who=who),
        }[one.state]
        found.append((text, one.at, visible(one.error)))
    return found


def _files(job: Job, task: Task) -> dict[str, tuple[str, str]]:
    """Return for each stream the address of its file, and where that is on the nodes."""
    if not task.attempt:
        return {}
    request = job.request
    where = {"output": request.output, "error": request.error}
    return {
        name: (f"/jobs/{job.id}/{task.index}/{name}", visible(path)) for name, path in where.items()
    }


def _facts(words: Words, task: Task, *, many: bool) -> list[tuple[str, str]]:
    """Return what is known of the chosen task."""
    found = [(words.said("Task"), str(task.index))] if many else []
    found.append((words.said("State"), states.word(words, task.state)))
    text = states.why(words, task) if many else ""
    if text and text != states.ending(words, task):
        found.append((words.said("Why"), text))
    if ended := states.ending(words, task):
        found.append((words.said("Ended with"), ended))
    if task.attempt:
        found.append((words.said("Attempt"), str(task.attempt)))
    if task.started:
        found.append((words.said("Time"), states.taken(words, task)))
    if task.rss:
        found.append((words.said("Highest memory"), " ".join(quantity(task.rss, "bytes"))))
    return found


def _names(send: str) -> str:
    """Return the names of files that were sent along, without their digests."""
    return ", ".join(item.names(spelling.entries(send)))


def _asked_for(words: Words, job: Job) -> list[tuple[str, str]]:
    """Return all that was said in the request, as people type it."""
    return [
        (words.said(BY_NAME[name].label), visible(_names(text) if name == "send" else text))
        for name, text in form.texts(job.request).items()
        if name == "kind" or (name != "argv" and text != BY_NAME[name].default)
    ]
