"""The section "Losing nodes" of the shell's design, line by line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.acceptance.conftest import Shell

FOUND_S = 8
SLACK_S = 1.5


@pytest.fixture
def sleeping(shell: Shell) -> subprocess.Popen[str]:
    process = shell.popen("-h", "node[1-4]", "echo begun; sleep 12; echo done")
    shell.wait_running(4, "sleep", "12")
    return process


def assert_others_finish(process: subprocess.Popen[str], lost: str) -> None:
    out, err = process.communicate(timeout=40)
    others = sorted({"node1", "node2", "node3", "node4"} - {lost})
    assert sorted(line for line in out.splitlines() if "done" in line) == [
        f"{name}: done" for name in others
    ]
    assert f"{lost}: begun" in out
    assert process.returncode == 12
    assert f"clsh: 1 of 4 failed: {lost}" in err


@pytest.mark.parametrize("fault", ["killed", "unlinked", "frozen", "dropping", "without_sshd"])
def test_a_lost_node_is_named_and_the_others_go_on(
    shell: Shell, sleeping: subprocess.Popen[str], fault: str
) -> None:
    begun = time.monotonic()
    with getattr(shell.demo, fault)("node2"):
        assert sleeping.stderr is not None
        line = sleeping.stderr.readline()
        named_s = time.monotonic() - begun
        assert line.startswith("ERROR: node2 connection lost")
        assert named_s < FOUND_S + SLACK_S
        assert_others_finish(sleeping, "node2")


def test_stop_ends_all_the_others_at_once(shell: Shell) -> None:
    process = shell.popen("-h", "node[1-4]", "--on-lost=stop", "sleep", "1000")
    shell.wait_running(4, "sleep", "1000")
    with shell.demo.without_sshd("node3"):
        _, err = process.communicate(timeout=5)
    assert "ERROR: node3 connection lost" in err
    assert process.returncode == 12
    shell.wait_running(0, "sleep", "1000", limit_s=2)


def test_a_long_silent_command_is_not_lost(shell: Shell) -> None:
    run = shell.clsh("-h", "node1", "sleep 9; echo still here")
    assert (run.returncode, run.stdout) == (0, "node1: still here\n")


def test_unreachable_nodes_are_named_with_the_reason(shell: Shell) -> None:
    with shell.demo.killed("node4"):
        options = ["-h", "node1,node4,nosuchnode,node2:23", "--connect-timeout", "2"]
        run = shell.clsh(*options, "hostname")
    errors = sorted(line for line in run.stderr.splitlines() if line.startswith("ERROR"))
    assert [line.split(": ")[1] for line in errors] == [
        "node2 unreachable",
        "node4 unreachable",
        "nosuchnode unreachable",
    ]
    assert all(len(line.split(": ", 2)[2]) > 5 for line in errors)
    assert run.stdout == "node1: node1\n"
    assert run.returncode == 13


def test_a_changed_host_key_fails_that_node_loudly(shell: Shell) -> None:
    node = "node3"
    key = "/etc/ssh/ssh_host_ed25519_key"
    shell.demo.on(node, f"cp -a {key} /etc/ssh/keep; cp -a {key}.pub /etc/ssh/keep.pub")
    shell.demo.on(node, f"rm {key} {key}.pub; ssh-keygen -q -t ed25519 -N '' -f {key}")
    shell.demo.on(node, "kill -HUP $(cat /run/sshd.pid)")
    time.sleep(0.5)
    try:
        run = shell.clsh("-h", "node[1-4]", "hostname")
    finally:
        shell.demo.on(node, f"mv /etc/ssh/keep {key}; mv /etc/ssh/keep.pub {key}.pub")
        shell.demo.on(node, "kill -HUP $(cat /run/sshd.pid)")
        time.sleep(0.5)
    assert "ERROR: node3 unreachable: " in run.stderr
    assert "HOST IDENTIFICATION HAS CHANGED" in run.stderr
    assert sorted(run.stdout.splitlines()) == ["node1: node1", "node2: node2", "node4: node4"]
    assert run.returncode == 13
