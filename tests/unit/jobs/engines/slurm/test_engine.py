"""The engine over commands that only act as Slurm's: what seldom happens, and every error."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ConfigError, DeadlineError, NodeError, UnreachableError
from clsh.jobs.engine import EngineContext
from clsh.jobs.engines import slurm
from clsh.jobs.engines._slurm import host, shell, survey
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory
from tests.support import slurm as support
from tests.support.fake_slurm import ME, FakeSlurm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import Any

    from clsh.jobs.engine import Launch, Report

ID = "q1-12.0.1"
WAIT_S = 30.0


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setattr(slurm, "POLL_S", 0.02)
    return FakeSlurm(tmp_path / "fake")


def launch(id_: str = ID, *argv: str, **fields: Any) -> Launch:
    return support.launch(id_, *(argv or ("true",)), owner=ME, **fields)


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(round(WAIT_S / 0.02)):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


class Heard:
    """What `run` of an engine tells."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._news = asyncio.Event()

    def tell(self, report: Report) -> None:
        self.reports.append(report)
        self._news.set()

    async def until(self, phase: str) -> Report:
        async with asyncio.timeout(WAIT_S):
            while True:
                for report in self.reports:
                    if report.phase == phase:
                        return report
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running(engine: slurm.Slurm) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(engine.run(heard.tell))
    try:
        yield heard
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})


async def test_a_job_from_start_to_end(fake: FakeSlurm) -> None:
    engine = fake.engine(partition="main")
    assert engine.slots() == ()
    async with running(engine) as heard:
        report = await engine.start(launch(ID, "sh", "-c", "exit 3"))
        assert (report.phase, report.reason) == ("running", "waits in Slurm as job 1")
        assert "--partition=main" in fake.options(1)
        assert (await heard.until("running")).reason.endswith("(Priority)")
        assert fake.runs(1).returncode == 3
        fake.ends(1, "FAILED", "3:0")
        ended = await heard.until("ended")
        assert (ended.status, ended.nodes) == (3, ("node1",))
    fake.forgets(1)
    (again,) = await engine.ask([launch()])
    assert (again.phase, again.status) == ("ended", 3)
    assert (await engine.start(launch())).phase == "ended"
    assert fake.count() == 1


async def test_many_starts_are_one_command_and_one_id_is_one_job(fake: FakeSlurm) -> None:
    engine = fake.engine()
    launches = [launch(f"q1-1.{task}.1") for task in range(7)]
    reports = await asyncio.gather(*(engine.start(one) for one in [*launches, *launches]))
    assert {report.phase for report in reports} == {"running"}
    assert fake.count() == 7
    assert [report.phase for report in await engine.ask(launches)] == ["running"] * 7
    assert await engine.ask([]) == []


async def test_a_cancelled_start_is_on_its_way(fake: FakeSlurm) -> None:
    engine = fake.engine()
    starting = asyncio.create_task(engine.start(launch()))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    assert (await engine.start(launch())).phase == "running"
    assert fake.count() == 1


async def test_a_submit_that_was_cut_off_is_found_by_its_comment(fake: FakeSlurm) -> None:
    """sbatch has sent it, and is gone before it told the id."""
    fake.breaks("sbatch-after", "kill -9 $PPID; exit 9")
    with pytest.raises(NodeError):
        await fake.engine().start(launch())
    fake.mend("sbatch-after")
    engine = fake.engine()
    assert not (fake.of(ID) / "job").exists()
    assert [report.phase for report in await engine.ask([launch()])] == ["running"]
    assert (await engine.start(launch())).phase == "running"
    assert fake.count() == 1
    assert (fake.of(ID) / "job").read_text() == "1\n"


async def test_a_submit_that_was_cut_off_before_is_sent_again(fake: FakeSlurm) -> None:
    fake.breaks("sbatch-before", "kill -9 $PPID; exit 9")
    with pytest.raises(NodeError):
        await fake.engine().start(launch())
    fake.mend("sbatch-before")
    engine = fake.engine()
    assert [report.phase for report in await engine.ask([launch()])] == ["absent"]
    assert (await engine.start(launch())).phase == "running"
    assert fake.count() == 1


