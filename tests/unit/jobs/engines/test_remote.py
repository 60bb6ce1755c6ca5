"""The engine `remote` over this machine: limits, GPUs, what nodes may say wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ConfigError, NodeError, UnreachableError, UsageError
from clsh.jobs.engine import EngineContext, Launch
from clsh.jobs.engines import remote
from clsh.jobs.model import Place, Request
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.local import LocalTransport
from tests.support.jobs import until

if TYPE_CHECKING:
    from clsh.jobs.engine import Report
    from clsh.jobs.engines._remote.link import Link
    from clsh.remote.transport import Session

HERE = Node(node_name("here"), "here", transport="local")


class Lab:
    def __init__(self, spool: Path, sent: Callable[[str, str], Path] | None = None) -> None:
        self.spool = spool
        self.told: dict[str, Report] = {}
        self.phases: list[tuple[str, str]] = []
        context = EngineContext(SystemClock(), [HERE], LocalTransport(), str(spool), sent=sent)
        engine = remote.build(context)
        assert isinstance(engine, remote.Remote)
        self.engine = engine

    def tell(self, report: Report) -> None:
        self.phases.append((report.id, report.phase))
        if report.phase not in {"running", "unknown"}:
            self.told[report.id] = report

    async def ended(self, one: Launch) -> Report:
        for _ in range(1500):
            if one.id in self.told:
                return self.told[one.id]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{one.id} did not end")

    async def over(self, one: Launch) -> None:
        for _ in range(600):
            (said,) = await self.engine.ask([one])
            if said.phase != "running":
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{one.id} did not end")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    made = Lab(tmp_path / "spool")
    yield made
    await made.engine.aclose()


@pytest.fixture
async def running(lab: Lab) -> AsyncIterator[Lab]:
    task = asyncio.create_task(lab.engine.run(lab.tell))
    yield lab
    task.cancel()
    await asyncio.wait([task])


def launch(name: str, *argv: str, owner: str = "root", **request: Any) -> Launch:
    return Launch(name, owner, 1, 0, 1, Request(argv, directory="/", **request), (Place("here"),))


def test_what_cannot_be_built() -> None:
    with pytest.raises(ConfigError, match="can be reached"):
        remote.build(EngineContext(SystemClock()))
    with pytest.raises(ConfigError, match="bad spool"):
        remote.build(EngineContext(SystemClock(), [HERE], LocalTransport(), "relative"))


async def test_a_bad_name_reaches_no_node(lab: Lab) -> None:
    for call in (lab.engine.start, lab.engine.cancel, lambda one: lab.engine.ask([one])):
        with pytest.raises(UsageError):
            await call(launch("../x", "true"))
    assert not lab.spool.exists()


async def test_what_has_no_equivalent_is_refused(lab: Lab) -> None:
    said = await lab.engine.start(launch("send", "true", send=("x",)))
    assert (said.phase, lab.spool.exists()) == ("refused", False)


async def test_how_long_it_runs_is_told_by_its_node(lab: Lab) -> None:
    one = launch("long", "sleep", "600")
    await lab.engine.start(one)
    (said,) = await lab.engine.ask([one])
    assert 0 <= said.ran_s < 60
    await lab.engine.cancel(one)
    await lab.over(one)


async def test_a_runner_whose_directory_is_gone_ends(lab: Lab, tmp_path: Path) -> None:
    one = launch("gone", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    await lab.engine.start(one)
    pid = int((lab.spool / "gone/pid").read_text().split()[0])
    await asyncio.to_thread(shutil.rmtree, lab.spool / "gone")
    (tmp_path / "go").touch()
    await until(lambda: not lives(pid))


async def test_too_much_memory_ends_it(running: Lab) -> None:
    code = "x = bytearray(150 << 20); import time; time.sleep(60)"
    one = launch("big", sys.executable, "-c", code, rss_limit=100 << 20)
    await running.engine.start(one)
    told = await running.ended(one)
    assert told.signal == "TERM"
    assert told.reason.endswith("GB of 0.0977 GB allowed")
    assert told.rss > 100 << 20


async def test_gpus_are_given_to_one_at_a_time(
    running: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: x'; echo 'GPU 1: y'\n")
    tool.chmod(0o755)
    path = f"{tool.parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    lab = Lab(tmp_path / "gpus")
    ask = launch("a", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES; sleep 60", gpus=1)
    both = launch("b", "true", gpus=2)
    assert (await lab.engine.start(ask)).phase == "running"
    (has,) = lab.engine.slots()
    assert has.gpus == 2
    said = await lab.engine.start(both)
    assert (said.phase, said.reason) == ("refused", "1 more GPUs are needed than are free")
    await lab.engine.cancel(ask)
    await lab.over(ask)
    again = launch("c", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES", gpus=2)
    assert (await lab.engine.start(again)).phase == "running"
    await lab.over(again)
    assert await lab.engine.read(again, "output", 0, 99) == b"0,1\n"
    await lab.engine.aclose()


async def test_one_that_was_claimed_and_never_began_is_lost(lab: Lab) -> None:
    one = launch("half", "true")
    await lab.engine.ask([one])
    (lab.spool / "half").mkdir()
    (said,) = await lab.engine.ask([one])
    assert (said.phase, said.reason) == ("lost", "it was claimed and never began")
    assert (await lab.engine.start(one)).phase == "lost"


async def test_what_has_ended_is_forgotten_and_what_runs_is_not(lab: Lab) -> None:
    over, runs = launch("over", "true"), launch("runs", "sleep", "600")
    for one in (over, runs):
        await lab.engine.start(one)
    await lab.over(over)
    await lab.engine.forget([over, runs])
    assert [r.phase for r in await lab.engine.ask([over, runs])] == ["absent", "running"]
    await lab.engine.cancel(runs)


async def test_a_spool_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lab = Lab(tmp_path / "file/spool")
    with pytest.raises(NodeError, match="cannot make the directory"):
        await lab.engine.start(launch("x", "true"))
    assert lab.engine.slots() == []
    (said,) = await lab.engine.ask([launch("x", "true")])
    assert (said.phase, "cannot make" in said.reason) == ("unknown", True)
    await lab.engine.aclose()


async def test_an_output_that_is_not_there_is_told(lab: Lab) -> None:
    with pytest.raises(NodeError, match="no directory"):
        await lab.engine.read(launch("none", "true"), "output", 0, 9)
    with pytest.raises(NodeError, match="cannot read none"):
        await lab.engine.read(launch("none", "true", output="none"), "output", 0, 9)


async def test_a_loop_that_died_is_started_again(running: Lab) -> None:
    one = launch(
        "long", "sh", "-c", "while [ ! -e $0 ]; do sleep 0.05; done", str(running.spool / "go")
    )
    await running.engine.start(one)
    link = running.engine._links["here"]
    first = await link.open()
    first.running.cancel()
    await asyncio.wait([first.running])
    (running.spool / "go").touch()
    assert (await running.ended(one)).status == 0
    assert await link.open() is not first


class Away(LocalTransport):
    """A way to this machine that can be closed."""

    closed = False

    async def open(self, node: Node, deadline_s: float) -> Session:
        if self.closed:
            raise UnreachableError(node.name, "no route")
        return await super().open(node, deadline_s)


async def test_what_runs_on_a_node_that_is_cut_off_is_unknown_until_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_LONGEST_S", 0.05)
    monkeypatch.setattr(remote, "_CHECK_S", 0.05)
    lab = Lab(tmp_path / "spool")
    way = Away()
    lab.engine = remote.Remote(EngineContext(SystemClock(), [HERE], way, str(lab.spool)))
    reasons: list[str] = []

    def tell(report: Report) -> None:
        reasons.append(report.reason)
        lab.tell(report)

    checked, check = asyncio.Event(), lab.engine._check

    async def checking(link: Link) -> None:
        await check(link)
        checked.set()

    monkeypatch.setattr(lab.engine, "_check", checking)
    task = asyncio.create_task(lab.engine.run(tell))
    one = launch("hidden", "sleep", "600")
    assert (await lab.engine.start(one)).phase == "running"
    loop = await lab.engine._links["here"].open()
    await checked.wait()
    way.closed = True
    loop.running.cancel()
    await until(lambda: len(reasons) >= 2)
    assert set(lab.phases) == {("hidden", "unknown")}
    assert reasons[0] == "here: the connection to it ended"
    assert reasons[1] == "here unreachable: no route"
    way.closed = False
    await until(lambda: lab.phases[-1] == ("hidden", "running"))
    for _ in range(2):
        checked.clear()
        await checked.wait()
    await lab.engine.cancel(one)
    assert (await lab.ended(one)).signal == "TERM"
    assert lab.phases.count(("hidden", "running")) == 1
    task.cancel()
    await asyncio.wait([task])


async def test_what_a_node_did_not_know_when_it_was_heard_again_is_not_told(lab: Lab) -> None:
    """It may have been started since: told as absent it would be taken for one that is gone."""
    one = launch("under-way", "true")
    lab.engine._open[one.id] = one
    lab.engine._tell = lab.tell
    link = lab.engine._links["here"]
    lab.engine._hide(link, "away")
    await lab.engine._check(link)
    assert lab.phases == [(one.id, "unknown")]


async def test_what_left_the_process_group_of_its_task_ends_soon_after_it(
    running: Lab, tmp_path: Path
) -> None:
    """An interactive bash gives each command a group of its own."""
    one = launch("group", "bash", "-c", f"set -m; sleep 600 & echo $! >{tmp_path}/pid")
    await running.engine.start(one)
    assert (await running.ended(one)).status == 0
    await gone(tmp_path / "pid")
    assert not list((running.spool / "left").glob("*/*"))


async def test_what_left_the_group_ends_with_its_task_when_nobody_listens(
    lab: Lab, tmp_path: Path
) -> None:
    script = "set -m; sleep 600 & echo $! >$0/pid; while [ ! -e $0/go ]; do sleep 0.05; done"
    one = launch("alone", "bash", "-c", script, str(tmp_path))
    await lab.engine.start(one)
    await lab.engine.aclose()
    for fifo in (lab.spool / "ends").glob("*/*"):
        fifo.unlink()  # one whose loop was killed stays until the next comes
    (tmp_path / "go").touch()
    await gone(tmp_path / "pid")


async def test_where_the_uptime_says_nothing_each_runner_looks_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin/getconf"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    lab = Lab(tmp_path / "spool")
    one = launch("lxc", "bash", "-c", f"set -m; sleep 600 & echo $! >{tmp_path}/pid")
    await lab.engine.start(one)
    await gone(tmp_path / "pid")
    assert not list((lab.spool / "left").glob("*/*"))
    await lab.engine.aclose()


async def test_the_session_of_somebody_else_is_not_swept(lab: Lab) -> None:
    """Its number was free when the task had ended, and its leader has ended as well."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=-3).pid)"
    leader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    out, _ = await leader.communicate()
    try:
        await lab.engine.ask([launch("x", "true")])
        (left,) = (lab.spool / "left").glob("*")
        boot = await asyncio.to_thread(boot_of)
        for number, note in enumerate(
            (f"{boot} 1.0 .\n", f"{boot} 99999999", "other 99999999 .\n")
        ):
            (left / str(leader.pid)).write_text(note)
            await lab.engine._links["here"].call(["sweep"], ["-"], 20)
            assert not (left / str(leader.pid)).exists(), number
            await asyncio.sleep(0.5)  # what is to end, ends soon after the answer
            assert lives(int(out))
        (left / str(leader.pid)).write_text(f"{boot} 99999999 .\n")
        await lab.engine._links["here"].call(["sweep"], ["-"], 20)
        for _ in range(600):
            if not lives(int(out)):
                break
            await asyncio.sleep(0.05)
        assert not lives(int(out))
    finally:
        if lives(int(out)):
            os.kill(int(out), 9)


