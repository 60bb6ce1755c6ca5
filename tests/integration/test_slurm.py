"""A real Slurm of four nodes: what it is told, what it does, and what we say of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeError
from tests.support.slurm import Slurm, engine, launch
from tests.support.slurm_rows import HOME, ROWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from clsh.jobs.engine import Engine, Launch, Report

pytestmark = [pytest.mark.namespaces, pytest.mark.timeout(110)]

WAIT_S = 60.0
ROOT = Path(__file__).parents[2]
MPI = r"""
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
    int rank, size, sum, length;
    char name[MPI_MAX_PROCESSOR_NAME];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &length);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("%d of %d: %d\n", rank, size, sum);
    MPI_Finalize();
    return 0;
}
"""
_queue = f"q{secrets.token_hex(4)}"
_numbers = itertools.count(1)


def new(*argv: str, attempt: int = 1, task: int = 0, **fields: Any) -> Launch:
    id_ = f"{_queue}-{next(_numbers)}.{task}.{attempt}"
    return launch(id_, *argv, attempt=attempt, **{"memory": 50 << 20, **fields})


class Heard:
    """An engine that runs, and the last word on each attempt."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.last: dict[str, Report] = {}
        self.started: dict[str, Report] = {}
        self._news = asyncio.Event()

    def tell(self, report: Report) -> None:
        if report.phase == "running":
            self.started[report.id] = report
        self.last[report.id] = report
        self._news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def end(self, one: Launch) -> Report:
        await self.until(
            lambda: one.id in self.last and self.last[one.id].phase in {"ended", "lost", "refused"}
        )
        return self.last[one.id]

    async def runs(self, one: Launch) -> Report:
        await self.until(lambda: bool(one.id in self.started and self.started[one.id].nodes))
        return self.started[one.id]


@contextlib.asynccontextmanager
async def hearing(engine: Engine) -> AsyncIterator[Heard]:
    heard = Heard(engine)
    task = asyncio.create_task(engine.run(heard.tell))
    try:
        yield heard
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})


def _is_idle(text: str) -> bool:
    return set(text.split()) == {"idle"}


async def head(slurm4: Slurm, line: str, **more: Any) -> str:
    return await asyncio.to_thread(slurm4.head, line, **more)


@pytest.fixture(autouse=True)
def no_job_is_left(slurm4: Slurm) -> Iterator[None]:
    yield
    slurm4.head("scancel -u alice; scancel -u bob")
    slurm4.wait_for("squeue -h", lambda text: not text.strip(), WAIT_S)


async def test_files_are_sent_along(slurm4: Slurm, tmp_path: Path) -> None:
    text = b'#!/bin/sh\npwd; cat data; data2=$(cat "$CLSH_SENT/data"); echo $data2 $(id -un)\n'
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in (("go", text), ("d", b"D"))}
    (tmp_path / digests["go"]).write_bytes(text)
    (tmp_path / digests["d"]).write_bytes(b"D")
    send = (f"{digests['go']}+x:go", f"{digests['d']}:data")

    def path(owner: str, digest: str) -> Path:
        (tmp_path / digest).stat()
        return tmp_path / digest

    here, away = new("./go", send=send), new("go", send=send, directory="/")
    gone = new("./go", send=("0" * 64 + ":go",))
    async with hearing(engine(slurm4.enter, sent=path)) as heard:
        starts = [asyncio.create_task(heard.engine.start(one)) for one in (here, away, gone)]
        reports = [await start for start in starts]
        assert [report.phase for report in reports] == ["running", "running", "refused"]
        assert reports[-1].reason == (
            "go, which was sent along, is kept no longer: submit it again with the file"
        )
        assert (await heard.end(here)).status == 0
        folder = f"/home/alice/.clsh/slurm/sent/{here.id}"
        assert await heard.engine.read(here, "output", 0, 999) == f"{folder}\nDD alice\n".encode()
        await heard.end(away)
        assert (await heard.engine.read(away, "output", 0, 999)) == b"/\nD alice\n"
    seen = await head(slurm4, f"stat -c '%U %a' {folder} {folder}/data {folder}/go")
    assert seen == "alice 700\nalice 600\nalice 700\n"