async def test_a_submit_that_timed_out_but_was_taken(fake: FakeSlurm) -> None:
    fake.breaks(
        "sbatch-after",
        "echo 'sbatch: error: Batch job submission failed: Socket timed out' >&2; exit 1",
    )
    assert (await fake.engine().start(launch())).phase == "running"
    assert fake.count() == 1


async def test_a_controller_that_is_away(fake: FakeSlurm) -> None:
    fake.breaks(
        "sbatch-before", "echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1"
    )
    engine = fake.engine()
    with pytest.raises(NodeError, match="Unable to contact"):
        await engine.start(launch())
    assert [report.phase for report in await engine.ask([launch()])] == ["absent"]
    fake.mend("sbatch-before")
    assert (await engine.start(launch())).phase == "running"
    fake.breaks("squeue-before", "echo 'slurm_load_jobs error: Unable to contact' >&2; exit 1")
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "slurm_load_jobs error: Unable to contact")
    with pytest.raises(NodeError, match="Unable to contact"):
        await engine.cancel(launch())


async def test_what_is_not_known_is_not_sent_again(fake: FakeSlurm) -> None:
    """There is a spool, but squeue does not say whether there is a job."""
    fake.breaks("sbatch-after", "kill -9 $PPID; exit 9")
    with pytest.raises(NodeError):
        await fake.engine().start(launch())
    fake.mend("sbatch-after")
    fake.breaks("squeue-before", "echo away >&2; exit 1")
    with pytest.raises(NodeError, match="away"):
        await fake.engine().start(launch())
    assert fake.count() == 1


async def test_an_end_is_known_without_slurm(fake: FakeSlurm) -> None:
    await fake.engine().start(launch())
    fake.runs(1)
    fake.breaks("squeue-before", "exit 1")
    (report,) = await fake.engine().ask([launch()])
    assert (report.phase, report.status) == ("ended", 0)


async def test_a_refusal_is_told_alike_ever_after(fake: FakeSlurm) -> None:
    fake.breaks(
        "sbatch-before",
        "echo 'sbatch: warning: mind' >&2; echo 'sbatch: error: invalid partition' >&2; exit 1",
    )
    engine = fake.engine()
    assert (await engine.start(launch())).reason == "invalid partition"
    fake.mend("sbatch-before")
    report = await engine.start(launch())
    assert (report.phase, report.reason) == ("refused", "invalid partition")
    assert [one.phase for one in await engine.ask([launch()])] == ["refused"]
    assert fake.count() == 0


async def test_what_sbatch_never_sees_is_refused(fake: FakeSlurm) -> None:
    engine = fake.engine()
    bad: list[tuple[dict[str, Any], str]] = [
        ({"nodes": ("node9",)}, "Slurm has no node node9: sinfo -N"),
        ({"output": "a\\b"}, "backslash"),
        ({"environment": {"A B": ""}}, "'A B' is not the name of a variable"),
        ({"environment": {"A": "\0"}}, "NUL"),
        ({"restart": "own", "checkpoint_signal": "X;"}, "'X;' is not the name of a signal"),
    ]
    for number, (fields, words) in enumerate(bad):
        report = await engine.start(launch(f"q1-{number}.0.1", **fields))
        assert report.phase == "refused"
        assert words in report.reason
    assert fake.count() == 0
    (report,) = await engine.ask([launch("q1-1.0.1", output="a\\b")])
    assert report.phase == "absent"


async def test_while_it_is_submitted_nobody_else_does(fake: FakeSlurm) -> None:
    """The manager that sends it may be dead already: its sbatch is not."""
    fake.breaks(
        "sbatch-before", f"touch {fake.at}/slow; while [ -e {fake.at}/slow ]; do sleep 0.02; done"
    )
    first = asyncio.create_task(fake.engine().start(launch()))
    await until((fake.at / "slow").exists)
    other = fake.engine()
    (report,) = await other.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "it is being submitted")
    second = asyncio.create_task(other.start(launch()))
    await asyncio.sleep(0.1)
    (fake.at / "slow").unlink()
    assert {(await first).phase, (await second).phase} == {"running"}
    assert fake.count() == 1