@pytest.mark.parametrize("text", ["", "ended 0 0 1.0 ", "ended 0 0 1.0 words"])
async def test_a_status_that_is_not_whole_is_none(lab: Lab, text: str) -> None:
    one = launch("torn", "sleep", "600")
    await lab.engine.start(one)
    status = lab.spool / "torn/status"
    status.write_text(text)
    assert [said.phase for said in await lab.engine.ask([one])] == ["running"]
    pid = int((lab.spool / "torn/pid").read_text().split()[0])
    os.kill(pid, 9)
    await lab.over(one)
    (said,) = await lab.engine.ask([one])
    assert (said.phase, said.reason) == ("lost", "its runner vanished without a status")


async def test_a_pid_that_is_not_whole_is_none(lab: Lab) -> None:
    one = launch("half", "true")
    await lab.engine.ask([one])
    (lab.spool / "half").mkdir()
    (lab.spool / "half/pid").write_text(f"{os.getpid()} 1")
    (said,) = await lab.engine.ask([one])
    assert (said.phase, said.reason) == ("lost", "it was claimed and never began")


async def test_two_that_start_the_same_at_once_start_each_once(lab: Lab, tmp_path: Path) -> None:
    many = [launch(f"both-{n}", "sh", "-c", f"echo x >>{tmp_path}/{n}.ran") for n in range(90)]
    other = Lab(lab.spool)
    await asyncio.gather(*(one.engine.ask(many[:1]) for one in (lab, other)))
    await asyncio.gather(
        *(lab.engine.start(one) for one in many[:60]),
        *(other.engine.start(one) for one in [*reversed(many), *many]),
    )
    for one in many:
        await lab.over(one)
    assert {said.status for said in await other.engine.ask(many)} == {0}
    assert [(tmp_path / f"{n}.ran").read_text() for n in range(90)] == ["x\n"] * 90
    await other.engine.aclose()


