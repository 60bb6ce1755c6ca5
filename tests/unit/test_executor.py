"""Calls as jobs, which are processes of this machine here."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import math
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import clsh
from clsh import executor
from clsh.base import client
from clsh.base.errors import ClshError, UnreachableError, UsageError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import asking
from clsh.submitted import JobFailedError
from tests.support.job_manager import managed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.job_manager import Managed

MODULE = """\
class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a)

def prints(x):
    print("hello")
    return x

def fails():
    raise ValueError("not today")

def odd():
    raise Odd(1, 2)

def unpicklable():
    return lambda: 1

def exits(status):
    import os
    print("going", flush=True)
    os._exit(status)
"""


@pytest.fixture
def manager() -> Iterator[Managed]:
    with managed() as running:
        yield running


@pytest.fixture
def running() -> Iterator[Managed]:
    with managed(runs=True) as found:
        yield found


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that both sides have."""
    (tmp_path / "there.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import there  # type: ignore[import-not-found]  # it was made above

    yield there
    del sys.modules["there"]


def test_results_in_their_order(running: Managed) -> None:
    with clsh.Executor(memory="1G") as cluster:
        assert list(cluster.map(math.factorial, range(5))) == [1, 1, 2, 6, 24]
        assert cluster.submit(int, "ff", base=16).result() == 255
    asked = [job.request for job in running.jobs.found.values()]
    assert {request.name for request in asked} == {"factorial", "int"}
    assert asked[0].memory == 1 << 30


def test_files_are_handed_in_once(running: Managed, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"abc")
    with clsh.Executor(python=sys.executable, send=[str(tmp_path / "data")], window=2) as cluster:
        assert list(cluster.map(math.sqrt, [1, 4, 9, 16])) == [1, 2, 3, 4]
    entry = f"{hashlib.sha256(b'abc').hexdigest()}:data"
    assert {job.request.send for job in running.jobs.found.values()} == {(entry,)}
    assert list(running.jobs.files.values()) == [b"abc"]
    with clsh.Executor(send=[str(tmp_path / "missing")]) as cluster:
        call = cluster.submit(math.sqrt, 4)
        with pytest.raises(ClshError, match="cannot read"):
            call.result(20)


def test_exceptions_come_back(running: Managed, there: Any) -> None:
    with clsh.Executor() as cluster:
        with pytest.raises(ValueError, match="not today") as caught:
            cluster.submit(there.fails).result()
        assert 'raise ValueError("not today")' in str(caught.value.__cause__)
        with pytest.raises(ZeroDivisionError):
            cluster.submit(operator.truediv, 1, 0).result()
        for call in (there.unpicklable, there.odd):
            with pytest.raises(TypeError, match="cannot pickle what came of it"):
                cluster.submit(call).result()
    assert running.jobs.found[1].state == "failed"


def test_what_is_printed_is_the_error_stream(running: Managed, there: Any) -> None:
    with clsh.Executor() as cluster:
        assert cluster.submit(there.prints, 5).result() == 5
    assert running.jobs.out[1, 0, "error"] == b"hello\n"


def test_a_job_without_a_result(running: Managed, there: Any) -> None:
    with clsh.Executor() as cluster:
        with pytest.raises(JobFailedError, match="job 1 failed: exit 9"):
            cluster.submit(there.exits, 9).result()
        with pytest.raises(JobFailedError, match="ended without a result"):
            cluster.submit(there.exits, 0).result()


def test_a_running_call_is_cancelled(running: Managed) -> None:
    with clsh.Executor() as cluster:
        future = cluster.submit(signal.pause)
        deadline = time.monotonic() + 20
        while not running.jobs.found and time.monotonic() < deadline:
            time.sleep(0.01)
        assert future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
    assert ("cancel", 1, None) in running.jobs.acts


def test_a_job_that_somebody_cancelled(manager: Managed) -> None:
    with clsh.Executor() as cluster:
        future = cluster.submit(signal.pause)
        while not manager.jobs.found:
            time.sleep(0.01)
        manager.call(lambda: manager.jobs.move(1, state="cancelled"))
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(20)


def test_shutdown(manager: Managed) -> None:
    cluster = clsh.Executor(window=2)
    futures = [cluster.submit(math.factorial, n) for n in range(5)]
    deadline = time.monotonic() + 20
    while len(manager.jobs.found) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(manager.jobs.found) == 2, "no more than the window"
    cluster.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="was shut down"):
        cluster.submit(math.factorial, 1)
    cluster.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert sorted(number for _, number, _ in manager.jobs.acts) == [1, 2]
    assert not [one for one in threading.enumerate() if one.name.startswith("clsh call-")]


