"""A `concurrent.futures.Executor` whose workers are jobs on the cluster.

with clsh.Executor(memory="2G") as executor:
    print(list(executor.map(simulation.run, range(100))))

Each call is a job: `python3` on a node imports the function by its name and calls it. What it
prints is the job's standard error; its result is the job's output.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import functools
import os
import pickle
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from clsh.base.client import BrokenOffError, NoManagerError
from clsh.base.errors import ClshError, UsageError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import asking, form
from clsh.submitted import Fields, JobFailedError, Submitted, plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

P = ParamSpec("P")
T = TypeVar("T")
_CALL = "CLSH_CALL"
_SIGN = b"clsh-result "
_LONGEST_NAME = 100
_MOST_CALL = 90 * 1024
_AT_ONCE = 50
_BYTES_AT_ONCE = 128 * 1024
_WINDOW = 500
_PACE_S = 0.05
_AGAIN_S = 2.0
_WAIT_S = 2
_TRIES = 5

# Runs on the node: its own standard library is all that it needs.
_RUN = """\
import base64, os, pickle, sys, traceback
sink = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
try:
    call, args, named = pickle.loads(base64.b64decode(os.environ.pop("CLSH_CALL")))
    told = (True, call(*args, **named), "")
except BaseException as error:
    told = (False, error, traceback.format_exc())
try:
    data = pickle.dumps(told, 4)
    pickle.loads(data)
except Exception as error:
    told = (False, TypeError("cannot pickle what came of it: %r" % (error,)), told[2])
    data = pickle.dumps(told, 4)
