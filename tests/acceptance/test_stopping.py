"""The section "Stopping" of the shell's design, line by line, on four nodes.

tests/fault/test_stopping_nodes.py has the figures with 64.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Shell


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGQUIT", 131)])
@pytest.mark.parametrize("user", ["root", "alice"])
def test_int_and_quit(shell: Shell, name: str, status: int, user: str) -> None:
    process = shell.popen("-h", "node[1-4]", "-l", user, "sleep 1000; true")
    shell.wait_running(4, "sleep", "1000")
    begun = time.monotonic()
    process.send_signal(signal.Signals[name])
    assert process.wait(10) == status
    assert time.monotonic() - begun < 2  # its figure: tests/fault/test_stopping_nodes.py
    shell.wait_running(0, "sleep", "1000", limit_s=2)


def test_term_starts_no_further_node_and_lets_the_running_finish(shell: Shell) -> None:
    process = shell.popen("-h", "node[1-4]", "-f", "2", "sleep 2; echo done")
    shell.wait_running(2, "sleep", "2")
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert sorted(out.splitlines()) == ["node1: done", "node2: done"]


def test_term_then_term_then_kill(shell: Shell) -> None:
    line = "sleep 1006 & trap 'echo told' TERM; while :; do sleep 0.1; done"
    process = shell.popen("-h", "node[1-4]", "--grace", "1", line)
    shell.wait_running(4, "sleep", "1006")
    begun = time.monotonic()
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert 1 <= time.monotonic() - begun < 6
    assert sorted(set(out.splitlines())) == [f"node{n}: told" for n in range(1, 5)]
    for seconds in ("1006", "0.1"):
        shell.wait_running(0, "sleep", seconds, limit_s=2)


def test_second_term_stops_at_once(shell: Shell) -> None:
    process = shell.popen("-h", "node[1-4]", "sleep", "1000")
    shell.wait_running(4, "sleep", "1000")
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None
    begun = time.monotonic()
    process.terminate()
    assert process.wait(10) == 143
    assert time.monotonic() - begun < 2  # its figure: tests/fault/test_stopping_nodes.py
    shell.wait_running(0, "sleep", "1000", limit_s=2)


def test_closed_stdout_stops_quietly(shell: Shell) -> None:
    run = shell.sh("clsh -h node[1-4] yes 2>errors | head -n 3")
    assert (run.returncode, run.stdout.count("\n")) == (0, 3)
    assert (shell.cwd / "errors").read_text() == ""
    shell.wait_running(0, "yes", limit_s=2)