def test_shutdown_of_one_that_did_nothing() -> None:
    with clsh.Executor():
        pass


def local() -> None: ...


@pytest.mark.parametrize(
    ("call", "args", "error"),
    [
        (lambda: 1, (), "cannot be pickled"),
        (len, ("x" * 100_000,), "larger than 92,160"),
        (local, (), "cannot import local from __main__"),
    ],
)
def test_what_cannot_be_sent(call: Any, args: Any, error: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(local, "__module__", "__main__")
    with clsh.Executor() as cluster, pytest.raises(UsageError, match=error):
        cluster.submit(call, *args)


@pytest.mark.parametrize("field", [{"output": "x"}, {"array": "1-3"}, {"tasks": 4}])
def test_fields_that_a_call_cannot_have(field: Any) -> None:
    with pytest.raises(RequestError, match="a call has no"):
        clsh.Executor(**field)


def test_no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.02)
    monkeypatch.setattr(asking, "_PAUSE_S", 0.01)
    with clsh.Executor() as cluster:
        future = cluster.submit(math.factorial, 3)
        with pytest.raises(client.NoManagerError):
            future.result(20)


def test_a_manager_that_restarts_is_waited_for(
    running: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_PAUSE_S", 0.01)
    kept = {"get": client.get, "post": client.post, "raw": client.raw}
    left = {"get": 3, "post": 2, "raw": 1}

    def away(name: str) -> Any:
        def ask(*args: Any) -> object:
            if left[name]:
                left[name] -= 1
                raise client.NoManagerError
            return kept[name](*args)  # type: ignore[operator]  # each is a function

        return ask

    for name in kept:
        monkeypatch.setattr(client, name, away(name))
    with clsh.Executor() as cluster:
        assert cluster.submit(math.factorial, 4).result(20) == 24
    assert set(left.values()) == {0}


def test_a_manager_that_stays_away(running: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PATIENCE_S", 0.02)
    monkeypatch.setattr(asking, "_PAUSE_S", 0.01)

    def away(*_: object) -> object:
        raise client.NoManagerError

    monkeypatch.setattr(client, "get", away)
    with clsh.Executor() as cluster, pytest.raises(client.NoManagerError):
        cluster.submit(math.factorial, 4).result(20)


@pytest.mark.parametrize("times", [2, 99])
def test_a_node_that_is_away_when_the_result_is_there(
    running: Managed, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_AGAIN_S", 0.01)
    kept, left = client.raw, [UnreachableError("node1", "timed out")] * times

    def away(*args: Any) -> Any:
        if left:
            raise left.pop()
        return kept(*args)

    monkeypatch.setattr(client, "raw", away)
    with clsh.Executor() as cluster:
        future = cluster.submit(math.factorial, 4)
        if times == 2:
            assert future.result(20) == 24
        else:
            with pytest.raises(ClshError, match="node1 unreachable"):
                future.result(20)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "ended without a result"),
        (b"clsh-result 5\nabc", "ended without a result"),
        (b"clsh-result x\n", "ended without a result"),
        (b"clsh-result 3\nabc", "cannot be unpickled here"),
        (b"clsh-result 4\nI42\n", "cannot be unpickled here"),
        (b"clsh-result 5\nI42\n.", "cannot be unpickled here"),
    ],
)
def test_hostile_results(data: bytes, error: str) -> None:
    future: concurrent.futures.Future[object] = concurrent.futures.Future()
    executor._settle(future, lambda: None, data)
    with pytest.raises(JobFailedError, match=error):
        future.result(0)


def test_an_exception_that_is_none() -> None:
    told = pickle.dumps((False, 5, "x"))
    future: concurrent.futures.Future[object] = concurrent.futures.Future()
    executor._settle(future, lambda: None, b"clsh-result %d\n%s" % (len(told), told))
    with pytest.raises(JobFailedError, match="cannot be unpickled here"):
        future.result(0)


def test_what_runs_on_the_node_needs_nothing_of_ours() -> None:
    call = base64.b64encode(pickle.dumps((os.getpid, (), {}), 4)).decode()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", executor._RUN],
        env={executor._CALL: call},
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(b"clsh-result ")