sink.write(b"clsh-result %d\\n" % len(data) + data)
sink.close()
sys.exit(0 if told[0] else 1)
"""


class RemoteTraceback(Exception):  # noqa: N818 - it is the cause of an error, as in the library
    """Where on the node an exception was raised, as text."""


@dataclass(frozen=True, slots=True)
class _Call:
    request: dict[str, object]
    size: int
    future: concurrent.futures.Future[Any]


class Executor(concurrent.futures.Executor):
    """Runs calls as jobs; `fields` are those of `clsh.submit`, for each of them.

    `directory` is where modules are looked for as well, by default the working directory:
    nodes must have it. `python` is the interpreter on the nodes. The functions must be
    importable there by name; arguments and results are pickled, 90 KiB at most for a call.
    At most `window` calls are jobs at a time, the others wait here.

    A future that is cancelled ends its job, even a running one. An exception comes back with a
    RemoteTraceback as its cause; JobFailedError tells of a job that ended in another way.
    Results are unpickled here, so the nodes are trusted as much as one's own account.
    """

    def __init__(
        self, *, python: str = "python3", window: int = _WINDOW, **fields: Unpack[Fields]
    ) -> None:
        self._tag = f"call-{secrets.token_hex(8)}"
        fields.setdefault("directory", os.getcwd())  # noqa: PTH109 - a text, as the form has it
        own = {"argv": [python, "-c", _RUN, self._tag]}  # the last is what its jobs are found by
        self._fields = form.native(form.read({**plain(fields), **own}))
        for name in ("output", "array", "tasks"):
            if name in self._fields:
                raise RequestError(name, f"a call has no {name}", hint="leave it out")
        self._window = window
        self._news = threading.Condition()
        self._unsent: deque[_Call] = deque()
        self._open: dict[int, concurrent.futures.Future[Any]] = {}
        self._unwanted: deque[int] = deque()
        self._sending = 0
        self._handed: dict[str, object] = {}
        self._closed = False
        self._threads: list[threading.Thread] = []

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Call `fn` on a node; raises UsageError for what cannot be sent there."""
        payload = _payload(fn, args, kwargs)
        environment: Any = self._fields.get("environment", {})
        request = {**self._fields, "environment": {**environment, _CALL: payload}}
        request.setdefault("name", str(getattr(fn, "__qualname__", "call"))[:_LONGEST_NAME])
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        with self._news:
            if self._closed:
                raise RuntimeError("the executor was shut down: no call can be submitted")
            self._unsent.append(_Call(request, len(payload), future))
            self._start()
            self._news.notify_all()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with `wait` return when all have ended."""
        with self._news:
            self._closed = True
            futures = [call.future for call in self._unsent] + list(self._open.values())
            self._news.notify_all()
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()

    def _start(self) -> None:
        if not self._threads:
            for doing in (self._send, self._watch):
                thread = threading.Thread(target=doing, name=f"clsh {self._tag}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _is_over(self) -> bool:
        return self._closed and not (self._unsent or self._open or self._sending or self._unwanted)

    # The sender: calls become jobs, unwanted jobs are cancelled.

    def _send(self) -> None:
        while True:
            with self._news:
                while not (self._may_send() or self._unwanted or self._is_over()):
                    self._news.wait()
                if self._is_over():
                    self._news.notify_all()
                    return
                calls = self._batch() if self._may_send() else []
                self._sending = len(calls)
                unwanted = list(self._unwanted)
                self._unwanted.clear()
            if calls:
                self._submit(calls)
            for number in unwanted:
                _cancel(number)

    def _may_send(self) -> bool:
        return bool(self._unsent) and len(self._open) < self._window

    def _batch(self) -> list[_Call]:
        calls: list[_Call] = []
        most = min(_AT_ONCE, self._window - len(self._open))
        size = 0
        while self._unsent and len(calls) < most:
            size += self._unsent[0].size + len(_RUN) + 1000
            if calls and size > _BYTES_AT_ONCE:
                break
            calls.append(self._unsent.popleft())
        return calls

    def _submit(self, calls: list[_Call]) -> None:
        wanted = [call for call in calls if not call.future.cancelled()]
        numbers: list[int] = []
        try:
            if wanted:
                sent = _insist(self._hand_in)
                key = secrets.token_hex
                requests = [{**call.request, **sent, "key": key(16)} for call in wanted]
                numbers = _insist(lambda: asking.submit(requests))
        except ClshError as error:
            for call in wanted:
                _fail(call.future, error)
        with self._news:
            self._sending = 0
            for call, number in zip(wanted, numbers, strict=False):
                self._open[number] = call.future
            self._news.notify_all()
        for call, number in zip(wanted, numbers, strict=False):
            call.future.add_done_callback(functools.partial(self._forget, number))

    def _hand_in(self) -> dict[str, object]:
        """Return what names the files that all calls have; they are handed in once."""
        if not self._handed and (send := self._fields.get("send")):
            from clsh.jobs.forms import handing

            self._handed["send"] = handing.all_of(cast("list[str]", send))
        return self._handed

    def _forget(self, number: int, future: concurrent.futures.Future[Any]) -> None:
        with self._news:
            if self._open.pop(number, None) is not None and future.cancelled():
                self._unwanted.append(number)
            self._news.notify_all()

    # The watcher: jobs that have ended become results.

    def _watch(self) -> None:
        patience, seen = asking.Patience(), 0
        tries: dict[int, int] = {}
        known: set[int] = set()
        while True:
            with self._news:
                while not (self._open or self._is_over()):
                    self._news.wait()
                if self._is_over():
                    self._news.notify_all()
                    return
                before = dict(self._open)
            if before.keys() - known or tries:
                seen = 0  # a new one may have ended before it was known
            known = set(before)
            try:
                told = asking.listing(
                    q=self._tag, state=list(asking.OPEN), limit=1000, seen=seen, wait=_WAIT_S
                )
                alive = {row["id"] for row in told["jobs"]}
                for number, future in before.items():
                    if number not in alive:
                        self._end(number, future, tries)
            except ClshError as error:
                if not _waits(patience, error):
                    for future in before.values():
                        _fail(future, error)
                continue
            patience.keep()
            seen = told["version"]
            # Many ends that come together are one round.
            time.sleep(_AGAIN_S if tries else _PACE_S)

    def _end(
        self, number: int, future: concurrent.futures.Future[Any], tries: dict[int, int]
    ) -> None:
        try:
            ended = Submitted(number).wait(_WAIT_S)
            data = b"" if ended.state == "cancelled" else Submitted(number).output()
        except (NoManagerError, BrokenOffError):
            raise
        except (ClshError, TimeoutError) as error:  # its node may be back soon
            tries[number] = tries.get(number, 0) + 1
            if tries[number] >= _TRIES:
                del tries[number]
                _fail(future, error)
            return
        tries.pop(number, None)
        if ended.state == "cancelled":
            future.cancel()
        elif future.set_running_or_notify_cancel():
            _settle(future, ended.check, data)
        with self._news:
            self._open.pop(number, None)
            self._news.notify_all()


def _payload(call: object, args: object, named: object) -> str:
    if getattr(call, "__module__", "") == "__main__":
        raise UsageError(
            f"the nodes cannot import {getattr(call, '__qualname__', call)!s} from __main__",
            hint="put it into a module that they have, and import that",
        )
    try:
        data = pickle.dumps((call, args, named), protocol=4)
    except Exception as error:  # whatever the objects of others raise
        raise UsageError(
            f"the call cannot be pickled: {error}",
            hint="a function needs a name in a module; arguments need to be data",
        ) from error
    text = base64.b64encode(data).decode()
    if len(text) > _MOST_CALL:
        raise UsageError(
            f"a call of {len(text):,} bytes is larger than {_MOST_CALL:,}",
            hint="put the data into a file that the nodes have, and send its name",
        )
    return text


def _insist(doing: Callable[[], T]) -> T:
    """Do something, waiting for a manager that restarts."""
    patience = asking.Patience()
    while True:
        try:
            return doing()
        except ClshError as error:
            if not _waits(patience, error):
                raise


def _waits(patience: asking.Patience, error: ClshError) -> bool:
    """Pause for a manager that is away; returns False when it has been for too long."""
    if not isinstance(error, NoManagerError | BrokenOffError):
        return False
    try:
        patience.lose(error)
    except ClshError:
        return False
    return True


def _cancel(number: int) -> None:
    with contextlib.suppress(ClshError):  # it has ended, or cannot be asked: nobody waits for it
        asking.act("cancel", number)


def _fail(future: concurrent.futures.Future[Any], error: Exception) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)


def _settle(
    future: concurrent.futures.Future[Any], check: Callable[[], object], data: bytes
) -> None:
    """Give a future what its job wrote, or what else became of it."""
    head, _, rest = data.partition(b"\n")
    if not head.startswith(_SIGN) or head.removeprefix(_SIGN) != b"%d" % len(rest):
        try:
            check()
        except ClshError as error:
            future.set_exception(error)
        else:
            future.set_exception(JobFailedError("the job ended without a result"))
        return
    try:
        good, value, trace = pickle.loads(rest)  # noqa: S301 - the user's own job wrote it
        if not good:
            value.__cause__ = RemoteTraceback(f"\n{trace}")
    except Exception as error:  # noqa: BLE001 - whatever the objects of others raise
        future.set_exception(JobFailedError(f"the result cannot be unpickled here: {error!r}"))
        return
    if good:
        future.set_result(value)
    else:
        future.set_exception(value)