async def test_every_field_of_the_form(slurm4: Slurm) -> None:
    work = "/home/alice/work"
    await head(slurm4, f"mkdir -p {work}; echo words >{work}/in; chown -R alice {work}")
    one = new(
        "sh",
        "-c",
        'cat; echo "$0 $A" >&2',
        "it's",
        name="my job",
        directory="work",
        input="in",
        output="out.%j.%t.%N",
        error="err%%",
        environment={"A": "b c"},
        slots=2,
        memory=100 << 20,
        time_limit=150,
        priority=-5,
        restart="own",
        checkpoint_signal="USR1",
        nodes=("node2", "node3"),
        task=4,
    )
    async with hearing(slurm4.engine(partition="main")) as heard:
        assert (await heard.engine.start(one)).phase == "running"
        ended = await heard.end(one)
        assert (ended.phase, ended.status) == ("ended", 0)
        (node,) = ended.nodes
        assert node in {"node2", "node3"}
        shown = slurm4.job(one.id)
        wanted = {
            "UserId": "alice(61001)",
            "Nice": "5",
            "Requeue": "0",
            "TimeLimit": "00:03:00",
            "Partition": "main",
            "CPUs/Task": "2",
            "MinMemoryNode": "100M",
            "ExcNodeList": "node[1,4]",
            "WorkDir": work,
            "StdIn": f"{work}/in",
            "Comment": one.id,
        }
        assert {name: shown.get(name) for name in wanted} == wanted
        assert "JobName=my job " in slurm4.jobs(one.id)[0]
        assert await heard.engine.read(one, "output", 0, 100) == b"words\n"
        assert await heard.engine.read(one, "error", 0, 100) == b"it's b c\n"
    files = await head(slurm4, f"ls -l {work}")
    assert f"out.{one.job}.4.{node}" in files
    assert "alice" in files.splitlines()[-1]


async def test_scontrol_shows_every_field(slurm4: Slurm) -> None:
    jobs = {name: new("true", **row.fields) for name, row in ROWS.items()}
    engine = slurm4.engine()
    await head(slurm4, f"touch {HOME}/.profile")
    reports = await asyncio.gather(*(engine.start(one) for one in jobs.values()))
    assert {report.phase for report in reports} == {"running"}, reports
    lines = (await head(slurm4, "scontrol -o -a show job")).splitlines()
    wrong: dict[str, tuple[str, str | None]] = {}
    for name, one in jobs.items():
        (line,) = [text for text in lines if f" Comment={one.id} " in text]
        # While a job waits the number of nodes is a range.
        line = re.sub(r"( NumNodes=(\d+))-\2 ", r"\1 ", line)
        shown = dict(re.findall(r"(\S+?)=(\S*)", line))
        for key, value in ROWS[name].shows.items():
            if shown.get(key) != value.replace("JOB", str(one.job)):
                wrong[f"{name}: {key}"] = value, shown.get(key)
    assert wrong == {}
    await asyncio.to_thread(slurm4.wait_for, "squeue -h", lambda text: not text.strip(), WAIT_S)
    ends = await engine.ask(list(jobs.values()))
    assert {report.phase for report in ends} == {"ended"}, ends


async def test_many_tasks_of_two_users(slurm4: Slurm) -> None:
    fields: dict[str, Any] = {"kind": "batch", "array": tuple(range(12))}
    tasks = [new("sh", "-c", f"exit {task}", task=task, **fields) for task in range(12)]
    bobs = launch(f"{_queue}-900.0.1", "id", "-un", owner="bob", memory=50 << 20)
    async with hearing(slurm4.engine()) as heard:
        await asyncio.gather(*(heard.engine.start(one) for one in [*tasks, bobs]))
        ends = [await heard.end(one) for one in tasks]
        assert [end.status for end in ends] == list(range(12))
        assert (await heard.end(bobs)).status == 0
        assert await heard.engine.read(bobs, "output", 0, 100) == b"bob\n"
        asked = await heard.engine.ask([*tasks, bobs])
        assert [one.status for one in asked] == [*range(12), 0]


async def test_nobody_takes_the_job_of_another(slurm4: Slurm) -> None:
    """A comment is anybody's to write; whose job it is Slurm says."""
    one = new("true")
    await head(
        slurm4, f"runuser -u bob -- sbatch -D /tmp -o /dev/null --comment={one.id} --wrap true"
    )
    (report,) = await slurm4.engine().ask([one])
    assert report.phase == "absent"


async def test_a_job_waits_for_another(slurm4: Slurm) -> None:
    first, other = new("sleep", "1000"), new("true")
    good = new("true", after=((first.job, "any"), (other.job, "ok")))
    never = new("true", after=((first.job, "ok"),))
    async with hearing(slurm4.engine()) as heard:
        for one in (first, good, never):
            assert (await heard.engine.start(one)).phase == "running"
        await heard.until(lambda: good.id in heard.last)
        assert "it waits for another job (Dependency)" in heard.last[good.id].reason
        await heard.runs(first)
        await heard.engine.cancel(first)
        assert (await heard.end(first)).reason == "cancelled"
        assert (await heard.end(good)).status == 0
        refused = await heard.end(never)
        assert refused.phase == "refused"
        assert "DependencyNeverSatisfied" in refused.reason


