"""Ask the manager about jobs, over its Unix socket: what `cl` and the library stand on.

Answers are JSON as Python has it. What is asked may be asked again after a broken connection:
a submission carries keys, and waiting goes on where it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from clsh.base import client
from clsh.base.client import BrokenOffError, NoManagerError
from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clsh.jobs.engine import Stream

_PATH = "/api/v1/jobs"
_WAIT_S = 10
_TRIES = 3
_PAUSE_S = 0.5
_PATIENCE_S = 120.0
_CHUNK = 1 << 18
OVER = frozenset({"done", "failed", "cancelled"})
OPEN = ("held", "waiting", "pending", "running")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """Some of an output file: the bytes, where the next ones begin, whether they are the last."""

    data: bytes
    next: int
    ended: bool


def submit(requests: Sequence[Mapping[str, object]], owner: str = "") -> list[int]:
    """Submit jobs, each the fields of the form, all or none; return their numbers.

    Files that `send` names are handed in first. Raises UsageError (whose words name the field)
    and what `clsh.base.client` does.
    """
    import json
    import secrets

    jobs = [
        request if request.get("key") else {**request, "key": secrets.token_hex(16)}
        for request in requests
    ]
    _hand_in(jobs)
    body = {"jobs": jobs, **({"owner": owner} if owner else {})}
    size = len(json.dumps(body))
    if size > client.LARGEST_SENT:
        raise UsageError(
            f"the jobs are {size:,} bytes, more than the {client.LARGEST_SENT:,} that are taken",
            hint="put long scripts and data into files that the nodes have",
        )
    return list(cast("dict[str, list[int]]", _insist(body))["jobs"])


def _hand_in(jobs: list[Mapping[str, object]]) -> None:
    """Put in place of paths what was handed in; each file once, however many jobs name it."""
    entries: dict[tuple[str, ...], list[str]] = {}
    for at, request in enumerate(jobs):
        if send := tuple(cast("Sequence[str]", request.get("send") or ())):
            from clsh.jobs.forms import handing

            if send not in entries:
                entries[send] = handing.all_of(send)
            jobs[at] = {**request, "send": entries[send]}


def _insist(body: object) -> object:
    """Send it again after a broken connection: the keys make it the same submission."""
    for attempt in range(_TRIES):
        try:
            return client.post(_PATH, body)
        except NoManagerError:
            if attempt == 0:  # else it may be starting anew
                raise
        except BrokenOffError:
            pass
        time.sleep(_PAUSE_S)
    return client.post(_PATH, body)


def listing(**asked: object) -> Row:
    """Return a page of jobs; the parameters are those of the API, lists where they may be."""
    query = {name: value for name, value in asked.items() if value not in (None, "", [])}
    return cast("Row", client.get(f"{_PATH}?{urlencode(query, doseq=True)}"))


def job(number: int, **asked: object) -> Row:
    """Return a job, what was asked for, and some of its tasks."""
    return cast("Row", client.get(f"{_PATH}/{number}?{urlencode(asked, doseq=True)}"))


def act(name: str, number: int, task: int | None = None) -> None:
    """Do one of cancel, hold, release and requeue to a job, or to one task of it."""
    query = "" if task is None else f"?task={task}"
    client.post(f"{_PATH}/{number}/{name}{query}")


def wait(number: int, timeout_s: float | None = None) -> Row:
    """Return a job, without its tasks, when it has ended; raises TimeoutError.

    A manager that restarts meanwhile is waited for.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    patience = Patience()
    seen = 0
    while True:
        left = _WAIT_S if until is None else min(_WAIT_S, until - time.monotonic())
        try:
            found = job(number, limit=0, seen=seen, wait=max(0, int(left)))
        except (NoManagerError, BrokenOffError) as error:
            patience.lose(error)
            continue
        patience.keep()
        if found["state"] in OVER:
            return found
        if until is not None and time.monotonic() >= until:
            raise TimeoutError(f"job {number} has not ended within {timeout_s:g} s")
        seen = found["version"]
        if left < 1:
            time.sleep(max(0.0, min(0.1, left)))


def read(
    number: int, stream: Stream, task: int | None = None, *, offset: int = 0, wait_s: int = 0
) -> Output:
    """Return some of what a task wrote from `offset` on, after `wait_s` at most."""
    asked: dict[str, object] = {"stream": stream, "offset": offset, "limit": _CHUNK, "wait": wait_s}
    if task is not None:
        asked["task"] = task
    answer = client.raw(f"{_PATH}/{number}/output?{urlencode(asked)}")
    told = answer.headers
    return Output(
        answer.data,
        int(told.get("clsh-next", offset + len(answer.data))),
        told.get("clsh-ended") == "yes",
    )


def tail(number: int, stream: Stream, task: int | None = None, *, size: int = 4096) -> bytes:
    """Return the last bytes of what a task wrote."""
    asked: dict[str, object] = {"stream": stream, "tail": size}
    if task is not None:
        asked["task"] = task
    return client.raw(f"{_PATH}/{number}/output?{urlencode(asked)}").data


def whole(number: int, stream: Stream, task: int | None = None) -> Iterator[bytes]:
    """Yield all that a task has written by now."""
    offset = 0
    while True:
        found = read(number, stream, task, offset=offset)
        if not found.data:
            return
        yield found.data
        offset = found.next


def follow(
    number: int, task: int | None = None, *, error: bool = True
) -> Iterator[tuple[Stream, bytes]]:
    """Yield what a task writes as it comes, until it has ended; b"" when nothing came.

    Without `error` standard error is left out. A manager that restarts is waited for.
    """
    open_: dict[Stream, int] = {"output": 0, **({"error": 0} if error else {})}
    patience = Patience()
    while open_:
        for stream, offset in list(open_.items()):
            # One is waited for, and the other looked at in between.
            wait_s = 2 if stream == "output" and len(open_) > 1 else _WAIT_S
            wait_s = 0 if stream == "error" and len(open_) > 1 else wait_s
            try:
                found = read(number, stream, task, offset=offset, wait_s=wait_s)
            except (NoManagerError, BrokenOffError) as lost:
                patience.lose(lost)
                continue
            patience.keep()
            open_[stream] = found.next
            if found.ended:
                del open_[stream]
            yield stream, found.data


class Patience:
    """How long a manager that is away is waited for."""

    def __init__(self) -> None:
        self._since: float | None = None

    def keep(self) -> None:
        """It answers."""
        self._since = None

    def lose(self, error: Exception) -> None:
        """It does not: pause; raises `error` when that lasts too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._since > _PATIENCE_S:
            raise error
        time.sleep(_PAUSE_S)
