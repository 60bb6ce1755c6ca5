"""The manager for real: `cl up` over the demo cluster, as a person and as systemd have it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.demo import namespaces, processes
from clsh.manager import sockets
from tests.support.manager import CL, HERE, Person, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 32
PROJECT = Path(__file__).parents[2]
# What systemd does between fork and exec.
HAND = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


# Another user may not enter where our Python is: it becomes that user when all is loaded.
ASK = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
told = []
for method, path in ("GET", "/api/v1/status"), ("POST", "/api/v1/stop"):
    peer = socket.socket(socket.AF_UNIX)
    try:
        peer.connect(sys.argv[1])
    except OSError as error:
        sys.exit(print(os.strerror(error.errno)))
    peer.sendall(f"{method} {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
    told.append(peer.recv(99).split()[1].decode())
print(*told)
"""


@pytest.fixture(scope="module")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """After `cl up --demo` over 32 nodes; `seconds` is what it took until all were up.

    Nodes are heard each second, so that a gap would show.
    """
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    person = Person(tmp_path_factory.mktemp("watcher"))
    try:
        assert person.cl("demo", "up", "-n", str(NODES)).returncode == 0
        with (person.run / "clsh/demo/access/clsh.toml").open("a") as file:
            file.write("[monitor]\ninterval = 1\n")
        began = time.monotonic()
        person.address = person.up("--demo")
        eventually(lambda: person.status()["up"] == NODES, 60)
        person.seconds = time.monotonic() - began
        yield person
    finally:
        person.close()


def page(address: str) -> tuple[int, str]:
    connection = HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_all_nodes_are_shown_within_a_minute(watcher: Person) -> None:
    assert watcher.seconds < 60
    rows = watcher.get("/api/v1/nodes")["nodes"]
    assert {row["name"] for row in rows} == {f"node{number}" for number in range(1, NODES + 1)}
    assert {row["state"] for row in rows} == {"up"}


def test_the_page_is_where_the_person_sits(watcher: Person) -> None:
    status, text = page(watcher.address)
    assert status == 200
    assert "demo" in text


def test_ganglia_s_clients_are_served_where_the_nodes_are(watcher: Person) -> None:
    ask = "import socket; print(socket.create_connection(('127.0.0.1', 8651), 20).recv(64))"
    done = watcher.cl("demo", "exec", sys.executable, "-c", ask)
    assert done.stdout.startswith("b'<?xml"), done.stderr


def test_status_in_words(watcher: Person) -> None:
    done = watcher.cl("status")
    assert done.returncode == 0
    assert f"nodes    {NODES} up, 0 lost, 0 not heard yet\n" in done.stdout
    assert f"page     {watcher.address}\n" in done.stdout


def others(person: Person) -> dict[str, tuple[str, float]]:
    """Return state of all nodes but node2, and since when."""
    rows = person.get("/api/v1/nodes")["nodes"]
    return {row["name"]: (row["state"], row["since"]) for row in rows if row["name"] != "node2"}


def test_a_node_is_lost_and_comes_back(watcher: Person) -> None:
    """The others are heard on as if nothing had been."""
    before = others(watcher)
    began = time.time()
    assert watcher.cl("demo", "kill", "node2").returncode == 0
    try:
        doctor = watcher.cl("doctor")
        eventually(lambda: watcher.status()["lost"] == 1, 15)
        (row,) = watcher.get("/api/v1/nodes?state=lost")["nodes"]
        assert (row["name"], row["since"] - began < 15) == ("node2", True)
        assert watcher.status()["up"] == NODES - 1
        assert "lost     node2: " in watcher.cl("status").stdout
        assert "node2" in page(watcher.address)[1].partition("<table")[0]
        assert doctor.returncode == 1
        assert re.search(r"^BAD   node2: .*\n      -> ", doctor.stdout, re.MULTILINE)
    finally:
        assert watcher.cl("demo", "start", "node2").returncode == 0
    eventually(lambda: watcher.status()["up"] == NODES, 30)
    assert others(watcher) == before
    names = "".join(f"&node={name}" for name in before)
    span = time.time() - 2 - began
    path = f"/api/v1/range?metric=load_one&cluster=demo&start={began}&end={began + span}"
    told = watcher.get(f"{path}&points={max(1, int(span / 5))}{names}")["series"]
    assert len(told) == NODES - 1
    assert [one["node"] for one in told if None in one["average"]] == []


def test_a_healthy_cluster(watcher: Person) -> None:
    doctor = watcher.cl("doctor", "--json")
    findings = [json.loads(line) for line in doctor.stdout.splitlines()]
    assert [one for one in findings if one["grade"] == "bad"] == []
    assert doctor.returncode == 0
    assert findings[-1]["where"] == f"node[1-{NODES}]"