async def test_a_pipe_is_of_one_attempt_and_the_rest_go_with_the_loop(lab: Lab) -> None:
    many = [launch(f"pipe-{n}", "true") for n in range(70)]
    await lab.engine.ask(many[:1])
    (pipes,) = (lab.spool / "pipes").glob("*")
    seen: list[int] = []
    for one in many:
        await lab.engine.start(one)
        seen.append(len(list(pipes.iterdir())))
    assert set(seen) == {32}
    for one in many:
        await lab.over(one)
    assert {said.status for said in await lab.engine.ask(many)} == {0}
    await lab.engine.aclose()
    for _ in range(1500):
        if not list(pipes.iterdir()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("its pipes are left")


async def test_a_node_that_makes_no_pipe_refuses(lab: Lab) -> None:
    one = launch("no-pipe", "true")
    await lab.engine.ask([one])
    (await lab.engine._links["here"].open()).send(b"mkfifo() { return 1; }\n")
    said = await lab.engine.start(one)
    assert (said.phase, said.reason) == ("refused", f"cannot write to {lab.spool}")


async def test_a_directory_that_this_start_has_not_made_is_not_run(lab: Lab) -> None:
    """The claim of a batch fails for one of it: that one, and no other, is somebody else's."""
    many = [launch(f"claim{tail}", "true") for tail in ("", "-1", ".1", "1")]
    await lab.engine.ask(many)
    claim = 'mkdir() { command mkdir "$spool/claim" && command mkdir "$@"; }\n'
    (await lab.engine._links["here"].open()).send(claim.encode())
    said = await asyncio.gather(*(lab.engine.start(one) for one in many))
    assert [one.phase for one in said[1:]] == ["running"] * 3
    assert (said[0].phase, said[0].reason) == ("lost", "it was claimed and never began")


@pytest.mark.parametrize(
    ("mark", "phase", "reason"),
    [
        ("dead", "lost", "its runner vanished without a status"),
        ("cancel", "ended", "cancelled before it began"),
    ],
)
async def test_a_runner_that_comes_too_late_starts_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, phase: str, reason: str
) -> None:
    monkeypatch.setattr(remote, "_START_S", 1.0)
    one = launch("late", "touch", str(tmp_path / "ran"))
    await lab.engine.ask([one])
    claim = f'mkdir() {{ command mkdir "$@" && echo >"$spool/late/{mark}"; }}\n'
    (await lab.engine._links["here"].open()).send(claim.encode())
    with contextlib.suppress(NodeError):
        await lab.engine.start(one)
    (said,) = await lab.engine.ask([one])
    assert (said.phase, said.reason) == (phase, reason)
    assert not (tmp_path / "ran").exists()


async def test_a_claim_that_was_killed_runs_nothing(lab: Lab) -> None:
    one = launch("killed", "true")
    await lab.engine.ask([one])
    claim = 'mkdir() { command mkdir "$@"; return 137; }\n'
    (await lab.engine._links["here"].open()).send(claim.encode())
    assert (await lab.engine.start(one)).phase == "lost"


async def test_a_spool_that_is_gone_is_told(lab: Lab) -> None:
    await lab.engine.ask([launch("x", "true")])
    (await lab.engine._links["here"].open()).send(b"spool=/nowhere\n")
    for call in (lab.engine.start, lab.engine.cancel):
        with pytest.raises(NodeError, match="cannot write to /nowhere"):
            await call(launch("x", "true"))


async def gone(file: Path) -> None:
    """Wait until the process whose number is in a file has ended."""
    for _ in range(1500):
        if written(file) and not lives(int(written(file))):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it lives")


def written(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def boot_of() -> str:
    first = Path("/proc/1/stat").read_text().rpartition(") ")[2].split()[19]
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}.{first}"
