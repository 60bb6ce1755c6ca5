"""The demo cluster for real: made, used, broken, and gone without a trace.

Each of the two flavours is driven by `cl demo` as a person would; what only nodes in
namespaces have is asked of the cluster that the session shares.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.demo import layer, namespaces, processes, scripts
from clsh.demo.loopback import Loopback
from clsh.demo.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.demo import Demo

PROJECT = Path(__file__).parents[2]
CL = str(Path(sys.executable).with_name("cl"))
SSH = ("ssh", "-o", "ConnectTimeout=1", "-o", "KexAlgorithms=curve25519-sha256")


class Person:
    """Someone who types `cl demo ...`, and whose runtime directory is `runtime`."""

    def __init__(self, runtime: Path) -> None:
        self.environ = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "LC_ALL": "C.UTF-8"}

    def __call__(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CL, "demo", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
            env=self.environ,
        )


def traces() -> list[str]:
    """Return what a cluster could leave on this machine: links, names, mounts."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    named = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True)
    mounts = Path("/proc/mounts").read_text().splitlines()
    ours = [line for line in mounts if "containers/" not in line]  # podman's come and go
    return [
        *re.findall(r"^\d+: (\S+):", links.stdout, re.MULTILINE),
        *named.stdout.splitlines(),
        *ours,
    ]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module", params=["namespaces", "servers"])