async def test_a_second_copy_does_nothing(fake: FakeSlurm, tmp_path: Path) -> None:
    await fake.engine().start(launch(ID, "sh", "-c", f"echo ran >>{tmp_path}/ran"))
    assert fake.runs(1).returncode == 0
    copy = fake.runs(1)
    assert copy.returncode == 0
    assert "a second copy" in copy.stderr
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_a_spool_that_the_node_does_not_see(fake: FakeSlurm) -> None:
    await fake.engine().start(launch())
    folder = fake.of(ID)
    folder.rename(folder.with_name("gone"))
    ran = fake.runs(1)
    assert ran.returncode == 126
    assert "is it on a shared disk?" in ran.stderr


async def test_a_spool_of_somebody_else(fake: FakeSlurm) -> None:
    (fake.spool / ME).write_text("not a directory")
    engine = fake.engine()
    with pytest.raises(NodeError, match="cannot be used by"):
        await engine.start(launch())
    (report,) = await engine.ask([launch()])
    assert report.phase == "unknown"


async def test_cancel_before_and_after_the_start(fake: FakeSlurm) -> None:
    engine = fake.engine()
    async with running(engine) as heard:
        await engine.cancel(launch())
        ended = await heard.until("ended")
        assert ended.reason == "cancelled before it started"
        assert (await engine.start(launch())).phase == "ended"
        assert fake.count() == 0
        other = launch("q1-13.0.1")
        await engine.start(other)
        await engine.cancel(other)
        await engine.cancel(other)
    assert "cancelled" in fake.runs(1).stderr
    assert [one.phase for one in await engine.ask([other])] == ["ended"]
    third = launch("q1-14.0.1")
    await engine.start(third)
    fake.breaks("scancel-before", "echo no >&2; exit 1")
    with pytest.raises(NodeError, match="no"):
        await engine.cancel(third)
    fake.breaks("scancel-before", "rm $(dirname $0)/../job.2; exit 1")
    await engine.cancel(third)


async def test_cancel_that_says_nothing(fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "drop", lambda *_: "")
    with pytest.raises(NodeError, match="did not say"):
        await fake.engine().cancel(launch())


async def test_no_answer_of_the_spool(fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    await fake.engine().start(launch())
    fake.forgets(1)
    monkeypatch.setattr(shell, "look", lambda *_: "")
    (report,) = await fake.engine().ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "its spool gave no answer")


async def test_what_slurm_forgot_without_a_status_is_lost(fake: FakeSlurm) -> None:
    engine = fake.engine()
    await engine.start(launch())
    async with running(engine) as heard:
        fake.forgets(1)
        assert "no longer knows job 1" in (await heard.until("lost")).reason


