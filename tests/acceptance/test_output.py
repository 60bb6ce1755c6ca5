"""What the shell prints and writes, over OpenSSH's sshd, from the built wheel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.acceptance.conftest import Shell


def test_equal_output_is_one_group(shell: Shell) -> None:
    run = shell.clsh("-h", "node[1-4]", "-b", "cat /etc/os-release")
    assert run.returncode == 0
    headers = [line for line in run.stdout.splitlines() if "node" in line]
    assert headers == [next(line for line in run.stdout.splitlines() if "node[1-4]" in line)]
    assert run.stdout.count("PRETTY_NAME=") == 1


def test_json_is_read_by_jq(shell: Shell) -> None:
    run = shell.sh("clsh -h node[1-4] --json 'echo out; echo err >&2; exit 3' | jq -c .")
    assert run.returncode == 0
    objects = [json.loads(line) for line in run.stdout.splitlines()]
    said = {(o["node"], o["stream"], o["text"]) for o in objects if "text" in o}
    assert ("node1", "stdout", "out") in said
    assert ("node4", "stderr", "err") in said
    ends = {o["node"]: o for o in objects if "node" in o and "exit" in o}
    assert sorted(ends) == ["node1", "node2", "node3", "node4"]
    assert all(end["exit"] == 3 and end["seconds"] > 0 for end in ends.values())


def test_standard_input_is_given_to_every_node(shell: Shell) -> None:
    run = shell.sh("ls /etc/*.conf | clsh -h node[1-4] -b xargs ls")
    assert run.returncode == 0
    assert run.stdout.count("/etc/resolv.conf\n") == 1
    run = shell.sh("ls /etc/*.conf | clsh -h node[1-4] xargs ls")
    assert run.stdout.count("/etc/resolv.conf\n") == 4


def test_each_node_has_a_file_of_its_own(shell: Shell) -> None:
    line = r"printf 'no\377end'; printf '\001err' >&2"
    run = shell.clsh("-h", "node[1-4]", "--out", "o/", "--err", "e/", line)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    for node in ("node1", "node2", "node3", "node4"):
        assert (shell.cwd / f"o/{node}.out").read_bytes() == b"no\xffend"
        assert (shell.cwd / f"e/{node}.err").read_bytes() == b"\x01err"


def test_failed_nodes_are_named_and_run_again(shell: Shell) -> None:
    line = "case $(hostname) in node[13]) exit 1;; esac"
    run = shell.clsh("-h", "node[1-4]", line)
    assert run.returncode == 3
    assert run.stderr == "clsh: 2 of 4 failed: node[1,3] (exit 1)\n"
    assert sorted(run.stdout.splitlines()) == ["node1:", "node2:", "node3:", "node4:"]
    again = shell.clsh("--failed", "hostname")
    assert sorted(again.stdout.splitlines()) == ["node1: node1", "node3: node3"]


def test_largest_status(shell: Shell) -> None:
    assert shell.clsh("-h", "node[1-4]", "-S", "exit $(hostname | tr -d a-z)").returncode == 4


def test_copy_there_and_back(shell: Shell) -> None:
    (shell.cwd / "a file").write_bytes(bytes(range(256)))
    (shell.cwd / "a file").chmod(0o750)
    run = shell.clsh("-h", "node[1-4]", "--copy", "a file", "/tmp/")
    assert run.returncode == 0, run.stderr
    assert "750" in shell.clsh("-h", "node2", "stat -c %a '/tmp/a file'").stdout
    run = shell.clsh("-h", "node[1-4]", "--rcopy", "/tmp/a file", "back")
    assert run.returncode == 0, run.stderr
    for node in ("node1", "node2", "node3", "node4"):
        copied = shell.cwd / "back" / node / "a file"
        assert copied.read_bytes() == bytes(range(256))
        assert copied.stat().st_mode & 0o777 == 0o750
    assert shell.clsh("-h", "node[1-4]", "rm '/tmp/a file'").returncode == 0


def test_sudo_asks_once_and_reaches_all(shell: Shell) -> None:
    secret = shell.cwd / "secret"
    secret.write_text("demo-password\n")
    secret.chmod(0o600)
    run = shell.clsh(
        "-h", "node[1-2]", "-l", "alice", "--sudo", "--pass-file", str(secret), "id -un"
    )
    assert (run.returncode, sorted(run.stdout.splitlines())) == (
        0,
        ["node1: root", "node2: root"],
    ), run.stderr
