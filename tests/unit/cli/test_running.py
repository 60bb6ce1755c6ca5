"""Whole runs over nodes of Python functions: what is printed, and the exit status."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from clsh.cli import last_run, running
from clsh.cli.options import parse
from clsh.cli.output.out_files import OutFiles
from clsh.cli.output.printing import Look
from clsh.cli.running import Ended, Run, carry_out
from clsh.cli.work import command
from clsh.remote.fanout import Plan
from tests.unit.cli.scripted import (
    Script,
    Scripted,
    echoes,
    loses,
    node,
    sleeps,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from clsh.remote.transport import Stream


@dataclass
class Shown:
    ended: Ended = field(default_factory=lambda: Ended(-1))
    out: bytes = b""
    err: bytes = b""


@pytest.fixture
def shows(tmp_path: Path) -> Callable[..., Shown]:
    """Carry out a run and return what it wrote."""

    def run(
        scripts: Mapping[str, Script],
        look: Look = Look(),  # noqa: B008 - a frozen value
        *,
        names: list[str] | None = None,
        plan: Plan = Plan(),  # noqa: B008 - a frozen value
        files: dict[Stream, str] | None = None,
        stdin: bytes | None = None,
        largest: bool = False,
        during: Callable[[], None] | None = None,
        words: str = "x",
    ) -> Shown:
        nodes = [node(name) for name in (names or scripts)]
        paths = tmp_path / "stdout", tmp_path / "stderr"
        out, err = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for path in paths)
        if stdin is not None:
            (tmp_path / "stdin").write_bytes(stdin)
        given = os.open(tmp_path / "stdin", os.O_RDONLY) if stdin is not None else None
        made = Run(
            nodes,
            command(parse(words.split())),
            plan,
            look,
            tmp_path / "state",
            lambda: Scripted(scripts),
            files=OutFiles(files, [one.name for one in nodes]) if files else None,
            stdin=given,
            largest=largest,
            stdout=out,
            stderr=err,
        )

        async def main() -> Ended:
            if during:
                asyncio.get_running_loop().call_later(0.1, during)
            return await carry_out(made)

        ended = asyncio.run(main())
        for fd in (out, err, given):
            if fd is not None:
                os.close(fd)
        return Shown(ended, *(path.read_bytes() for path in paths))

    return run


def test_lines_are_labelled_and_nothing_written_is_shown_too(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": writes(b"one\ntwo"), "n2": writes(), "n3": writes(b"", b"wrong\n")})
    assert sorted(shown.out.splitlines()) == [b"n1: one", b"n1: two", b"n2:"]
    assert shown.err == b"n3: wrong\n"
    assert shown.ended == Ended(0)


def test_some_failed(shows: Callable[..., Shown], tmp_path: Path) -> None:
    scripts = {"n1": writes(b"x\n"), "n2": writes(status=7), "n3": writes(status=5)}
    shown = shows(scripts)
    assert shown.ended == Ended(3)
    assert shown.err == b"clsh: 2 of 3 failed: n3 (exit 5), n2 (exit 7)\n"
    assert last_run.load(tmp_path / "state") == [node("n2"), node("n3")]
    assert shows(scripts, largest=True).ended == Ended(7)


def test_a_lost_node_is_named_with_what_it_had_said(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": loses(b"one\ntwo\nhalf"), "n2": writes(b"fine\n")})
    assert shown.ended == Ended(12)
    first, last = shown.err.decode().splitlines()
    assert first == "ERROR: n1 connection lost (after 0.0 s, 3 lines kept): the link is down"
    assert last == "clsh: 1 of 2 failed: n1 (connection lost)"
    assert b"n1: half\n" in shown.out
    assert b"n2: fine\n" in shown.out


def test_on_lost_stop_ends_the_others(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": loses(b""), "n2": sleeps}, plan=Plan(on_lost="stop"))
    assert shown.ended == Ended(12)
    assert b"n2 (stopped)" in shown.err


def test_an_unreachable_node_is_named(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": writes(b"x\n")}, names=["n1", "n2"])
    assert shown.ended == Ended(13)
    assert shown.err.startswith(b"ERROR: n2 unreachable: no route to host\n")
    assert shown.out == b"n1: x\n"


def test_a_command_that_takes_too_long(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": sleeps}, plan=Plan(timeout_s=0.05))
    assert shown.ended == Ended(124)
    assert shown.err.startswith(b"ERROR: n1 timed out (after 0.1 s, 0 lines kept)\n")
    assert b"n1:" not in shown.out


def test_standard_input_goes_to_every_node(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": echoes, "n2": echoes}, stdin=b"given\n")
    assert sorted(shown.out.splitlines()) == [b"n1: given", b"n2: given"]


GROUPS = {
    "n1": writes(b"odd"),
    "n2": writes(b"same\n", b"wrong\n"),
    "n3": writes(b"same\n"),
    "n4": writes(),
}
RULE = "-" * 15


def test_equal_output_is_shown_once(shows: Callable[..., Shown]) -> None:
    shown = shows(GROUPS, Look("groups", live=False))
    assert shown.out.decode() == (
        f"{RULE}\nn[2-3] (2)\n{RULE}\nsame\n{RULE}\nn1\n{RULE}\nodd\n{RULE}\nn4\n{RULE}\n"
    )
    assert shown.err.decode() == f"{RULE}\nn2\n{RULE}\nwrong\n"


def test_groups_in_the_order_of_the_nodes(shows: Callable[..., Shown]) -> None:
    shown = shows(GROUPS, Look("groups", live=False, largest_first=False))
    titles = [line for line in shown.out.decode().splitlines() if line.startswith("n")]
    assert titles == ["n1", "n[2-3] (2)", "n4"]


def test_live_lines_and_a_report(shows: Callable[..., Shown]) -> None:
    shown = shows(GROUPS, Look("groups", live=True))
    assert b"n3: same\n" in shown.out
    assert b"n4:\n" in shown.out
    assert f"n[2-3] (2)\n{RULE}\nsame\n".encode() in shown.out


def test_output_that_is_not_all_is_a_group_of_its_own(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": writes(b"x\n"), "n2": loses(b"x\n")}, Look("groups", live=False))
    assert f"{RULE}\nn1\n{RULE}\nx\n{RULE}\nn2 - lost\n{RULE}\nx\n".encode() == shown.out


def test_a_difference_is_against_the_largest_group(shows: Callable[..., Shown]) -> None:
    scripts = {"n1": writes(b"a\nB\n"), "n2": writes(b"a\nb\n"), "n3": writes(b"a\nb\n")}
    for largest_first in (True, False):
        shown = shows(scripts, Look("diff", live=False, largest_first=largest_first))
        assert shown.out.decode() == (
            f"{RULE}\nn[2-3] (2)\n{RULE}\na\nb\n{RULE}\nn1\n{RULE}\n"
            "--- n[2-3]\n+++ n1\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n"
        )


def test_a_difference_of_much_is_of_its_beginning(
    shows: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clsh.cli.output.report.DIFF_BYTES", 2048)
    scripts = {"n1": writes(b"a\n" * 2000), "n2": writes(b"b\n" + b"a\n" * 2000)}
    shown = shows(scripts, Look("diff", live=False))
    assert shown.out.endswith(b"(only the first 2 KiB compared)\n")
    assert b"+b\n" in shown.out


def test_one_table(shows: Callable[..., Shown]) -> None:
    scripts = {
        "n1": writes(b"one\ntwo", b"wrong\n", status=4),
        "node2": writes(),
        "n3": loses(b"x\n"),
    }
    shown = shows(scripts, Look("table", live=False))
    assert shown.out.decode().splitlines() == [
        "NODE   EXIT  SECONDS  OUTPUT",
        "n1     4     0.0      one",
        "                      two",
        "                      wrong",
        "node2  0     0.0",
        "n3     lost  0.0      x",
    ]


def test_nodes_in_their_order(shows: Callable[..., Shown]) -> None:
    scripts = {"n2": writes(b"b\n", b"e\n", times=2), "n1": writes(b"a"), "n3": writes()}
    shown = shows(scripts, Look("lines", live=False))
    assert shown.out == b"n2: b\nn2: b\nn1: a\nn3:\n"
    assert shown.err == b"n2: e\nn2: e\n"


def test_only_failures(shows: Callable[..., Shown]) -> None:
    scripts = {"n1": writes(b"fine\n"), "n2": writes(b"bad\n", status=1)}
    for view, out in (("lines", b"n2: bad\n"), ("groups", f"{RULE}\nn2\n{RULE}\nbad\n".encode())):
        shown = shows(scripts, Look(view, live=False, only_failed=True))  # type: ignore[arg-type]  # in a tuple
        assert shown.out == out
        assert shown.err == b"clsh: 1 of 2 failed: n2 (exit 1)\n"


def test_json(shows: Callable[..., Shown]) -> None:
    scripts = {"n1": writes(b"a\n", status=2), "n2": writes(b"", b"\xff\n")}
    shown = shows(scripts, Look(live=False, json=True), names=["n1", "n2", "n3"])
    found = [json.loads(line) for line in shown.out.splitlines()]
    assert {"node": "n1", "stream": "stdout", "text": "a"} in found
    assert {"node": "n2", "stream": "stderr", "base64": "/w=="} in found
    states = {one["node"]: (one["state"], one["exit"]) for one in found if "state" in one}
    assert states == {"n1": ("done", 2), "n2": ("done", 0), "n3": ("unreachable", None)}
    assert found[-1] == {"exit": 13, "nodes": 3, "failed": 2}
    assert shown.ended == Ended(13)


def test_what_goes_to_files_is_not_shown(shows: Callable[..., Shown], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    scripts = {"n1": writes(b"out", b"err\n"), "n2": loses(b"half")}
    for view in (None, "groups", "lines", "table"):
        shown = shows(
            scripts,
            Look(view, live=view is None),
            files={"stdout": f"{folder}/"},
        )
        assert (folder / "n1.out").read_bytes() == b"out"
        assert (folder / "n2.out").read_bytes() == b"half"
        assert b"half" not in shown.out
        assert b"err" in shown.err + shown.out
        assert shown.ended == Ended(12)


def test_a_node_whose_file_cannot_be_written_fails_alone(
    shows: Callable[..., Shown], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "n1.out").symlink_to("/nowhere/else")
    shown = shows({"n1": writes(b"a"), "n2": writes(b"b")}, files={"stdout": f"{folder}/"})
    assert shown.ended == Ended(1)
    assert (folder / "n2.out").read_bytes() == b"b"
    assert shown.err.decode() == (
        f"ERROR: n1 failed: cannot write '{folder}/n1.out': it is a link\n"
        "clsh: 1 of 2 failed: n1 (not complete)\n"
    )


def test_a_full_disk_fails_the_node_even_by_its_last_byte(shows: Callable[..., Shown]) -> None:
    shown = shows({"n1": writes(b"no newline")}, files={"stdout": "/dev/full"})
    assert shown.ended == Ended(1)
    assert b"ERROR: n1 failed: cannot write '/dev/full': No space left on device" in shown.err


def test_too_much_to_keep_is_told_and_is_a_failure(
    shows: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    from clsh.cli.output import printing
    from clsh.remote.gather import Gather

    monkeypatch.setattr(printing, "Gather", lambda: Gather(memory=1000, first=10, spool=2000))
    shown = shows({"n1": writes(b"x" * 999 + b"\n", times=10)}, Look("groups", live=False))
    assert shown.ended == Ended(1)
    assert len(shown.out) < 2100
    assert shown.err == (
        b"ERROR: n1 wrote too much to be kept: the last 0.0 MB are not shown; "
        b"--out keeps everything\n"
    )


def test_live_lines_and_a_report_of_very_much(
    shows: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    from clsh.cli.output import printing, writer
    from clsh.remote.gather import Gather

    monkeypatch.setattr(printing, "Gather", lambda: Gather(memory=1000))
    monkeypatch.setattr(writer, "HIGH", 0)
    script = writes(b"x" * 999 + b"\n", times=100)
    shown = shows({"n1": script, "n2": script}, Look("groups", live=True))
    assert shown.out.count(b"n1: x") == shown.out.count(b"n2: x") == 100
    assert shown.out.count(b"\nx") == 100


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, 130), (signal.SIGQUIT, 131), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_everything_at_once(
    shows: Callable[..., Shown], signum: signal.Signals, code: int
) -> None:
    shown = shows({"n1": sleeps, "n2": writes(b"x\n")}, during=lambda: os.kill(os.getpid(), signum))
    assert shown.ended == Ended(code, at_once=True)
    assert b"n1 (stopped)" in shown.err


def test_term_lets_commands_finish_and_starts_none(shows: Callable[..., Shown]) -> None:
    async def soon(sink: object, _: object) -> int:
        await asyncio.sleep(0.3)
        sink.write("stdout", b"finished\n")  # type: ignore[attr-defined]  # any sink will do
        return 0

    shown = shows(
        {"n1": soon, "n2": soon},
        plan=Plan(window=1),
        during=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert shown.ended.code == 143
    assert shown.out == b"n1: finished\n"
    assert shown.err == b"clsh: 1 of 2 failed: n2 (not run)\n"


def test_a_second_term_stops_at_once(shows: Callable[..., Shown]) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)

    shown = shows({"n1": sleeps}, during=twice)
    assert shown.ended == Ended(143, at_once=True)


async def blocked_run(tmp_path: Path, stdout: int, script: Script) -> Run:
    return Run(
        [node("n1")],
        await asyncio.to_thread(lambda: command(parse(["x"]))),
        Plan(),
        Look(),
        tmp_path / "state",
        lambda: Scripted({"n1": script}),
        stdout=stdout,
        stderr=os.open("/dev/null", os.O_WRONLY),
    )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_run_whose_reader_does_not_read(
    tmp_path: Path, signum: signal.Signals
) -> None:
    reads, writes_ = os.pipe()
    run = await blocked_run(tmp_path, writes_, writes(b"x" * 9999 + b"\n", times=100))
    loop = asyncio.get_running_loop()
    loop.call_later(0.3, os.kill, os.getpid(), signum)
    began = loop.time()
    assert await carry_out(run) == Ended(128 + signum, at_once=True)
    assert loop.time() - began < 0.8
    os.close(reads)
    os.close(run.stderr)


async def test_a_reader_that_goes_away_ends_the_run_quietly(tmp_path: Path) -> None:
    reads, writes_ = os.pipe()
    run = await blocked_run(tmp_path, writes_, writes(b"x" * 9999 + b"\n", times=10**6))
    asyncio.get_running_loop().call_later(0.2, os.close, reads)
    ended = await carry_out(run)
    assert ended.code == running.CLOSED == 141
    os.close(writes_)
    os.close(run.stderr)


async def test_a_stdout_that_is_full_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    run = await blocked_run(tmp_path, full, writes(b"x\n"))
    assert (await carry_out(run)).code == 1
    assert "cannot write to standard output: No space left" in capsys.readouterr().err
    os.close(full)
    os.close(run.stderr)


def test_a_state_directory_that_cannot_be_written_spoils_no_run(
    shows: Callable[..., Shown], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in the way")
    assert shows({"n1": writes(b"x\n")}).err == b""
    shown = shows({"n1": writes(status=1)})
    assert shown.ended == Ended(3)
    assert b"--failed will not know this run" in shown.err
