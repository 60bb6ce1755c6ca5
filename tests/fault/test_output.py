"""Readers that do not read, disks that are full, terminals: the command as a process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.terminal import CLSH, Terminal

LOCAL = (CLSH, "-h", "local://")
ROOT = Path(__file__).parents[2]


def start(*argv: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*LOCAL, *argv], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
    )


def alive(mark: str) -> bool:
    """Tell whether a process has `mark` among its arguments."""
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in one.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def gone(mark: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.alone
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGQUIT, 131), (signal.SIGTERM, 143)]
)
def test_a_reader_that_does_not_read_cannot_hold_clsh(signum: signal.Signals, code: int) -> None:
    mark = f"y{os.getpid()}{signum.name}"
    with start("--grace", "0", "yes", mark) as process:
        assert process.stdout is not None
        select.select([process.stdout], [], [], 10)
        time.sleep(0.5)
        process.send_signal(signum)
        began = time.monotonic()
        assert process.wait(10) == code
        took_s = time.monotonic() - began
    assert took_s < (0.5 if signum != signal.SIGTERM else 5)
    assert gone(mark, 2)


@pytest.mark.parametrize("options", [[], ["--json"], ["-b", "--live"]])
def test_a_reader_that_leaves_stops_everything_quietly(options: list[str]) -> None:
    mark = f"head{os.getpid()}"
    with start(*options, "yes", mark) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100)
        process.stdout.close()
        assert process.wait(10) == 141
        assert process.stderr.read() == b""
    assert gone(mark, 2)


def test_stdout_that_is_full_is_said() -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("echo x", stdout=full.fileno())
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert b"clsh: cannot write to standard output: No space left on device" in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start(tmp_path: Path, closed: str) -> None:
    line = f"exec {CLSH} -h local:// --out {tmp_path}/run/ 'cat; echo out; echo err >&2' {closed}"
    done = subprocess.run(
        ["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/local.out").read_text() == "out\n"
    assert done.stdout == b""
    assert done.stderr == (b"" if "2>&-" in closed else b"local: err\n")


FULL = """
import asyncio, sys
from pathlib import Path
from clsh.cli.options import parse
from clsh.cli.output.out_files import OutFiles
from clsh.cli.output.printing import Look
from clsh.cli.running import Run, carry_out
from clsh.cli.work import command
from clsh.remote.fanout import Plan
from tests.unit.cli.scripted import Scripted, node, writes

big, small = writes(b"x" * 65536, times=100), writes(b"fine\\n")
scripts = {"n1": small, "n2": big, "n3": writes(b"", b"to stderr\\n")}
nodes = [node(name) for name in scripts]
files = OutFiles({"stdout": sys.argv[1]}, list(scripts))
run = Run(nodes, command(parse(["x"])), Plan(window=1), Look(), Path(sys.argv[2]),
          lambda: Scripted(scripts), files=files)
sys.exit(asyncio.run(carry_out(run)).code)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_fails_its_node_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    script = (
        f"mount -t tmpfs -o size=1m none {tmp_path}/disk && "
        f'{sys.executable} -c "$1" {tmp_path}/disk/run/ {tmp_path}/state; s=$?; '
        f"cp -r {tmp_path}/disk/run {tmp_path}/kept; exit $s"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", FULL],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines() == [
        f"ERROR: n2 failed: cannot write '{tmp_path}/disk/run/n2.out': No space left on device",
        "n3: to stderr",
        "clsh: 1 of 3 failed: n2 (not complete)",
    ]
    assert (tmp_path / "kept/n1.out").read_text() == "fine\n"
    kept = (tmp_path / "kept/n2.out").read_bytes()
    assert 0 < len(kept) <= 2**20
    assert not kept.strip(b"x")


def test_a_run_that_lasts_shows_how_far_it_is_and_leaves_no_trace() -> None:
    with Terminal([*LOCAL, "echo begun; sleep 1.6; echo over"], lines=10) as terminal:
        terminal.until("clsh: 0/1 done, 1 running")
        assert terminal.text[0] == "local: begun"
        assert terminal.finish() == 0
        assert terminal.text == ["local: begun", "local: over"]


def test_a_short_run_shows_no_status_line() -> None:
    with Terminal([*LOCAL, "echo x"]) as terminal:
        assert terminal.finish() == 0
    assert b"done" not in terminal.raw
    assert b"\x1b[K" not in terminal.raw


def test_a_last_line_is_completed_on_a_terminal() -> None:
    with Terminal([*LOCAL, "printf one; printf two >&2"]) as terminal:
        assert terminal.finish() == 0
    assert sorted(terminal.text) == ["local: one", "local: two"]


def test_no_color_is_respected() -> None:
    with Terminal([*LOCAL, "echo x"], env={"NO_COLOR": "1"}) as terminal:
        assert terminal.finish() == 0
    assert b"\x1b" not in terminal.raw
    with Terminal([*LOCAL, "echo x"]) as terminal:
        assert terminal.finish() == 0
    assert b"\x1b[36mlocal:\x1b[0m x" in terminal.raw


def test_a_password_is_asked_for_once_and_not_shown() -> None:
    with Terminal([*LOCAL, "--ask-pass", "echo x"]) as terminal:
        terminal.until("Password of the nodes:")
        terminal.type("secret\n")
        assert terminal.finish() == 0
    assert b"secret" not in terminal.raw
    assert terminal.text[-1] == "local: x"


def test_an_interrupt_while_a_password_is_asked_for() -> None:
    with Terminal([*LOCAL, "--ask-pass", "echo x"]) as terminal:
        terminal.until("Password of the nodes:")
        time.sleep(0.2)  # a signal between Python's look for one and its read waits for the read
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.finish() == 130
    assert b"Traceback" not in terminal.raw


def test_ctrl_c_ends_the_run_and_what_it_started() -> None:
    mark = f"sleep{os.getpid()}"
    line = f"echo begun; exec -a {mark} sleep 1000"
    with Terminal([*LOCAL, f"bash -c '{line}'"]) as terminal:
        terminal.until("local: begun")
        terminal.type("\x03")
        assert terminal.finish() == 130
    assert terminal.text[-1].removeprefix("^C") == "clsh: 1 of 1 failed: local (stopped)"
    assert gone(mark, 2)