async def test_too_much_memory(slurm4: Slurm) -> None:
    eats = "x = bytearray(300 << 20); import time; time.sleep(100)"
    one = new("python3", "-c", eats, rss_limit=80 << 20)
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        ended = await heard.end(one)
    assert (ended.phase, ended.status, ended.signal) == ("ended", None, "KILL")
    assert ended.reason.endswith("MB of memory of 80 MB allowed")
    assert ended.rss > 80 << 20


async def test_too_much_time(slurm4: Slurm) -> None:
    one = new("sleep", "1000", time_limit=60)
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        await heard.runs(one)
        # A minute is the least; Slurm itself looks every 30 s.
        await head(slurm4, f"scontrol update JobId={slurm4.job(one.id)['JobId']} EndTime=now")
        ended = await heard.end(one)
    assert (ended.phase, ended.signal) == ("ended", "TERM")
    assert "time limit" in ended.reason


async def test_an_attempt_is_started_once_and_another_after_it(slurm4: Slurm) -> None:
    """Slurm itself never starts one again; a new attempt goes on with its files."""
    fields: dict[str, Any] = {"output": "requeued", "restart": "start"}
    one = new("sh", "-c", "echo ran; sleep 1000", **fields)
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        await heard.runs(one)
        id_ = slurm4.job(one.id)["JobId"]
        await head(slurm4, f"scontrol requeue {id_}", check=False)
        assert slurm4.job(one.id)["JobState"] == "RUNNING"
        await heard.engine.cancel(one)
        await heard.end(one)
        again = launch(
            f"{_queue}-{one.job}.0.2", "echo", "again", attempt=2, memory=50 << 20, **fields
        )
        await heard.engine.start(again)
        assert (await heard.end(again)).status == 0
        assert await heard.engine.read(again, "output", 0, 100) == b"ran\nagain\n"


async def test_a_node_that_fails(slurm4: Slurm) -> None:
    one = new("sleep", "1000", nodes=("node4",))
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        await heard.runs(one)
        await head(slurm4, "scontrol update NodeName=node4 State=DOWN Reason=test")
        lost = await heard.end(one)
        # It may be back by itself, and then cannot be told to.
        await head(slurm4, "scontrol update NodeName=node4 State=RESUME", check=False)
        await asyncio.to_thread(slurm4.wait_for, "sinfo -h -n node4 -o %T", _is_idle)
    assert (lost.phase, lost.nodes) == ("lost", ("node4",))
    assert lost.reason == "a node of it failed"


async def test_cancel_ends_all_of_it(slurm4: Slurm) -> None:
    one = new("sh", "-c", 'trap "" TERM; sleep 4711 & wait; sleep 4711')
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        (node,) = (await heard.runs(one)).nodes
        await heard.engine.cancel(one)
        assert (await heard.end(one)).phase == "ended"

    def is_left() -> bool:
        return "sleep 4711" in slurm4.demo.on(node, "ps -eo args")

    for _ in range(100):
        if not await asyncio.to_thread(is_left):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("it still runs")


@pytest.mark.parametrize(
    ("settings", "fields", "words"),
    [
        ({"partition": "nosuch"}, {}, "invalid partition specified: nosuch"),
        ({}, {"memory": 1 << 40}, "Memory specification can not be satisfied"),
        ({}, {"slots": 8}, "CPU count per node can not be satisfied"),
        ({}, {"gpus": 3}, "Requested node configuration is not available"),
        ({}, {"nodes": ("node9",)}, "Slurm has no node node9"),
        ({}, {"directory": "/nowhere"}, "directory /nowhere cannot be entered on node"),
        ({}, {"output": "/nowhere/out"}, "cannot be opened on node"),
        ({}, {"input": "nothing"}, "cannot be opened on node"),
    ],
)
async def test_what_is_refused(
    slurm4: Slurm, settings: dict[str, str], fields: dict[str, Any], words: str
) -> None:
    one = new("true", **fields)
    async with hearing(slurm4.engine(**settings)) as heard:
        report = await heard.engine.start(one)
        if report.phase == "running":
            report = await heard.end(one)
        assert report.phase == "refused"
        assert words in report.reason
        assert (await heard.engine.start(one)).phase == "refused"


