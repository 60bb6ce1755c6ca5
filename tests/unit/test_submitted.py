"""Jobs from Python, asked of a manager whose jobs are processes of this machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import clsh
from clsh import submitted
from clsh.base.client import NoManagerError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import asking
from clsh.submitted import Ended, JobFailedError
from tests.support.job_manager import managed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.job_manager import Managed


@pytest.fixture
def manager() -> Iterator[Managed]:
    with managed() as running:
        yield running


@pytest.fixture
def running() -> Iterator[Managed]:
    with managed(runs=True) as found:
        yield found


def test_submitted_waited_for_and_read(running: Managed) -> None:
    job = clsh.submit("sh -c 'echo out; echo err >&2; exit 3'", name="x", memory="1G")
    ended = job.wait()
    assert ended == Ended(1, "failed", 3)
    assert not ended.ok
    assert (job.output(), job.error(), job.state) == (b"out\n", b"err\n", "failed")
    with pytest.raises(JobFailedError, match="job 1 failed: exit 3") as caught:
        ended.check()
    assert caught.value.hint == "cl job 1"
    assert repr(job) == "Submitted(1)"
    assert clsh.submit(["true"]).wait().check().ok


def test_fields_as_python_has_them(manager: Managed) -> None:
    first = clsh.submit(["a", "b c"], array=range(3, 0, -1), environment={"A": "1"}, held=True)
    second = clsh.submit(("a",), after=first, nodes=["n2", "n1"], memory=5, time_limit="1h")
    clsh.submit("a", after=[first, second], array="1-2%1")
    clsh.submit("a", after="any:1")
    found = [job.request for job in manager.jobs.found.values()]
    assert found[0].argv == ("a", "b c")
    assert found[0].array == (1, 2, 3)
    assert found[1].after == ((1, "ok"),)
    assert (found[1].nodes, found[1].memory, found[1].time_limit) == (("n2", "n1"), 5, 3600)
    assert found[2].after == ((1, "ok"), (2, "ok"))
    assert found[3].after == ((1, "any"),)
    with pytest.raises(RequestError, match="memory cannot be 'much'"):
        clsh.submit("a", memory="much")


def test_an_end_of_many_tasks_and_one_by_a_signal(manager: Managed) -> None:
    job, other = clsh.submit("a", array="1,2"), clsh.submit("b")
    manager.call(lambda: manager.jobs.move(1, 1, state="done", status=0))
    manager.call(lambda: manager.jobs.move(1, 2, state="failed", status=4))
    assert job.wait() == Ended(1, "failed", None)
    with pytest.raises(JobFailedError, match="job 1 failed: failed"):
        job.wait().check()
    manager.call(lambda: manager.jobs.move(2, state="failed", signal="KILL", reason="RSS"))
    assert other.wait() == Ended(2, "failed", None, "KILL", "RSS")
    with pytest.raises(JobFailedError, match="job 2 failed: RSS"):
        other.wait().check()
    done = clsh.submit("a", array="1,2")
    manager.call(lambda: manager.jobs.move(3, 1, state="done", status=0))
    manager.call(lambda: manager.jobs.move(3, 2, state="done", status=0))
    assert done.wait() == Ended(3, "done", 0)


def test_what_is_done_to_it(manager: Managed) -> None:
    job = clsh.submit("a")
    manager.call(lambda: manager.jobs.move(1, state="running"))
    with pytest.raises(TimeoutError):
        job.wait(0.05)
    job.hold()
    job.release()
    job.requeue()
    job.cancel()
    assert [act for act, _, _ in manager.jobs.acts] == ["hold", "release", "requeue", "cancel"]
    assert job.wait().state == "cancelled"


async def test_awaited_and_streamed(running: Managed) -> None:
    job = await clsh.asubmit(["sh", "-c", "echo out; echo err >&2; sleep 0.2; echo more"])
    parts = [part async for part in job.stream()]
    assert {stream for stream, _ in parts} == {"output", "error"}
    assert b"".join(data for stream, data in parts if stream == "output") == b"out\nmore\n"
    assert (await job).ok


async def test_awaiting_takes_turns(manager: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitted, "_SLICE_S", 0.1)
    job = await clsh.asubmit("a")
    waiting = asyncio.ensure_future(job)
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await asyncio.to_thread(manager.call, lambda: manager.jobs.move(1, state="done", status=0))
    assert (await waiting).ok


async def test_a_cancelled_wait_leaves_the_job(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitted, "_SLICE_S", 0.1)
    job = await clsh.asubmit("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await job
    assert manager.jobs.acts == []


def test_no_manager() -> None:
    with pytest.raises(NoManagerError):
        clsh.submit("a")


def test_a_task_that_was_asked_for_is_the_one_read(manager: Managed) -> None:
    job = clsh.submit("a", array="4,5")

    def write() -> None:
        manager.jobs.out |= {(1, 4, "output"): b"four", (1, 5, "error"): b"five"}

    manager.call(write)
    assert (job.output(), job.output(5), job.error(5)) == (b"four", b"", b"five")
    assert asking.tail(1, "error", 5) == b"five"


def test_what_the_package_has() -> None:
    for name in clsh.__all__:
        assert getattr(clsh, name).__name__ == name
    missing: Any = clsh
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        assert missing.nothing