async def test_an_end_that_only_slurm_knows(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = fake.engine()
    await engine.start(launch())
    fake.ends(1, "FAILED", "0:11")
    assert [one.signal for one in await engine.ask([launch()])] == ["SEGV"]
    monkeypatch.setattr(survey, "_SCONTROL", "exit 1\n")
    assert [one.phase for one in await engine.ask([launch()])] == ["lost"]


async def test_too_much_memory_is_found_on_stderr(fake: FakeSlurm, tmp_path: Path) -> None:
    engine = fake.engine()
    one = launch(directory=str(tmp_path), error="err.%N")
    await engine.start(one)
    (fake.of(ID) / "claim").mkdir()
    (fake.of(ID) / "claim/by").write_text("1 node1 1000\n")
    (tmp_path / "err.node1").write_text(
        "slurmstepd-node1: error: StepId=1.batch exceeded memory limit (300000000 > 200000000)\n"
    )
    fake.ends(1, "FAILED", "0:9")
    (report,) = await engine.ask([one])
    assert report.reason == "286 MB of memory of 190 MB allowed"


async def test_what_is_read(fake: FakeSlurm, tmp_path: Path) -> None:
    engine = fake.engine()
    one = launch(directory=str(tmp_path), output="out-%j-%N%%")
    assert await engine.read(one, "output", 0, 100) == b""
    await engine.start(one)
    fake.runs(1)
    (tmp_path / "out-12-node1%").write_bytes(b"0123\xff\n")
    assert await engine.read(one, "output", 0, 3) == b"012"
    assert await engine.read(one, "output", 3, 100) == b"3\xff\n"
    assert await engine.read(one, "output", 6, 100) == b""
    assert await engine.read(one, "output", -3, 2) == b"3\xff"
    assert await engine.read(one, "error", 0, 100) == b""
    (fake.of(ID) / "error").mkdir()
    with pytest.raises(NodeError, match="is not a file"):
        await engine.read(one, "error", 0, 100)


async def test_the_program_gets_what_was_asked(fake: FakeSlurm, tmp_path: Path) -> None:
    engine = fake.engine()
    shown = 'printf "%s|" "$A" "$PWD" "$@"'
    words = ["it's", "a\nb", "", "$HOME", "*"]
    one = launch(
        ID, "sh", "-c", shown, "sh", *words, environment={"A": "1 '\n2"}, directory=str(tmp_path)
    )
    await engine.start(one)
    ran = fake.runs(1)
    assert ran.stdout == "".join(f"{word}|" for word in ["1 '\n2", str(tmp_path), *words])
    assert "A=" not in "".join(fake.options(1))


async def test_the_environment_of_a_job_does_not_reach_our_own_commands(fake: FakeSlurm) -> None:
    engine = fake.engine()
    await engine.start(launch(ID, "/bin/true", environment={"PATH": "/nowhere"}))
    fake.runs(1)
    fake.forgets(1)
    assert [one.status for one in await engine.ask([launch()])] == [0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"directory": "/nowhere"}, "directory /nowhere cannot be entered on node1"),
        ({"argv": ("/nowhere/x",)}, "there is no program /nowhere/x on node1"),
        ({"argv": ("nosuchprogram",)}, "there is no program nosuchprogram on node1"),
        ({"argv": ("/tmp",)}, "there is no program /tmp on node1"),
    ],
)
async def test_what_cannot_start_is_refused_in_words(
    fake: FakeSlurm, fields: dict[str, Any], words: str
) -> None:
    engine = fake.engine()
    await engine.start(launch(ID, *fields.pop("argv", ()), **fields))
    assert fake.runs(1).returncode == 126
    fake.ends(1, "FAILED", "126:0")
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("refused", words)


@pytest.mark.parametrize(("kind", "mpi"), [("pmi2", ""), ("mine", "mine")])
async def test_a_parallel_job_is_started_by_srun(fake: FakeSlurm, kind: str, mpi: str) -> None:
    await fake.engine(mpi=mpi).start(launch(ID, "echo", "hi", kind="parallel", tasks=2))
    assert (
        f"srun --mpi='{kind}' --kill-on-bad-exit=1 --cpus-per-task=1"
        in (fake.at / "script.1").read_text()
    )
    assert fake.runs(1).stdout == "hi\n"


async def test_a_job_is_told_to_write_its_checkpoint(fake: FakeSlurm) -> None:
    """Only the script is signalled, and tells the program; its status is the program's."""
    one = launch(
        ID,
        "sh",
        "-c",
        'trap "echo saved; exit 5" USR1; kill -USR1 $(cut -d" " -f4 /proc/$$/stat); '
        "while :; do sleep 0.05; done",
        restart="own",
        checkpoint_signal="USR1",
        restart_argv=("echo", "again"),
    )
    engine = fake.engine()
    await engine.start(one)
    ran = fake.runs(1)
    assert (ran.returncode, ran.stdout) == (5, "saved\n")
    again = launch("q1-12.0.2", "x", attempt=2, restart="own", restart_argv=("echo", "again"))
    await engine.start(again)
    assert fake.runs(2).stdout == "again\n"


async def test_a_dependency_on_what_still_lives(fake: FakeSlurm) -> None:
    engine = fake.engine()
    await engine.start(launch("q1-1.0.1"))
    await engine.start(launch("q1-2.0.1", after=((1, "ok"),)))
    assert "--dependency=afterok:1" in fake.options(2)
    fake.becomes(1, "COMPLETED")
    await engine.start(launch("q1-3.0.1", after=((1, "ok"),)))
    assert not [word for word in fake.options(3) if word.startswith("--dependency")]