async def test_a_login_of_ones_own(slurm4: Slurm) -> None:
    engine = slurm4.engine(user="alice")
    async with hearing(engine) as heard:
        one = new("id", "-un")
        await engine.start(one)
        assert (await heard.end(one)).status == 0
        assert await engine.read(one, "output", 0, 100) == b"alice\n"
        bobs = launch(f"{_queue}-901.0.1", "true", owner="bob")
        report = await engine.start(bobs)
    assert report.phase == "refused"
    assert "alice cannot submit the jobs of bob" in report.reason


async def test_one_spool_for_all(slurm4: Slurm) -> None:
    spool = "/shared/spool"
    await head(slurm4, f"mkdir -p -m 1777 {spool}; runuser -u bob -- mkdir -p {spool}/carol")
    engine = slurm4.engine(spool=spool)
    one = new("echo", "hi")
    async with hearing(engine) as heard:
        await engine.start(one)
        assert (await heard.end(one)).status == 0
        assert await engine.read(one, "output", 0, 100) == b"hi\n"
        with pytest.raises(NodeError, match="cannot be used by carol"):
            await engine.start(launch(f"{_queue}-902.0.1", "true", owner="carol"))
    assert await head(slurm4, f"stat -c '%U %a' {spool}/alice") == "alice 700\n"


async def test_mpi_over_four_nodes(slurm4: Slurm) -> None:
    folder = "/shared/mpi"
    await head(slurm4, f"mkdir -p {folder}; cat >{folder}/sum.c", stdin=MPI)
    await head(slurm4, f"mpicc -o {folder}/sum {folder}/sum.c")
    one = new(f"{folder}/sum", kind="parallel", tasks=8, tasks_per_node=2, memory=300 << 20)
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        ended = await heard.end(one)
        output = await heard.engine.read(one, "output", 0, 10_000)
        said = await heard.engine.read(one, "error", 0, 10_000)
    assert ended.status == 0, said
    assert ended.nodes == ("node1", "node2", "node3", "node4")
    assert sorted(output.decode().splitlines()) == [f"{rank} of 8: 28" for rank in range(8)]


# The manager of the test below: it begins to submit a job and never hears of it again.
_SUBMIT = """
import asyncio, sys
from clsh.base.errors import NodeError
from tests.support.slurm import engine, launch
id_, path, *enter = sys.argv[1:]
made = engine(enter, path=path)
asyncio.run(made.start(launch(id_, "sh", "-c", "echo ran >>ran", memory=50 << 20)))
"""
_SLOW = """\
#!/bin/sh
/usr/bin/sbatch "$@" >/tmp/told.$$
echo $$ $PPID >{folder}/sent.new
mv {folder}/sent.new {folder}/sent
while [ ! -e {folder}/go ]; do sleep 0.05; done
cat /tmp/told.$$
"""


def submit_and_die(slurm4: Slurm, id_: str, folder: str) -> None:
    argv = [sys.executable, "-c", _SUBMIT, id_, folder, *slurm4.enter]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL) as manager:
        try:
            slurm4.wait_for(f"cat {folder}/sent", bool)
        finally:
            manager.kill()


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_a_manager_killed_between_sbatch_and_the_record(
    slurm4: Slurm, is_cut_off: bool
) -> None:
    """Its sbatch may go on without it, or end with it (`is_cut_off`)."""
    folder = f"/shared/slow{int(is_cut_off)}"
    await head(slurm4, f"rm -rf {folder}; mkdir -m 777 {folder}; rm -f /home/alice/ran")
    await head(
        slurm4,
        f"cat >{folder}/sbatch; chmod 755 {folder}/sbatch",
        stdin=_SLOW.format(folder=folder),
    )
    id_ = new("x").id
    await asyncio.to_thread(submit_and_die, slurm4, id_, folder)
    one = launch(id_, "sh", "-c", "echo ran >>ran", memory=50 << 20)
    async with hearing(slurm4.engine()) as heard:
        if is_cut_off:
            await head(slurm4, f"kill -9 $(cat {folder}/sent)")
        else:
            (report,) = await heard.engine.ask([one])
            assert report.phase in {"unknown", "running", "ended"}
            await head(slurm4, f"touch {folder}/go")
        assert (await heard.engine.start(one)).phase in {"running", "ended"}
        (report,) = await heard.engine.ask([one])
        if report.phase == "running":
            report = await heard.end(one)
        assert (report.phase, report.status) == ("ended", 0)
    assert len(slurm4.jobs(id_)) == 1
    assert await head(slurm4, "cat /home/alice/ran") == "ran\n"


