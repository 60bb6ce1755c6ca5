"""The form of a new job: every field with its help, what the cluster has, and what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.jobs.forms import form, spelling
from clsh.jobs.forms.fields import BY_NAME, FIELDS
from clsh.jobs.sent import item
from clsh.jobs.wish import TaskWish, Wish
from clsh.web.pages.asked import Page
from clsh.web.pages.jobs import files, posted
from clsh.web.pages.jobs.hints import hints
from clsh.web.pages.words import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.base.errors import ClshError
    from clsh.base.users import User
    from clsh.jobs.errors import RequestError
    from clsh.jobs.forms.fields import Field
    from clsh.jobs.service import Jobs
    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.words import Words

_GROUPS = (
    ("kind", "argv", "name", "directory"),
    ("array", "tasks", "tasks_per_node", "once"),
    ("slots", "memory", "rss_limit", "time_limit", "gpus"),
    ("metric", "nodes", "priority", "after", "held"),
    ("input", "output", "error", "environment", "send"),
    ("restart", "again", "restart_argv", "checkpoint_signal"),
)
_CONTROLS = {"kind": "radio", "send": "files"}
_OWN = "key"  # it is made of the form itself
_ONCE = ("after", "held", "key", "send")  # what the next job does not take over


@dataclass(frozen=True, slots=True)
class Line:
    """A field as it is drawn; `error` says what is wrong with its value, `remedy` what is right."""

    name: str
    label: str
    control: str
    help: str
    hint: str
    value: str
    usual: str
    options: Sequence[tuple[str, str]]
    kinds: str
    error: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What came back from a form that could not be taken: its fields, and why not."""

    given: Mapping[str, str]
    wrong: Mapping[str, RequestError]
    problem: ClshError | None = None


async def page(
    service: Jobs, monitor: Monitor, user: User, asked: Asked, typed: Typed | None = None
) -> Page:
    """Return the page; raises NoJobError when it is to be like a job that this user has not."""
    newest = await service.jobs(user, Wish(owner=user.name, limit=1))
    number = newest.jobs[0].id if newest.jobs else 0
    given, like = await _filled(service, user, asked, number)
    if typed:
        given, like = typed.given, 0
    wrong: Mapping[str, RequestError] = typed.wrong if typed else {}
    known = hints(monitor.grid, asked.words, number)
    groups = [
        (title, [_line(asked.words, BY_NAME[name], given, known, wrong) for name in names])
        for title, names in zip(_titles(asked.words), _grouped(), strict=True)
    ]
    values: dict[str, object] = {
        "groups": groups,
        "token": posted.token_of(given),
        "like": like,
        "like_link": asked.link(f"/jobs/{like}"),
        "empty_link": asked.link("/jobs/new", like="none"),
        "jobs_link": asked.link("/jobs"),
        "action": asked.link("/jobs/new"),
        "errors": [line for _, lines in groups for line in lines if line.error],
        "problem": _problem(asked.words, typed),
    }
    return Page("jobs/new.html", values, "jobs")


async def _filled(
    service: Jobs, user: User, asked: Asked, newest: int
) -> tuple[Mapping[str, str], int]:
    """Return what the fields begin with, and the job that has these values (0: none)."""
    like = asked.query.get("like", "")
    number = files.number(like) if like else newest
    if like == "none" or not number:
        return {}, 0
    job, _ = await service.job(user, number, TaskWish(limit=0))
    return _typed_again(form.texts(job.request), (_OWN,) if like else _ONCE), number


def _typed_again(texts: Mapping[str, str], left_out: Sequence[str]) -> dict[str, str]:
    """Return what has to be typed to ask for the same; what is usual is left to be guessed."""
    guessed = {
        "metric": "nodes" not in texts,
        "again": "restart" not in texts,
        "kind": False,
    }
    return {
        name: text
        for name, text in texts.items()
        if name not in left_out and not (text == BY_NAME[name].default and guessed.get(name, True))
    }