def test_up_again_says_where_it_is(watcher: Person) -> None:
    pid = watcher.status()["pid"]
    assert watcher.up("--demo") == watcher.address
    assert watcher.status()["pid"] == pid
    plain = watcher.cl("up")
    assert plain.returncode == 1
    assert f"a manager (pid {pid}) listens at {watcher.socket} already" in plain.stderr


def sessions(person: Person) -> int:
    """Return how many processes of logins run on all nodes: sshd's own, and what they started."""
    nodes = namespaces.Namespaces(person.run / "clsh/demo")
    inits = {nodes.node(f"node{number}").pid for number in range(1, NODES + 1)}
    ours = [one for one in processes.everyone() if inits & processes.ancestors(one.pid)]
    words = [" ".join(processes.words(one.pid)) for one in ours]
    return sum(word.startswith(("sshd: root", "/bin/sh -s")) for word in words)


def test_down_and_a_kill_leave_nothing_on_nodes_and_up_finds_the_history(watcher: Person) -> None:
    def told(until: float) -> bool:
        path = f"/api/v1/range?metric=load_one&cluster=demo&start=-10m&end={until}&points=600"
        series = watcher.get(path)["series"]
        return any(value is not None for value in series[0]["average"])

    eventually(lambda: watcher.status()["store"]["size"] > 0, 30)
    eventually(lambda: told(time.time()), 30)
    until = time.time()
    began = time.monotonic()
    down = watcher.cl("down")
    assert time.monotonic() - began < 10
    assert (down.returncode, down.stderr) == (0, "The manager is down.\n")
    assert not watcher.socket.exists()
    assert watcher.cl("status").returncode == 1
    assert watcher.cl("demo", "status").returncode == 0
    eventually(lambda: sessions(watcher) == 0, 10)
    watcher.address = watcher.up("--demo")
    eventually(lambda: watcher.status()["up"] == NODES, 30)
    assert sessions(watcher) >= 2 * NODES
    watcher.kill(watcher.status()["pid"])
    eventually(lambda: sessions(watcher) == 0, 10)
    watcher.address = watcher.up("--demo")
    eventually(lambda: watcher.status()["up"] == NODES, 30)
    eventually(lambda: told(until), 20)


def test_the_demo_s_end_is_its_manager_s(tmp_path: Path) -> None:
    """Also over servers of our own, which need no root."""
    person = Person(tmp_path / "person")
    try:
        assert person.cl("demo", "up", "--servers", "-n", "2").returncode == 0
        person.up("--demo")
        eventually(lambda: person.status()["up"] == 2, 30)
        down = person.cl("demo", "down")
        assert down.stderr == "The manager is down.\nThe demo cluster is down.\n"
        assert person.cl("status").returncode == 1
    finally:
        person.close()


def test_make_demo_twice(tmp_path: Path) -> None:
    """It ends with the address of a page, having said how all is ended."""
    person = Person(tmp_path / "person")
    make = ["make", "--no-print-directory", "--old-file=.venv/.runs", "demo"]
    # What a `make test` around this one says to makes below it.
    person.environ = {
        k: v for k, v in person.environ.items() if not k.startswith(("MAKE", "MFLAG"))
    }
    try:
        for _ in range(2):
            done = subprocess.run(
                make,
                cwd=PROJECT,
                env=person.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=50,
            )
            lines = done.stdout.splitlines()
            assert [line for line in lines if line.lstrip().startswith("cl down --demo ")]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", lines[-1])
            status, text = page(lines[-1])
            assert (status, "demo" in text) == (200, True)
        eventually(lambda: person.status()["up"] == 4, 30)
    finally:
        person.close()
    assert person.cl("status").returncode == person.cl("demo", "status").returncode == 1


