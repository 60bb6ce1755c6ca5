"""What may be asked for: each request is checked before anything else looks at it. Pure.

Every refusal is a RequestError that names the field. What depends on nodes, on other jobs or
on the engine is checked by the service.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from clsh.base.errors import UsageError
from clsh.base.messages import tr
from clsh.jobs.errors import RequestError
from clsh.jobs.model import After, Kind, Metric, Restart
from clsh.jobs.notices import wanted
from clsh.jobs.notices.wanted import HOW
from clsh.jobs.sent import item
from clsh.nodes.model import node_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clsh.jobs.model import Request

MOST_TASKS = 100_000
MOST_WORDS = 10_000
LONGEST_ARGV = 128 << 10
LONGEST_NAME = 100
LONGEST_PATH = 4095
MOST_PRIORITY = 1000
_LONGEST_KEY = 200
_MOST_AFTER = 1000
_MOST_NOTIFY = 10
_MOST_EACH = 1000
_GREATEST = 1 << 62
_GREATEST_INDEX = 1_000_000_000
_YEAR_S = 366 * 86400

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SIGNAL = re.compile(r"[A-Z][A-Z0-9+-]{1,15}", re.ASCII)
_PATTERN = re.compile(r"%(.?)", re.DOTALL)
_LETTERS = "jtN%"


def check(request: Request) -> None:
    """Raise RequestError for the first field that cannot be taken."""
    for rule in _RULES:
        rule(request)


def _argv(request: Request) -> None:
    _words("argv", request.argv)
    if not request.argv or not request.argv[0]:
        raise _bad("argv", tr("there is nothing to run"), tr("give a program and its arguments"))
    _words("restart_argv", request.restart_argv)


def _words(field: str, argv: Iterable[str]) -> None:
    words = list(argv)
    for word in words:
        _encoded(field, word)
    if len(words) > MOST_WORDS or sum(len(word) + 1 for word in words) > LONGEST_ARGV:
        raise _bad(
            field,
            tr("the command is longer than {most} bytes", most=LONGEST_ARGV),
            tr("put its arguments into a file"),
        )


def _encoded(field: str, text: str) -> None:
    """Refuse what cannot be a word of a command, or part of a file name."""
    if "\0" in text:
        raise _bad(field, tr("there is a NUL byte in it"), tr("leave it out"))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _bad(field, tr("it is not valid text"), tr("write it in UTF-8")) from None


def _names(request: Request) -> None:
    for field, text, longest in (
        ("name", request.name, LONGEST_NAME),
        ("key", request.key, _LONGEST_KEY),
    ):
        if len(text) > longest or not text.isprintable():
            raise _bad(field, tr("at most {most} printable characters", most=longest))
        _encoded(field, text)


def _notify(request: Request) -> None:
    if len(request.notify) > _MOST_NOTIFY:
        raise _bad("notify", tr("at most {most} receivers", most=_MOST_NOTIFY))
    for text in request.notify:
        try:
            each = wanted.read(text).each
        except ValueError:
            raise _bad("notify", tr("{text} cannot be told", text=repr(text)), tr(HOW)) from None
        if each and len(request.array) > _MOST_EACH:
            raise _bad(
                "notify",
                tr("of more than {most} tasks nobody is told one by one", most=_MOST_EACH),
                tr("leave `tasks` out: then the job is told as a whole"),
            )


def _choices(request: Request) -> None:
    for field, value, words in (
        ("kind", request.kind, get_args(Kind)),
        ("metric", request.metric, get_args(Metric)),
        ("restart", request.restart, get_args(Restart)),
    ):
        if value not in words:
            raise _bad(field, tr("one of: {words}", words=", ".join(words)))


def _files(request: Request) -> None:
    for field in ("directory", "input", "output", "error"):
        _path(field, getattr(request, field), patterned=field != "directory")


def _send(request: Request) -> None:
    if len(request.send) > item.MOST:
        raise _bad("send", tr("at most {most} files", most=item.MOST), tr("pack them: tar"))
    names: set[str] = set()
    for text in request.send:
        try:
            name = item.read(text).name
        except ValueError:
            raise _bad(
                "send",
                tr("{text} was not handed in", text=repr(text[:80])),
                tr("cl submit --send FILE hands a file in; so does POST /api/v1/jobs/files"),
            ) from None
        if name in names:
            raise _bad("send", tr("two files are called {name}", name=name), tr("rename one"))
        names.add(name)


def _path(field: str, path: str, *, patterned: bool = False) -> None:
    _encoded(field, path)
    if len(path.encode()) > LONGEST_PATH:
        raise _bad(field, tr("a file name of at most {most} bytes", most=LONGEST_PATH))
    for letter in _PATTERN.findall(path) if patterned else ():
        if not letter or letter not in _LETTERS:
            raise _bad(
                field,
                tr("%{letter} means nothing", letter=letter),
                tr("%j is the job, %t the task, %N the node, %% a percent sign"),
            )


def _environment(request: Request) -> None:
    for name, value in request.environment.items():
        if not _VARIABLE.fullmatch(name):
            raise _bad("environment", tr("{name!r} cannot be the name of a variable", name=name))
        _encoded("environment", value)
    if sum(len(n) + len(v) + 2 for n, v in request.environment.items()) > LONGEST_ARGV:
        raise _bad("environment", tr("it is longer than {most} bytes", most=LONGEST_ARGV))


def _numbers(request: Request) -> None:
    for field, low, high in (
        ("priority", -MOST_PRIORITY, MOST_PRIORITY),
        ("slots", 1, 100_000),
        ("memory", 0, _GREATEST),
        ("rss_limit", 0, _GREATEST),
        ("time_limit", 0, _YEAR_S),
        ("gpus", 0, 1000),
        ("tasks", 1, MOST_TASKS),
        ("tasks_per_node", 0, MOST_TASKS),
        ("at_once", 0, MOST_TASKS),
        ("again", 0, 1000),
    ):
        value = getattr(request, field)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _bad(field, tr("a whole number from {low} to {high}", low=low, high=high))


def _kinds(request: Request) -> None:
    if request.kind == "batch":
        if not request.array:
            raise _bad("array", tr("a batch needs indexes"), tr("for example 1-100"))
    elif request.array:
        raise _bad("array", tr("only a batch has indexes"), tr("choose the class batch"))
    elif request.at_once:
        raise _bad("at_once", tr("only a batch has it"), tr("choose the class batch"))
    if request.kind != "parallel":
        if request.tasks != 1:
            raise _bad("tasks", tr("only a parallel job has ranks"), tr("a batch has an array"))
        if request.tasks_per_node:
            raise _bad("tasks_per_node", tr("only a parallel job has ranks"))
        if request.once:
            raise _bad("once", tr("only a parallel job has ranks"))


def _array(request: Request) -> None:
    if len(request.array) > MOST_TASKS:
        raise _bad("array", tr("at most {most} tasks", most=MOST_TASKS))
    if len(set(request.array)) != len(request.array):
        raise _bad("array", tr("an index is given twice"))
    if request.array and not 0 <= min(request.array) <= max(request.array) <= _GREATEST_INDEX:
        raise _bad("array", tr("a whole number from {low} to {high}", low=0, high=_GREATEST_INDEX))


def _nodes(request: Request) -> None:
    for node in request.nodes:
        try:
            node_name(node)
        except UsageError as error:
            raise RequestError("nodes", str(error), hint=error.hint) from error
    if len(set(request.nodes)) != len(request.nodes):
        raise _bad("nodes", tr("a node is named twice"))
    if request.metric == "named" and not request.nodes:
        raise _bad("nodes", tr("no node is named"), tr("name some, or choose another metric"))


def _after(request: Request) -> None:
    if len(request.after) > _MOST_AFTER:
        raise _bad("after", tr("at most {most} jobs", most=_MOST_AFTER))
    for job, when in request.after:
        if job < 1 or job > _GREATEST:
            raise _bad("after", tr("there is no job {job}", job=job))
        if when not in get_args(After):
            raise _bad("after", tr("one of: {words}", words=", ".join(get_args(After))))


def _restarting(request: Request) -> None:
    signal = request.checkpoint_signal
    if signal and not _SIGNAL.fullmatch(signal):
        raise _bad("checkpoint_signal", tr("a signal such as USR1"))
    if request.restart == "none" and request.again:
        raise _bad(
            "again", tr("nothing is started again without a restart"), tr("choose how to restart")
        )


def _bad(field: str, message: str, hint: str = "") -> RequestError:
    return RequestError(field, f"{field}: {message}", hint=hint)


_RULES: tuple[Callable[[Request], None], ...] = (
    _choices,
    _numbers,
    _kinds,
    _array,
    _argv,
    _names,
    _notify,
    _files,
    _send,
    _environment,
    _nodes,
    _after,
    _restarting,
)