async def test_slurm_is_away_for_a_while(fake: FakeSlurm) -> None:
    engine = fake.engine()
    await engine.start(launch())
    fake.breaks("squeue-before", f"echo x >>{fake.at}/asked; exit 1")
    async with running(engine) as heard:
        await until((fake.at / "asked").exists)
        assert heard.reports == []
        fake.mend("squeue-before")
        fake.runs(1)
        fake.ends(1, "COMPLETED", "0:0")
        assert (await heard.until("ended")).status == 0


async def test_an_unknown_one_turns_out_never_to_have_begun(fake: FakeSlurm) -> None:
    engine = fake.engine()
    fake.breaks("squeue-before", "exit 1")
    assert [one.phase for one in await engine.ask([launch()])] == ["unknown"]
    fake.mend("squeue-before")
    async with running(engine) as heard:
        await until(lambda: not engine._watched)
        assert heard.reports == []


@pytest.mark.parametrize(
    ("owner", "words"), [("nosuchuser", "there is no user"), ("-x", "'-x' is no user")]
)
async def test_a_user_that_is_none(fake: FakeSlurm, owner: str, words: str) -> None:
    one = support.launch(ID, "true", owner=owner)
    report = await fake.engine().start(one)
    assert report.phase == "refused"
    assert words in report.reason
    (asked,) = await fake.engine().ask([one])
    assert asked.phase == "unknown"


async def test_a_login_that_cannot_submit_for_others(fake: FakeSlurm) -> None:
    (fake.at / "bin/id").write_text("#!/bin/sh\necho carol\n")
    (fake.at / "bin/id").chmod(0o755)
    report = await fake.engine().start(launch())
    assert report.phase == "refused"
    assert f"carol cannot submit the jobs of {ME}: let the engine log in as root" in report.reason


async def test_no_slurm_on_the_submit_host(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_FACTS", f"PATH=/nowhere\n{host._FACTS}")
    with pytest.raises(NodeError, match="there is no sbatch"):
        await fake.engine().start(launch())


async def test_a_fault_of_ours_is_raised_where_it_is_waited_for(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("a fault")

    monkeypatch.setattr(slurm, "script", broken)
    with pytest.raises(ValueError, match="a fault"):
        await fake.engine().start(launch())


def in_memory(transport: Memory) -> slurm.Slurm:
    node = Node(node_name("head"), "head")
    return slurm.Slurm(EngineContext(SystemClock(), [node], transport, "", {"host": "head"}))


async def test_a_host_that_cannot_be_reached() -> None:
    engine = in_memory(Memory(faults={"head": Faults(refuse="no route")}))
    with pytest.raises(UnreachableError):
        await engine.start(launch())
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "no route")


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: object) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(slurm, "_ASK_S", 0.05)
    engine = in_memory(Memory(default=silent))
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "head gave no answer for 0.05 s")
    with pytest.raises(DeadlineError, match=r"no answer for 0.05 s"):
        await engine._host.run("x", 0.05)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs a submit host"),
        ({"host": 5}, "needs a submit host"),
        ({"host": "-x"}, "bad submit host"),
        ({"host": "a,b"}, "bad submit host"),
    ],
)
def test_a_submit_host_that_is_none(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        slurm.build(EngineContext(SystemClock(), (), Memory(), "", settings))


def test_there_is_no_way() -> None:
    with pytest.raises(ConfigError, match="needs a way"):
        slurm.build(EngineContext(SystemClock(), settings={"host": "local://"}))


def test_it_complains(fake: FakeSlurm) -> None:
    assert fake.engine().complaints(launch(metric="queue").request)
    assert not fake.engine().complaints(launch(metric="load").request)


async def test_what_has_ended_is_forgotten_and_what_lives_is_not(fake: FakeSlurm) -> None:
    engine = fake.engine()
    over, lives, never = launch(), launch("q1-13.0.1"), launch("q1-14.0.1")
    await engine.start(over)
    await engine.start(lives)
    fake.runs(1)
    fake.ends(1, "COMPLETED", "0:0")
    for _ in range(2):
        await engine.forget([over, lives, never])
        assert (fake.of(over.id).exists(), fake.of(lives.id).exists()) == (False, True)
    await engine.forget([])
    fake.breaks("squeue-before", "echo away >&2; exit 1")
    with pytest.raises(NodeError, match="away"):
        await engine.forget([lives])
    assert fake.of(lives.id).exists()