def test_a_host_key_that_is_not_known(tmp_path: Path) -> None:
    """The manager accepts no new key; doctor names the command that records it."""
    person = Person(tmp_path / "person")
    servers = person.run / "clsh/demo/servers"
    try:
        assert person.cl("demo", "up", "--servers", "-n", "2").returncode == 0
        text = (servers / "clsh.toml").read_text()
        known = tmp_path / "known_hosts"
        (person.home / "clsh.toml").write_text(
            HERE.partition("[clusters")[0]
            + text.replace(json.dumps(str(servers / "known_hosts")), json.dumps(str(known)))
        )
        person.up()
        eventually(lambda: person.status()["lost"] == 2, 20)
        told = person.cl("status").stdout
        assert "\nlost     node[1-2]: host key not known\n" in told
        assert "\n         `cl doctor` says what mends it\n" in told
        doctor = person.cl("doctor")
        assert doctor.returncode == 1
        assert "BAD   node[1-2]: host key not known\n" in doctor.stdout
        command = "clsh -h node[1-2] true"
        assert f"-> {command}, as the user of the manager" in doctor.stdout
        clsh = CL.removesuffix("cl") + command
        subprocess.run(clsh.split(), env=person.environ, check=True, timeout=30)
        assert "BAD" not in person.cl("doctor").stdout
        assert person.cl("down").returncode == 0  # it tries again by itself, but not at once
        person.up()
        eventually(lambda: person.status()["up"] == 2, 30)
    finally:
        person.close()


def test_systemd_hands_sockets_over_and_is_told(tmp_path: Path) -> None:
    person = Person(tmp_path / "person", HERE)
    name = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        sockets.listening("127.0.0.1", 0) as http,
    ):
        notify.bind(name)
        notify.settimeout(30)
        person.environ |= {"NOTIFY_SOCKET": name, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
        hand = [sys.executable, "-c", HAND, str(http.fileno()), CL, "up", "--foreground"]
        with subprocess.Popen(
            hand,
            env=person.environ,
            pass_fds=[http.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        ) as manager:
            address = f"http://{sockets.spelled(http)}/"
            assert notify.recv(999).decode() == f"READY=1\nSTATUS={address}\n"
            assert page(address)[0] == 200
            began = time.monotonic()
            manager.send_signal(signal.SIGTERM)
            assert notify.recv(999) == b"STOPPING=1\n"
            assert manager.wait(10) == 0
            assert time.monotonic() - began < 5
            told = manager.stderr.read() if manager.stderr else ""
    assert f"INFO clsh.manager.service: listening at {address}" in told
    assert not person.socket.exists()
    assert not person.state.joinpath("manager.log").exists()


def test_what_is_its_user_s_alone_and_how_many_files_may_be_open(tmp_path: Path) -> None:
    person = Person(tmp_path / "person", HERE)
    start = f"ulimit -Sn 64; exec {CL} up"
    try:
        subprocess.run(["sh", "-c", start], env=person.environ, check=True, capture_output=True)
        limits = person.limits(person.status()["pid"])
        modes = {
            path: path.stat().st_mode & 0o777
            for path in (person.state, *person.state.iterdir(), person.socket.parent, person.socket)
        }
    finally:
        person.close()
    assert limits[0] == limits[1] > 64
    # All users may ask root's manager; the kernel tells who they are.
    root = os.geteuid() == 0
    assert modes.pop(person.state) == 0o700
    assert modes.pop(person.socket.parent) == (0o711 if root else 0o700)
    assert modes.pop(person.socket) == (0o666 if root else 0o600)
    assert set(modes.values()) == {0o600}


def test_another_user_cannot_end_it() -> None:
    """Even when the socket was opened to all: the kernel tells who asks."""
    if os.geteuid() != 0:
        pytest.skip("to be another user needs root")
    with tempfile.TemporaryDirectory(prefix="clsh-manager-") as folder:
        person = Person(Path(folder) / "person", f'{HERE}[access]\nsocket = "owner"\n')
        try:
            person.up()
            refused = as_nobody(person)
            for path in (person.home, person.run, person.socket.parent):
                path.chmod(0o711)
            Path(folder).chmod(0o711)
            shut = as_nobody(person)
            person.socket.chmod(0o666)
            asked = as_nobody(person)
            pid = person.status()["pid"]
        finally:
            person.close()
    assert refused == shut == "Permission denied"
    assert asked == "200 403"
    assert pid > 0


def as_nobody(person: Person) -> str:
    """Return what a user without rights gets for the status and a stop, or why it gets none."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ASK, str(person.socket)],
        env={},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("[manager]\nlisten = 5\n", 10, r"clsh\.toml:2: manager\.listen must be "),
        ('[access]\npam = "maybe"\n', 10, r"clsh\.toml:2: access\.pam must be one of"),
        ("[clusters.a]\nnodes = 5\n", 10, "must be a node set"),
    ],
)
def test_an_error_of_the_start_is_shown(tmp_path: Path, text: str, status: int, words: str) -> None:
    person = Person(tmp_path / "person", text)
    done = person.cl("up")
    assert done.returncode == status
    assert re.search(words, done.stderr)
    doctor = person.cl("doctor")
    assert doctor.returncode == 1
    assert re.search(words, doctor.stdout)
    assert not os.path.lexists(person.socket)
