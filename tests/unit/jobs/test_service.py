"""What users ask of the jobs, and what they are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NotAllowedError, UsageError
from clsh.base.users import User
from clsh.jobs import service
from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.errors import NoJobError, NotNowError, RequestError
from clsh.jobs.model import Place, Slots
from clsh.jobs.queue import QueueError
from clsh.jobs.settings import Settings
from clsh.jobs.wish import MOST, TaskWish, Wish
from tests.support.clocks import Running
from tests.support.jobs import ALICE, BOB, ROOT, ended, made, reached, run, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clsh.base.users import How
    from clsh.jobs.model import Job
    from clsh.jobs.service import Jobs

LONG = ("sleep", "1000")


@pytest.fixture
def engine() -> MemoryEngine:
    made = MemoryEngine()
    made.nodes = {"n1": Slots("n1", 2, 8 << 30), "n2": Slots("n2", 2, 8 << 30)}
    return made


@pytest.fixture
async def jobs(tmp_path: Path, engine: MemoryEngine) -> AsyncIterator[Jobs]:
    async with running(made(tmp_path / "state", engine)) as found:
        yield found


def is_running(job: Job, _: object) -> bool:
    return job.state == "running" and "running" in job.counts


async def test_a_job_runs_and_says_how_it_went(jobs: Jobs) -> None:
    one, two = await jobs.submit(ALICE, [run(name="first"), run("exit", "3")])
    job, (task,) = await ended(jobs, one, "done")
    assert (job.owner, job.request.name, job.counts, job.reason) == (
        "alice",
        "first",
        {"done": 1},
        "",
    )
    assert (task.attempt, task.status, task.places) == (1, 0, (Place("n1"),))
    assert task.why == "n1: no load figures, 0 of 2 cores taken, the lowest of 2"
    assert job.submitted <= job.started <= job.ended
    job, (task,) = await ended(jobs, two, "failed")
    assert (job.reason, task.reason, task.status) == ("exit status 3", "exit status 3", 3)


async def test_a_job_that_ends_before_it_is_seen_to_run_began(
    jobs: Jobs, engine: MemoryEngine
) -> None:
    engine.delay_s = 0.1
    (number,) = await jobs.submit(ALICE, [run("true")])
    job, (task,) = await ended(jobs, number, "done")
    assert job.submitted <= job.started == task.started <= job.ended


async def test_a_key_makes_it_one_job(jobs: Jobs, engine: MemoryEngine) -> None:
    (one,) = await jobs.submit(ALICE, [run(key="k")])
    assert await jobs.submit(ALICE, [run(key="k"), run(key="k")]) == [one, one]
    (other,) = await jobs.submit(BOB, [run(key="k")])
    assert other != one
    await ended(jobs, one)
    assert await jobs.submit(ALICE, [run(key="k")]) == [one]
    await ended(jobs, other)
    assert sorted(engine.started.values()) == [1, 1]


async def test_others_jobs_are_as_if_they_were_not(jobs: Jobs) -> None:
    (one,) = await jobs.submit(ALICE, [run(*LONG)])
    for number in (one, 4711):
        for asked in (
            jobs.job(BOB, number),
            jobs.cancel(BOB, number),
            jobs.hold(BOB, number),
            jobs.release(BOB, number),
            jobs.requeue(BOB, number),
            jobs.read(BOB, number, 0, "output", 0, 10),
        ):
            with pytest.raises(NoJobError, match=f"there is no job {number}"):
                await asked
        with pytest.raises(RequestError, match=f"there is no job {number}") as told:
            await jobs.submit(BOB, [run(after=((number, "ok"),))])
        assert told.value.field == "after"
    assert (await jobs.jobs(BOB, Wish(owner="alice"))).total == 0
    assert (await jobs.jobs(ALICE, Wish())).total == 1
    assert [job.id for job in (await jobs.jobs(ROOT, Wish(owner="alice"))).jobs] == [one]
    await jobs.cancel(ROOT, one)
    job, _ = await ended(jobs, one, "cancelled")
    assert job.reason == "cancelled by root"


async def test_only_administrators_submit_for_others(jobs: Jobs) -> None:
    with pytest.raises(NotAllowedError, match="alice may not submit jobs for bob"):
        await jobs.submit(ALICE, [run()], owner="bob")
    with pytest.raises(UsageError):
        await jobs.submit(ROOT, [run()], owner="-bob")
    (one,) = await jobs.submit(ROOT, [run()], owner="bob")
    assert (await jobs.job(BOB, one))[0].owner == "bob"


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"slots": 3}, "slots", "no node has 3 cores"),
        ({"memory": 64 << 30}, "memory", "no node has 64 GB"),
        ({"gpus": 1}, "gpus", "no node has 1 GPU"),
        ({"nodes": ("n9",)}, "nodes", "there is no node n9"),
        ({"kind": "parallel", "tasks": 5}, "tasks", "room for 4 of 5 tasks"),
        ({"slots": 0}, "slots", "a whole number from 1"),
    ],
)
async def test_what_can_never_run_is_refused(
    jobs: Jobs, more: dict[str, object], field: str, message: str
) -> None:
    await until(lambda: bool(list(jobs._scheduler.book.rooms.seen())))
    with pytest.raises(RequestError, match=message) as told:
        await jobs.submit(ALICE, [run(), run(**more)])
    assert told.value.field == field
    assert (await jobs.jobs(ROOT, Wish())).total == 0


async def test_what_the_engine_cannot_do_is_refused(jobs: Jobs, engine: MemoryEngine) -> None:
    engine.grumbles["parallel"] = ("no MPI here",)
    assert jobs.complaints(run(kind="parallel")) == ("no MPI here",)
    with pytest.raises(RequestError, match="no MPI here"):
        await jobs.submit(ALICE, [run(kind="parallel")])


async def test_too_many_at_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_AT_ONCE", 2)
    with pytest.raises(RequestError, match="more than 2 requests"):
        await jobs.submit(ALICE, [run()] * 3)


async def test_cancel_what_runs_and_what_waits(jobs: Jobs, engine: MemoryEngine) -> None:
    (one,) = await jobs.submit(ALICE, [run(*LONG, kind="batch", array=tuple(range(10, 20)))])
    await reached(jobs, one, lambda job, _: job.counts.get("running") == 4)
    await jobs.cancel(ALICE, one, 19)
    await jobs.cancel(ALICE, one, 10)
    _, tasks = await reached(jobs, one, lambda job, _: job.counts.get("cancelled") == 2)
    assert (tasks[9].state, tasks[9].attempt, tasks[9].reason) == (
        "cancelled",
        0,
        "cancelled by alice",
    )
    with pytest.raises(NotNowError, match="task 19 of job 1 has ended"):
        await jobs.cancel(ALICE, one, 19)
    with pytest.raises(NotNowError, match="job 1 has no task 9"):
        await jobs.cancel(ALICE, one, 9)
    await jobs.cancel(ALICE, one)
    job, tasks = await ended(jobs, one, "cancelled")
    assert job.counts == {"cancelled": 10}
    assert {task.state for task in tasks} == {"cancelled"}
    assert {task.reason for task in tasks} == {"cancelled by alice"}
    assert len(engine.started) == 5
    assert engine.running() == []
    with pytest.raises(NotNowError, match="job 1 has ended"):
        await jobs.cancel(ALICE, one)


async def test_hold_and_release(jobs: Jobs) -> None:
    one, two = await jobs.submit(ALICE, [run(held=True), run(*LONG)])
    job, (task,) = await jobs.job(ALICE, one)
    assert (job.state, task.why) == ("held", "held: it waits until it is released")
    await reached(jobs, two, is_running)
    with pytest.raises(NotNowError, match="only a whole job"):
        await jobs.release(ALICE, one, 0)
    await jobs.release(ALICE, one)
    await ended(jobs, one, "done")
    await jobs.hold(ALICE, two)
    assert (await jobs.job(ALICE, two))[0].state == "running"


async def test_run_again(jobs: Jobs, engine: MemoryEngine) -> None:
    array = tuple(range(3))
    request = run("exit", "1", kind="batch", array=array, at_once=1)
    (one,) = await jobs.submit(ALICE, [request])
    await ended(jobs, one, "failed")
    await jobs.requeue(ALICE, one, 1)
    job, tasks = await ended(jobs, one, "failed")
    assert [task.attempt for task in tasks] == [1, 2, 1]
    assert job.reason == "3 of 3 tasks failed"
    await jobs.requeue(ALICE, one)
    _, tasks = await ended(jobs, one, "failed")
    assert [task.attempt for task in tasks] == [2, 3, 2]
    with pytest.raises(NotNowError, match="job 1 has no task 7"):
        await jobs.requeue(ALICE, one, 7)
    (two,) = await jobs.submit(ALICE, [run(*LONG)])
    with pytest.raises(NotNowError, match="nothing of job 2 has ended"):
        await jobs.requeue(ALICE, two)
    assert set(engine.started.values()) == {1}


async def test_run_again_what_never_started(jobs: Jobs) -> None:
    request = run(kind="batch", array=tuple(range(6)), held=True)
    (one,) = await jobs.submit(ALICE, [request])
    await jobs.cancel(ALICE, one, 4)
    await jobs.cancel(ALICE, one)
    job, tasks = await ended(jobs, one, "cancelled")
    assert [task.attempt for task in tasks] == [0] * 6
    await jobs.requeue(ALICE, one, 3)
    job, tasks = await jobs.job(ALICE, one)
    assert (job.state, [task.state for task in tasks].index("pending")) == ("held", 3)
    await jobs.release(ALICE, one)
    job, tasks = await ended(jobs, one, "cancelled")
    assert job.counts == {"cancelled": 5, "done": 1}
    await jobs.requeue(ALICE, one)
    job, tasks = await ended(jobs, one, "done")
    assert [task.attempt for task in tasks] == [1] * 6


async def test_run_again_when_all_went_well(jobs: Jobs) -> None:
    (one,) = await jobs.submit(ALICE, [run()])
    await ended(jobs, one, "done")
    await asyncio.gather(jobs.requeue(ALICE, one), _again(jobs, one))
    _, (task,) = await ended(jobs, one, "done")
    assert task.attempt in {2, 3}


async def _again(jobs: Jobs, number: int) -> None:
    try:
        await jobs.requeue(ALICE, number)
    except NotNowError:
        return


async def test_after_other_jobs(jobs: Jobs) -> None:
    good, bad = await jobs.submit(ALICE, [run("sleep", "0.05"), run("sleep", "0.05", "exit", "1")])
    ids = await jobs.submit(
        ALICE,
        [
            run(after=((good, "ok"), (bad, "any"))),
            run(after=((bad, "ok"),)),
            run(after=((good, "notok"),)),
            run(after=((bad, "notok"),)),
        ],
    )
    job, (task,) = await jobs.job(ALICE, ids[0])
    if job.state == "waiting":
        assert task.why.startswith("waits for the end of job 1")
    states = [(await ended(jobs, number))[0] for number in ids]
    assert [job.state for job in states] == ["done", "failed", "failed", "done"]
    assert states[1].reason == "job 2 is not done, and this one was to run after it"
    assert states[2].reason == "job 1 is done, and this one was to run if it failed"
    # those that ended long ago count too
    late = await jobs.submit(ALICE, [run(after=((good, "ok"),)), run(after=((bad, "ok"),))])
    assert [(await ended(jobs, number))[0].state for number in late] == ["done", "failed"]
    chain = await jobs.submit(ALICE, [run(after=((late[1], "ok"),))])
    assert (await ended(jobs, chain[0]))[1][0].reason.startswith("job 8 is not done")


async def test_a_time_limit(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clsh.jobs.scheduler._LOOK_S", 0.05)
    (one,) = await jobs.submit(ALICE, [run(*LONG, time_limit=1)])
    job, (task,) = await ended(jobs, one, "cancelled")
    assert task.reason == job.reason == "ran longer than its time limit of 1 s"
    assert task.signal == "TERM"


async def test_a_large_array(jobs: Jobs) -> None:
    array = tuple(range(0, 20_000, 2))
    (one,) = await jobs.submit(ALICE, [run(*LONG, kind="batch", array=array, held=True)])
    for at in range(0, len(array), MOST):
        _, tasks = await jobs.job(ALICE, one, TaskWish(offset=at))
        assert [task.index for task in tasks] == list(array[at : at + MOST])
    assert {task.why for task in tasks} == {"held: it waits until it is released"}
    await jobs.cancel(ALICE, one)
    job, tasks = await ended(jobs, one, "cancelled")
    assert job.counts == {"cancelled": len(array)}
    assert {(task.state, task.why) for task in tasks} == {("cancelled", "")}


async def test_output(jobs: Jobs, engine: MemoryEngine) -> None:
    one, two = await jobs.submit(ALICE, [run(*LONG), run(held=True)])
    await reached(jobs, one, is_running)
    engine.write(engine.running()[0], "output", b"hello")
    assert await jobs.read(ALICE, one, 0, "output", 1, 3) == b"ell"
    assert await jobs.read(ALICE, one, 0, "output", -2, 100) == b"lo"
    assert await jobs.read(ALICE, one, 0, "error", 0, 100) == b""
    assert await jobs.read(ALICE, two, 0, "output", 0, 100) == b""


@pytest.mark.parametrize(("how", "owner"), [("session", ""), ("token", ""), ("session", "root")])
async def test_nothing_is_run_as_root_from_afar(
    tmp_path: Path, engine: MemoryEngine, how: How, owner: str
) -> None:
    root = User("root", is_admin=True, how=how)
    async with running(made(tmp_path, engine)) as jobs:
        with pytest.raises(NotAllowedError, match="of root"):
            await jobs.submit(root, [run()], owner)
        (alice,) = await jobs.submit(root, [run()], "alice")
        (here,) = await jobs.submit(User("root", is_admin=True), [run()])
        await ended(jobs, alice)
        await ended(jobs, here)


async def test_where_nobody_is_told_that_cannot_be_wanted(
    tmp_path: Path, engine: MemoryEngine
) -> None:
    async with running(made(tmp_path, engine)) as jobs:
        with pytest.raises(RequestError, match="tells nobody") as told:
            await jobs.submit(ALICE, [run(notify=("mail",))])
        assert told.value.field == "notify"


async def test_the_version_grows(jobs: Jobs) -> None:
    seen = jobs.version
    waiting = asyncio.create_task(jobs.wait(seen))
    await jobs.submit(ALICE, [run()])
    assert await waiting > seen
    assert await jobs.wait(0) > 0


async def test_old_jobs_are_removed(tmp_path: Path, engine: MemoryEngine) -> None:
    clock = Running()
    settings = Settings("memory", keep_days=2, keep_jobs=3)
    async with running(made(tmp_path, engine, clock=clock, settings=settings)) as jobs:
        ids = await jobs.submit(ALICE, [run() for _ in range(5)])
        for number in ids:
            await ended(jobs, number)
        (long,) = await jobs.submit(ALICE, [run(*LONG)])
        await jobs.forget()
        assert (await jobs.jobs(ROOT, Wish())).total == 4
        clock.offset = 3 * 86_400
        await jobs.forget()
        assert [job.id for job in (await jobs.jobs(ROOT, Wish())).jobs] == [long]


async def test_chores_are_done(
    tmp_path: Path, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_CHORES_S", 0.05)
    async with running(made(tmp_path, engine)) as jobs:
        await jobs.submit(ALICE, [run()])
        await until(lambda: any(tmp_path.glob("jobs.db.bak-????-??-??")))
        assert jobs.trouble() == ""


@pytest.mark.parametrize("user", [ALICE, ROOT])
async def test_before_it_is_open_and_after(
    tmp_path: Path, engine: MemoryEngine, user: User
) -> None:
    jobs = made(tmp_path, engine)
    await not_open(jobs, user)
    async with running(jobs):
        await jobs.submit(user, [run()])
    await not_open(jobs, user)


async def not_open(jobs: Jobs, user: User) -> None:
    for asked in (jobs.submit(user, [run()]), jobs.jobs(user, Wish()), jobs.cancel(user, 1)):
        with pytest.raises(QueueError, match="not open"):
            await asked


async def test_what_pages_ask_of_many_jobs_at_once(jobs: Jobs, engine: MemoryEngine) -> None:
    good, bad = await jobs.submit(ALICE, [run(), run("exit", "3")])
    (array,) = await jobs.submit(BOB, [run("exit", "4", kind="batch", array=(5, 2, 7))])
    for number in (good, bad, array):
        await ended(jobs, number)
    few = await jobs.few(ALICE, [good, bad, array, 999])
    assert {number: [task.status for task in tasks] for number, tasks in few.items()} == {
        good: [0],
        bad: [3],
    }
    assert [task.index for task in (await jobs.few(ROOT, [array]))[array]] == [5, 2, 7]
    assert set(await jobs.nodes(BOB, array)) <= {"n1", "n2"}
    with pytest.raises(NoJobError):
        await jobs.nodes(ALICE, array)
    counts = [await jobs.failed_since(user, 0.0) for user in (ALICE, BOB, ROOT)]
    assert counts == [1, 1, 2]
    assert await jobs.failed_since(ROOT, jobs._clock.unix() + 60) == 0


async def test_many_requests_give_others_their_turn(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large submission is taken in slices, and all or none of it all the same."""
    monkeypatch.setattr(service, "_AT_A_TIME", 2)
    monkeypatch.setattr("clsh.jobs.scheduler._MOST_PLACED", 2)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    taking = asyncio.create_task(other())
    ids = await jobs.submit(ALICE, [run(held=True) for _ in range(9)])
    taking.cancel()
    assert turns > 4
    with pytest.raises(RequestError):
        await jobs.submit(ALICE, [*[run() for _ in range(8)], run(slots=99)])
    assert (await jobs.jobs(ALICE, Wish())).total == len(ids) == 9
