"""Jobs from Python: submit, wait, read what they wrote, over the manager's Unix socket.

job = clsh.submit("./simulate --seed 1", memory="4G", time_limit="2h")
print(job.wait().status, job.output())

result = await clsh.submit("make", slots=8)  # or wait without holding up the event loop
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from clsh.base.errors import ClshError
from clsh.jobs.forms import asking, form, spelling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence
    from typing import Any, Self, Unpack

    from clsh.jobs.engine import Stream
    from clsh.jobs.model import JobState, Kind, Metric, Restart

_SLICE_S = 2.0  # a cancelled `await` leaves a thread behind for as long


class JobFailedError(ClshError):
    """A job did not end well."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended. Of a job with several tasks `status` is 0 or None.

    `status` is the exit status, None when `signal` ended it, or nothing of it ran.
    """

    job: int
    state: Literal["done", "failed", "cancelled"]
    status: int | None
    signal: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether all of it is done with status 0."""
        return self.state == "done"

    def check(self) -> Self:
        """Return itself when `ok`; raises JobFailedError."""
        if self.ok:
            return self
        how = f"exit {self.status}" if self.status is not None else self.signal or self.state
        raise JobFailedError(
            f"job {self.job} {self.state}: {self.reason or how}", hint=f"cl job {self.job}"
        )


class Submitted:
    """A job of the manager, by its number; its methods raise ClshError as `cl` tells it.

    `await job` returns its Ended as `wait` does; a cancel leaves the job running.
    """

    def __init__(self, number: int) -> None:
        self.id = number

    def __repr__(self) -> str:
        return f"Submitted({self.id})"

    @property
    def state(self) -> JobState:
        """Its state now."""
        return cast("JobState", asking.job(self.id, limit=0)["state"])

    def wait(self, timeout_s: float | None = None) -> Ended:
        """Return how it ended, when it has; raises TimeoutError."""
        return self._ended(asking.wait(self.id, timeout_s))

    def __await__(self) -> Generator[Any, None, Ended]:
        return self._until_ended().__await__()

    async def _until_ended(self) -> Ended:
        while True:
            try:
                return await asyncio.to_thread(self.wait, _SLICE_S)
            except TimeoutError:
                continue

    def _ended(self, job: Mapping[str, Any]) -> Ended:
        told = asking.job(self.id, limit=2)
        if told["total"] != 1:
            status = 0 if job["state"] == "done" else None
            return Ended(self.id, job["state"], status, reason=job["reason"])
        task = told["tasks"][0]
        reason = task["reason"] or job["reason"]
        return Ended(self.id, job["state"], task["status"], task["signal"], reason)

    def output(self, task: int | None = None) -> bytes:
        """Return all that it, or one task of it, has written to its standard output by now."""
        return b"".join(asking.whole(self.id, "output", task))

    def error(self, task: int | None = None) -> bytes:
        """Return all of its standard error by now."""
        return b"".join(asking.whole(self.id, "error", task))

    async def stream(self, task: int | None = None) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """Yield what it writes as it comes, as bytes, until it has ended."""
        parts = asking.follow(self.id, task)
        while True:
            part = await asyncio.to_thread(next, parts, None)
            if part is None:
                return
            if part[1]:
                yield part

    def cancel(self) -> None:
        """End it."""
        asking.act("cancel", self.id)

    def hold(self) -> None:
        """Do not start it."""
        asking.act("hold", self.id)

    def release(self) -> None:
        """Let it start."""
        asking.act("release", self.id)

    def requeue(self) -> None:
        """Run it again."""
        asking.act("requeue", self.id)


class Fields(TypedDict, total=False):
    """The fields of the form, as texts or as Python has them; docs/reference/jobs.md."""

    name: str
    kind: Kind
    directory: str
    input: str
    output: str
    error: str
    environment: Mapping[str, str]
    send: Sequence[str]
    priority: int
    slots: int
    memory: int | str
    rss_limit: int | str
    time_limit: int | str
    gpus: int
    tasks: int
    tasks_per_node: int
    once: bool
    array: str | Iterable[int]
    metric: Metric
    nodes: str | Sequence[str]
    after: str | Submitted | Sequence[Submitted]
    restart: Restart
    again: int
    restart_argv: str | Sequence[str]
    checkpoint_signal: str
    notify: Sequence[str]
    held: bool
    key: str


def submit(command: str | Sequence[str], **fields: Unpack[Fields]) -> Submitted:
    """Submit a command: words, or one text that is split as a shell splits it, and run by none.

    It takes some milliseconds; within an event loop use `asubmit`. Raises RequestError, which
    names the field, and what is wrong with the manager.
    """
    request = form.read({"argv": _words(command), **plain(fields)})
    (number,) = asking.submit([form.native(request)])
    return Submitted(number)


async def asubmit(command: str | Sequence[str], **fields: Unpack[Fields]) -> Submitted:
    """Submit as `submit` does, without holding up the event loop."""
    return await asyncio.to_thread(submit, command, **fields)


def _words(command: str | Sequence[str]) -> str | list[str]:
    return command if isinstance(command, str) else list(command)


def plain(fields: Fields) -> dict[str, object]:
    """Return the fields as `clsh.jobs.forms.form` reads them."""
    found: dict[str, object] = dict(fields)
    array, after = fields.get("array"), fields.get("after")
    if array is not None and not isinstance(array, str):
        found["array"] = spelling.from_array(sorted(set(array)))
    if isinstance(after, Submitted):
        found["after"] = str(after.id)
    elif after is not None and not isinstance(after, str):
        found["after"] = ",".join(str(job.id) for job in after)
    return found
