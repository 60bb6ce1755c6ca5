"""The section "Choosing nodes" of the shell's design, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.hostile import NAMES

if TYPE_CHECKING:
    from tests.acceptance.conftest import Shell

FOUR = ["node1: node1", "node2: node2", "node3: node3", "node4: node4"]


def lines(text: str) -> list[str]:
    return sorted(text.splitlines())


@pytest.mark.parametrize(
    "options",
    [
        ["-h", "node1,node2,node3,node4"],
        ["--hosts", "node[1-4]"],
        ["-h", "node[1-2]", "-h", "node3,node4"],
        ["-h", "node[1-4],node2,node2"],
        ["-h", "node[1-4],head", "-x", "head"],
    ],
)
def test_hosts_by_option(shell: Shell, options: list[str]) -> None:
    run = shell.clsh(*options, "hostname")
    assert (run.returncode, lines(run.stdout), run.stderr) == (0, FOUR, "")


def test_options_end_at_the_command(shell: Shell) -> None:
    run = shell.clsh("-h", "node1", "ls", "-d", "/etc/ssh")
    assert (run.returncode, run.stdout) == (0, "node1: /etc/ssh\n")
    run = shell.clsh("-h", "node1", "--", "echo", "-h", "node9")
    assert (run.returncode, run.stdout) == (0, "node1: -h node9\n")


def test_one_word_is_passed_as_it_is_and_several_are_joined(shell: Shell) -> None:
    assert shell.clsh("-h", "node1", "echo 'a  b' | tr a c").stdout == "node1: c  b\n"
    assert (
        shell.clsh("-h", "node1", "echo", "'a  b'", "|", "tr", "a", "c").stdout == "node1: c  b\n"
    )


def test_user_and_port_in_the_entry(shell: Shell) -> None:
    run = shell.clsh("-h", "alice@node1:22", "id -un")
    assert (run.returncode, run.stdout) == (0, "node1: alice\n")
    for option in (["--user", "bob"], ["-l", "bob"]):
        run = shell.clsh("-h", "node1,alice@node2", *option, "id -un")
        assert lines(run.stdout) == ["node1: bob", "node2: alice"]


def test_local_node(shell: Shell) -> None:
    run = shell.clsh("-h", "local://", "hostname")
    assert (run.returncode, run.stdout.partition(": ")[2]) == (0, "head\n")


def test_hostfile_option(shell: Shell) -> None:
    (shell.cwd / "my hosts").write_text(
        "# the demo\nnode1\n\nnode[2-3]  # two more\nnode4\nnode1\n"
    )
    run = shell.clsh("--hostfile", "my hosts", "hostname")
    assert (run.returncode, lines(run.stdout), run.stderr) == (0, FOUR, "")


def test_environment_hosts(shell: Shell) -> None:
    run = shell.clsh("hostname", env={"CLSH_HOSTS": "node1:node2:node3:node4"})
    assert (run.returncode, lines(run.stdout)) == (0, FOUR)
    assert run.stderr == "Note: use CLSH_HOSTS environment\n"


def test_brackets_protect_a_port_in_environment_hosts(shell: Shell) -> None:
    run = shell.clsh("hostname", env={"CLSH_HOSTS": "[node1:22]:node[2-3]"})
    assert lines(run.stdout) == ["node1: node1", "node2: node2", "node3: node3"]


def test_environment_hostfile(shell: Shell) -> None:
    (shell.cwd / "hostfile").write_text("node1\nnode2\n")
    run = shell.clsh("hostname", env={"CLSH_HOSTFILE": "hostfile"})
    assert (run.returncode, lines(run.stdout)) == (0, FOUR[:2])
    assert run.stderr == "Note: use hostfile './hostfile' (CLSH_HOSTFILE env)\n"
    whole = str(shell.cwd / "hostfile")
    run = shell.clsh("hostname", env={"CLSH_HOSTFILE": whole})
    assert run.stderr == f"Note: use hostfile '{whole}' (CLSH_HOSTFILE env)\n"


def test_default_hostfiles(shell: Shell) -> None:
    (shell.cwd / "hostfile").write_text("node1\n")
    run = shell.clsh("hostname")
    assert (run.stdout, run.stderr) == (
        "node1: node1\n",
        "Note: use hostfile 'hostfile' (default)\n",
    )
    (shell.cwd / ".hostfile").write_text("node2\n")
    run = shell.clsh("hostname")
    assert (run.stdout, run.stderr) == (
        "node2: node2\n",
        "Note: use hostfile '.hostfile' (default)\n",
    )


def test_the_first_that_applies(shell: Shell) -> None:
    for name, node in ((".hostfile", "node4"), ("other", "node2"), ("given", "node3")):
        (shell.cwd / name).write_text(f"{node}\n")
    env = {"CLSH_HOSTS": "node1", "CLSH_HOSTFILE": "other"}
    assert shell.clsh("-h", "node4", "hostname", env=env).stdout == "node4: node4\n"
    assert shell.clsh("--hostfile", "given", "hostname", env=env).stdout == "node3: node3\n"
    assert shell.clsh("hostname", env=env).stdout == "node1: node1\n"
    assert shell.clsh("hostname", env={"CLSH_HOSTFILE": "other"}).stdout == "node2: node2\n"
    assert shell.clsh("hostname").stdout == "node4: node4\n"


def test_inventory_and_its_groups(shell: Shell) -> None:
    config = shell.cwd / "clsh.toml"
    config.write_text(
        'default = "all"\n[groups]\nall = "node[1-4]"\nodd = "node1,node3"\n'
        "[nodes.node3]\nuser = 'alice'\n"
    )
    env = {"CLSH_CONFIG": str(config)}
    assert lines(shell.clsh("hostname", env=env).stdout) == FOUR
    for options in (["-g", "odd"], ["-h", "@odd"], ["-a", "-x", "node2,node4"]):
        run = shell.clsh(*options, "id -un", env=env)
        assert lines(run.stdout) == ["node1: root", "node3: alice"], run.stderr


def test_nothing_was_chosen(shell: Shell) -> None:
    run = shell.clsh("hostname")
    assert run.returncode == 2
    first, *rest = run.stderr.splitlines()
    assert "--hostfile option was not given" in first
    assert any("CLSH_HOSTS" in line for line in rest)


def test_nothing_was_chosen_in_korean(shell: Shell) -> None:
    run = shell.clsh("hostname", env={"LC_ALL": "ko_KR.UTF-8"})
    assert run.returncode == 2
    assert "--hostfile 옵션이 제공되지 않았습니다" in run.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "hosts"),
        ("", "hosts"),
        ("# nobody\n\n", "hosts"),
        ("node1\n-oProxyCommand=touch\n", "hosts, line 2"),
        ("node1\n\nnode2 port=99999\n", "hosts, line 3"),
        ("node[1-\n", "hosts, line 1"),
    ],
)
def test_a_bad_hostfile_runs_nothing(shell: Shell, content: str | None, told: str) -> None:
    if content is not None:
        (shell.cwd / "hosts").write_text(content)
    run = shell.clsh("--hostfile", "hosts", f"touch {shell.cwd}/ran")
    assert (run.returncode, run.stdout) == (2, "")
    assert told in run.stderr
    assert not (shell.cwd / "ran").exists()


@pytest.mark.timeout(240)  # some 200 processes, one after another
def test_forty_hostile_names_through_every_entry(shell: Shell) -> None:
    """No file is made, whatever the name and wherever it stands, and the exit code is 2."""
    assert len(NAMES) >= 40
    before = sorted(shell.cwd.iterdir())
    for name in NAMES:
        if "\0" not in name and name:
            run = shell.clsh(f"--hosts={name}", "true")
            assert run.returncode == 2, (name, run.stderr)
            run = shell.clsh("true", env={"CLSH_HOSTS": f"[{name}]"})
            assert run.returncode == 2, (name, run.stderr)
            if "\n" not in name:
                hosts = shell.cwd.parent / "hostile hosts"
                hosts.write_text(f"{name}\n", errors="surrogateescape")
                run = shell.clsh("--hostfile", str(hosts), "true")
                assert run.returncode == 2, (name, run.stderr)
        assert sorted(shell.cwd.iterdir()) == before, name