def cl(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    """After `cl demo up -n 2`, in either flavour."""
    if request.param == "namespaces" and (why := namespaces.unavailable()):
        pytest.skip(f"no namespaces: {why}")
    person = Person(tmp_path_factory.mktemp("person"))
    up = person("up", "-n", "2", *(["--servers"] if request.param == "servers" else []))
    try:
        assert up.returncode == 0, up.stderr
        assert up.stderr.startswith("node[1-2] up in ")
        yield person
    finally:
        down = person("down")
        assert (down.returncode, down.stderr) == (0, "The demo cluster is down.\n")


def test_the_main_job(cl: Person) -> None:
    done = cl("exec", "clsh", "-h", "node1,node2", "cat", "/proc/loadavg")
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert [line.split()[0] for line in lines] == ["node1:", "node2:"]
    assert all(re.fullmatch(r"node\d: [\d.]+ [\d.]+ [\d.]+ \d+/\d+ \d+", line) for line in lines)


def made(person: Person) -> list[str]:
    """Return what `make demo` prints, in its order."""
    words = ["make", "-s", "demo", "-o", ".venv/.runs", f"BIN={Path(CL).parent}"]
    done = subprocess.run(
        words,
        cwd=PROJECT,
        env=person.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


@pytest.fixture
def stranger() -> Iterator[Person]:
    home = Path(tempfile.mkdtemp(prefix="clsh-"))  # short: a socket lies below
    person = Person(home)
    person.environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    try:
        yield person
    finally:
        assert person("down").returncode == 0
        shutil.rmtree(home, ignore_errors=True)


def rows(lines: list[str]) -> dict[str, tuple[str, str]]:
    """Return state and the rest of each job of the table, by its name."""
    at = next(at for at, line in enumerate(lines) if line.startswith("JOB "))
    cells = [line.split(maxsplit=3) for line in lines[at + 1 : lines.index("", at)]]
    return {name: (state, rest) for _, state, name, rest in cells}


@pytest.mark.skipif(not shutil.which("mpicc"), reason="needs Open MPI")
def test_make_demo_ends_with_three_jobs_and_the_page(stranger: Person) -> None:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    lines = made(stranger)
    found = rows(lines)
    assert list(found) == ["single", "batch", "mpi"]
    assert {state for state, _ in found.values()} == {"done"}
    assert re.fullmatch(r"-\s+\d+ s\s+(node[1-4])\s+\1", found["single"][1])
    assert re.fullmatch(r"8/8\s+\d+ s\s+node\S+\s+task 8 on node[1-4]", found["batch"][1])
    ranks = re.search(r" node\[1-4\]\s+ranks 0-3 add up to 6, on (.*)", found["mpi"][1])
    assert ranks
    assert sorted(ranks[1].split()) == layer.node_names(4)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", lines[-1])
    assert lines[-2].startswith(f"Log in once within a day, as alice, at {lines[-1]}login?link=")
    again = made(stranger)  # all of it runs already
    assert again[-1] == lines[-1]
    assert list(rows(again)) == list(found)


def test_make_demo_without_namespaces_has_no_ranks(stranger: Person) -> None:
    assert stranger("up", "--servers").returncode == 0
    lines = made(stranger)
    found = rows(lines)
    assert {name: state for name, (state, _) in found.items()} == {
        "single": "done",
        "batch": "done",
    }
    assert "Ranks of MPI are left out: the nodes need sshd, thus root." in lines
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", lines[-1])


def test_a_command_on_a_node_ignores_no_signal(cl: Person) -> None:
    """The shell that starts things in the background lets them ignore INT and QUIT."""
    done = cl("exec", "clsh", "-h", "node1", "grep SigIgn /proc/self/status")
    label, field, mask = done.stdout.split()
    assert (label, field) == ("node1:", "SigIgn:")
    assert int(mask, 16) & (1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1) == 0


def test_a_node_is_lost_and_comes_back(cl: Person) -> None:
    assert cl("status").stdout == "node1 up\nnode2 up\n"
    assert cl("kill", "node2").returncode == 0
    status = cl("status")
    assert (status.returncode, status.stdout) == (3, "node1 up\nnode2 lost\n")
    run = ("exec", "clsh", "-h", "node1,node2", "--connect-timeout", "2", "echo", "ok")
    lost = cl(*run)
    assert lost.stdout == "node1: ok\n"
    assert "node2 unreachable" in lost.stderr
    assert cl("kill", "node2").returncode == 0
    assert cl("start", "node2").returncode == 0
    assert cl("start", "node2").returncode == 0
    assert cl("status").returncode == 0
    again = cl(*run)
    assert sorted(again.stdout.splitlines()) == ["node1: ok", "node2: ok"], again.stderr


def test_up_again_changes_nothing(cl: Person) -> None:
    assert cl("exec", "clsh", "-h", "node1", "echo kept > kept").returncode == 0
    assert cl("up", "-n", "2").returncode == 0
    assert cl("exec", "clsh", "-h", "node1", "cat kept").stdout == "node1: kept\n"
    other = cl("up", "-n", "3")
    assert (other.returncode, "cl demo down" in other.stderr) == (1, True)


def test_exec_passes_all_through(cl: Person, tmp_path: Path) -> None:
    done = cl("exec", "sh", "-c", "cat; echo bad >&2; exit 7", stdin="told\n")
    assert (done.stdout, done.stderr, done.returncode) == ("told\n", "bad\n", 7)
    # What is made in the caller's directory is really there.
    made = subprocess.run(
        [CL, "demo", "exec", "--", "sh", "-c", "pwd; echo x > made; kill -9 $$"],
        cwd=tmp_path,
        env=cl.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.stdout, made.returncode) == (f"{tmp_path}\n", -9)
    assert (tmp_path / "made").read_text() == "x\n"


def test_exec_gives_the_terminal(cl: Person) -> None:
    ours, theirs = pty.openpty()
    argv = [CL, "demo", "exec", "sh", "-c", "test -t 0 && tty"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, env=cl.environ) as process:
        assert process.wait(20) == 0
    os.close(theirs)
    assert os.read(ours, 1000).startswith(b"/dev/")
    os.close(ours)


def test_exec_becomes_the_command_so_that_signals_reach_it(cl: Person) -> None:
    line = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [CL, "demo", "exec", "sh", "-c", line],
        stdout=subprocess.PIPE,
        text=True,
        env=cl.environ,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.read() == "caught\n"
    assert process.returncode == 5


def test_wrong_words(cl: Person) -> None:
    unknown = cl("kill", "node9")
    assert (unknown.returncode, "its nodes: node[1-2]" in unknown.stderr) == (2, True)
    assert cl("exec").returncode == 2
    missing = cl("exec", "no-such-command")
    assert missing.returncode in {1, 127}
    assert "no-such-command" in missing.stderr


def test_without_a_cluster(tmp_path: Path) -> None:
    cl = Person(tmp_path)
    for argv in (("status",), ("kill", "node1"), ("exec", "true")):
        done = cl(*argv)
        assert (done.returncode, "cl demo up" in done.stderr) == (1, True)
    assert cl("down").stderr == "No demo cluster runs.\n"
    assert cl("up", "-n", "0").returncode == 2


def test_nothing_is_left(state: Path) -> None:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    count = 4
    before = traces()
    cluster = Namespaces(state)
    began = time.monotonic()
    cluster.up(layer.node_names(count))
    try:
        seconds = time.monotonic() - began
        assert traces() == before, "the cluster shows in this machine's own namespaces"
        found = cluster.running()
        assert found
        inside = [
            one for one in processes.everyone() if found.holder.pid in processes.ancestors(one.pid)
        ]
        assert len(inside) > 3 * count
    finally:
        cluster.down()
    print(f"{count} nodes up in {seconds:.2f} s")
    assert seconds < 10  # 0.2 s on an idle machine
    assert traces() == before
    limit = time.monotonic() + 5  # the first process of this machine may be slow to take zombies
    while left := [one for one in inside if processes.find(one.pid, one.start)]:
        assert time.monotonic() < limit, f"still there: {left}"
        time.sleep(0.05)
    assert list(state.iterdir()) == []
    assert cluster.alive() == {}


def test_down_ends_stubborn_commands_in_the_head(state: Path) -> None:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    cluster = Namespaces(state)
    cluster.up(["node1"])
    try:
        argv = cluster.enter(["sh", "-c", "trap '' TERM; echo; sleep 60 & wait; wait"], "/")
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
    finally:
        cluster.down()
    assert process.wait(5) == -9
    process.stdout.close()


def test_a_half_failed_start_leaves_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    broken = scripts.NODE.replace("\numask", '\n[ "$2" != node2 ] || nix\numask', 1)
    monkeypatch.setattr(scripts, "NODE", broken)
    before = traces()
    cluster = Namespaces(state)
    began = time.monotonic()
    with pytest.raises(ClshError, match=r"did not start: node2$") as caught:
        cluster.up(["node1", "node2", "node3"])
    assert time.monotonic() - began < 10  # it is told, not waited for
    assert "nix: not found" in caught.value.hint
    assert traces() == before
    assert cluster.running() is None
    assert list(state.iterdir()) == []


def test_servers_that_do_not_start_leave_nothing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ClshError, match="did not start: ready"):
        Loopback(state).up(["node1"])
    assert list(state.iterdir()) == []


def test_a_dead_servers_process_is_told_from_a_living_one(state: Path) -> None:
    cluster = Loopback(state)
    cluster.up(["node1"])
    argv = [sys.executable, "-P", "-m", "clsh.demo.servers", str(state / "servers"), "node1"]
    (process,) = [one for one in processes.everyone() if processes.words(one.pid) == argv]
    assert processes.end([process], signal.SIGKILL, 5) == []
    assert cluster.alive() == {}
    cluster.down()
    assert list(state.iterdir()) == []


def test_a_node_is_a_machine_of_its_own(demo4: Demo) -> None:
    script = (
        "hostname; echo $HOME; ls -A ~ /tmp | tr '\\n' ' '; echo; "
        "echo x > /dev/null; echo y > /dev/shm/y; ip -o link | wc -l"
    )
    seen = [demo4.run(*SSH, name, script).stdout.splitlines() for name in demo4.names]
    assert [one[0] for one in seen] == demo4.names
    assert {tuple(one[1:3]) for one in seen} == {("/root", "/root: .ssh  /tmp: ")}
    assert demo4.run(*SSH, "node1", "ls /dev/shm").stdout == "y\n"
    assert not Path("/dev/shm/y").exists()


def test_home_and_shared_are_common_and_disks_are_not(demo4: Demo) -> None:
    demo4.run(*SSH, "alice@node1", "echo 1 > ~/common; echo 1 > /shared/common", timeout=20)
    assert demo4.run(*SSH, "alice@node2", "cat ~/common /shared/common").stdout == "1\n1\n"
    assert demo4.run("cat", "/home/alice/common", "/shared/common").stdout == "1\n1\n"
    demo4.run(*SSH, "node1", "echo 1 > /var/own; echo 1 > /etc/own")
    assert demo4.run(*SSH, "node2", "ls /var/own /etc/own").stdout == ""
    assert not Path("/var/own").exists()
    assert demo4.run(*SSH, "node1", "rm /var/own /etc/own").returncode == 0


def test_who_may_log_in(demo4: Demo, tmp_path: Path) -> None:
    for user in ("alice", "bob"):
        hop = demo4.run(*SSH, f"{user}@node1", "ssh -o BatchMode=yes node2 'id -un; hostname'")
        assert hop.stdout == f"{user}\nnode2\n", hop.stderr
    hop = demo4.run(*SSH, "node1", "ssh -o BatchMode=yes node2 'id -un; hostname'")
    assert hop.stdout == "root\nnode2\n", hop.stderr
    for line in ("ssh bob@node2 id", "ssh root@node2 id"):
        assert demo4.run(*SSH, "-oBatchMode=yes", "alice@node1", line).returncode == 255
    ask = tmp_path / "ask"
    for secret, stdout in ((layer.PASSWORD, "carol\n"), ("guess", "")):
        ask.write_text(f"#!/bin/sh\necho {secret}\n")
        ask.chmod(0o755)
        env = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        options = ("-oNumberOfPasswordPrompts=1", "-oPubkeyAuthentication=no")
        assert demo4.run(*SSH, *options, "carol@node1", "id -un", env=env).stdout == stdout
        assert demo4.run(*SSH, *options, "alice@node1", "id -un", env=env).stdout == ""


def test_users_of_the_demo_are_not_users_of_this_machine(demo4: Demo) -> None:
    real = Path("/etc/passwd").read_text()
    assert ":61001:" not in real
    assert demo4.run("id", "-u", "alice").stdout == "61001\n"
    home, *files = demo4.run("sh", "-c", "cd; pwd; ls -A").stdout.splitlines()
    assert (home, {".ssh"} <= set(files) <= {".ssh", ".clsh"}) == ("/home/root", True)


def test_the_head_shows_this_machines_files(demo4: Demo, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("seen\n")
    done = demo4.run("sh", "-c", "cat here; command -v clsh", cwd=str(tmp_path))
    assert done.stdout == f"seen\n{Path(sys.executable).with_name('clsh')}\n"


def test_a_node_comes_back_as_it_was(demo4: Demo) -> None:
    demo4.run(*SSH, "node3", "echo disk > /var/disk; echo tmp > /tmp/tmp")
    with demo4.killed("node3"):
        with pytest.raises(ClshError, match="node3 does not run"):
            demo4.on("node3", "true")
        assert demo4.run(*SSH, "node3", "true").returncode == 255
    done = demo4.run(*SSH, "-oStrictHostKeyChecking=yes", "node3", "cat /var/disk; ls /tmp")
    assert (done.stdout, done.returncode) == ("disk\n", 0), done.stderr
    demo4.run(*SSH, "node3", "rm /var/disk")


@pytest.mark.parametrize("fault", ["without_sshd", "frozen", "unlinked", "dropping"])
def test_a_fault_can_be_put_on_a_node_and_taken_back(demo4: Demo, fault: str) -> None:
    with getattr(demo4, fault)("node2"):
        assert demo4.run(*SSH, "node2", "true").returncode == 255
        assert demo4.run(*SSH, "node1", "true").returncode == 0
    assert demo4.run(*SSH, "node2", "true").returncode == 0


def test_a_link_can_be_slow(demo4: Demo) -> None:
    count = "head -c 20000 /dev/zero"
    began = time.monotonic()
    with demo4.slowed("node4", "128kbit"):
        assert demo4.run(*SSH, "node4", count).stdout == "\0" * 20000
    assert time.monotonic() - began > 1


@pytest.mark.skipif(not shutil.which("sudo"), reason="needs sudo")
def test_alice_may_use_sudo_with_her_password(demo4: Demo) -> None:
    line = "sudo -k; sudo -S -p '' id -u"
    right = demo4.run(*SSH, "alice@node1", line, stdin=f"{layer.PASSWORD}\n")
    assert right.stdout == "0\n", right.stderr
    wrong = demo4.run(*SSH, "alice@node1", line, stdin="guess\n")
    assert (wrong.stdout, wrong.returncode) == ("", 1)
    assert demo4.run(*SSH, "bob@node1", "sudo -n id -u").stdout == ""