async def test_a_second_copy_of_an_id_runs_nothing(slurm4: Slurm) -> None:
    one = new("sh", "-c", "echo ran >>twice; exit 4")
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        assert (await heard.end(one)).status == 4
        script = f"/home/alice/.clsh/slurm/{one.id}/script"
        id_ = await head(
            slurm4,
            "cd /home/alice; runuser -u alice --"
            f" sbatch -W --parsable --comment={one.id} -o copy {script}",
        )
        assert "is a second copy" in await head(slurm4, "cat /home/alice/copy")
        assert len(slurm4.jobs(one.id)) == 2, id_
        assert [report.status for report in await heard.engine.ask([one])] == [4]
    assert await head(slurm4, "cat /home/alice/twice") == "ran\n"


async def test_a_status_outlives_slurms_memory(slurm4: Slurm) -> None:
    done, held = new("sh", "-c", "exit 42"), new("sleep", "1000")
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(done)
        await heard.engine.start(held)
        await heard.end(done)
        await heard.runs(held)
        await heard.engine.cancel(held)
        await heard.end(held)
    await asyncio.to_thread(slurm4.forget)
    assert slurm4.jobs(done.id) == []
    engine = slurm4.engine()
    reports = await engine.ask([done, held])
    assert [(one.phase, one.status, one.signal) for one in reports] == [
        ("ended", 42, ""),
        ("ended", None, "TERM"),
    ]


async def test_slurm_forgets_by_itself_while_nobody_looks(slurm4: Slurm) -> None:
    """No slurmdbd: what it knew is gone after MinJobAge, what the spool says is not."""
    done, gone = new("sh", "-c", "exit 42"), new("true")
    before = slurm4.engine()
    with slurm4.short_memory():
        for one in (done, gone):
            await before.start(one)
        for one in (done, gone):
            await asyncio.to_thread(slurm4.wait_for_status, one.id, WAIT_S)
        forgotten = "scontrol -o show job"
        await asyncio.to_thread(
            slurm4.wait_for, forgotten, lambda text: "Comment=q" not in text, WAIT_S
        )
    await head(slurm4, f"rm /home/alice/.clsh/slurm/{gone.id}/claim/status")
    reports = await slurm4.engine().ask([done, gone])
    assert [(one.phase, one.status) for one in reports] == [("ended", 42), ("lost", None)]
    assert "no longer knows job" in reports[1].reason


async def test_what_others_do_to_it_outside(slurm4: Slurm) -> None:
    """A scancel by an administrator is told; a forced requeue starts nothing again."""
    one = new("sh", "-c", "echo ran >>outside; sleep 1000")
    two = new("sleep", "1000")
    await head(slurm4, "rm -f /home/alice/outside")
    foreign = "runuser -u bob -- sbatch --parsable -D /tmp -o /dev/null --wrap 'sleep 1000'"
    other = (await head(slurm4, foreign)).strip()
    async with hearing(slurm4.engine()) as heard:
        for each in (one, two):
            await heard.engine.start(each)
            await heard.runs(each)
        await head(slurm4, f"scancel {slurm4.job(two.id)['JobId']}")
        assert ((await heard.end(two)).signal, heard.last[two.id].reason) == ("TERM", "cancelled")
        number = slurm4.job(one.id)["JobId"]
        await head(slurm4, f"scontrol update JobId={number} Requeue=1")
        await head(slurm4, f"scontrol requeue {number}")
        ended = await heard.end(one)
        assert (ended.phase, ended.status) in {("ended", None), ("lost", None)}
        assert set(heard.last) == {one.id, two.id}
        assert other in await head(slurm4, "squeue -h -o %A -t R")
    assert await head(slurm4, "cat /home/alice/outside") == "ran\n"


async def test_slurm_goes_away_and_comes_back(slurm4: Slurm) -> None:
    one = new("sh", "-c", "while [ ! -e back ]; do sleep 0.1; done; exit 6")
    await head(slurm4, "rm -f /home/alice/back")
    async with hearing(slurm4.engine()) as heard:
        await heard.engine.start(one)
        await heard.runs(one)
        with slurm4.without_controller():
            (report,) = await heard.engine.ask([one])
            assert report.phase == "unknown"
            assert "controller does not answer" in report.reason
            assert await heard.engine.read(one, "output", 0, 9) == b""
        await head(slurm4, "touch /home/alice/back")
        assert (await heard.end(one)).status == 6