def _grouped() -> list[tuple[str, ...]]:
    """Return the names of the fields in their groups; those of no group stand in the last."""
    placed = {name for names in _GROUPS for name in names} | {_OWN}
    return [*_GROUPS, tuple(field.name for field in FIELDS if field.name not in placed)]


def _titles(words: Words) -> list[str]:
    return [
        words.said("What runs"),
        words.said("Tasks"),
        words.said("What it needs"),
        words.said("Where and when"),
        words.said("Files"),
        words.said("After an abnormal end"),
        words.said("At the end"),
    ]


def _line(
    words: Words,
    field: Field,
    given: Mapping[str, str],
    known: Mapping[str, str],
    wrong: Mapping[str, RequestError],
) -> Line:
    error = wrong.get(field.name)
    everywhere = len(field.kinds) == len(BY_NAME["kind"].choices)
    return Line(
        field.name,
        # Alone it would be taken for the head of the monitoring's cells, which says the same.
        words.said("Choose nodes by") if field.name == "metric" else words.said(field.label),
        _control(field),
        _help(words, field),
        known.get(field.name, ""),
        given.get(field.name, field.default if field.name == "kind" else ""),
        field.default,
        _files(given.get(field.name, "")) if field.name == "send" else _options(words, field),
        "" if everywhere else " ".join(field.kinds),
        words.said(str(error)) if error else "",
        words.said(error.hint) if error else "",
    )


def _control(field: Field) -> str:
    if field.name in _CONTROLS:
        return _CONTROLS[field.name]
    return {"choice": "select", "environment": "area", "truth": "tick"}.get(field.kind, "text")


def _help(words: Words, field: Field) -> str:
    """Return the line of help, where that of the table speaks of the command line."""
    return {
        "output": words.said("standard output, likewise; without it it is kept for the job's page"),
        "tasks": words.said("ranks of MPI, or independent tasks where no array is given"),
        "again": words.said("how often it is restarted without being asked, once if not said"),
        "held": words.said("do not start it before it is released"),
        "send": words.said(
            "put into a directory of the job first: it runs there unless a directory is given"
        ),
        "kind": "",
    }.get(field.name, words.said(field.help))


def _files(text: str) -> list[tuple[str, str]]:
    """Return the files that were handed in for this form or for the job before, by their names."""
    found: list[tuple[str, str]] = []
    for one in spelling.entries(text):
        try:
            found.append((one, visible(item.read(one).name)))
        except ValueError:
            continue
    return found


def _options(words: Words, field: Field) -> list[tuple[str, str]]:
    said = {
        "kind": {
            "single": words.said("single: one process"),
            "batch": words.said("batch: independent tasks, an array"),
            "parallel": words.said("parallel: ranks of MPI that start together"),
        },
        "metric": {
            "": words.said("as usual: load, or the named nodes"),
            "load": words.said("load average of a core"),
            "queue": words.said("runnable processes of a core"),
            "load+memory": words.said("load and memory together"),
            "free": words.said("most free cores"),
            "round-robin": words.said("in turn"),
            "named": words.said("the named nodes, in their order"),
        },
        "restart": {
            "none": words.said("nothing: it has failed"),
            "start": words.said("again from the start"),
            "own": words.said("go on from its own checkpoint"),
            "criu": words.said("go on from a checkpoint of CRIU"),
            "dmtcp": words.said("go on from a checkpoint of DMTCP"),
        },
    }.get(field.name, {})
    names = [*([""] if "" in said else []), *field.choices]
    return [(name, said.get(name, name)) for name in names]


def _problem(words: Words, typed: Typed | None) -> tuple[str, str]:
    """Return what is wrong with the whole, and what to do."""
    if typed is None:
        return "", ""
    error = typed.problem or next(
        (error for name, error in typed.wrong.items() if name not in BY_NAME or name == _OWN), None
    )
    return (words.said(str(error)), words.said(error.hint)) if error else ("", "")
