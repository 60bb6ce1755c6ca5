"""The manager killed, starved of disk, beside another one, and ended while it starts."""

from __future__ import annotations

import contextlib
import html
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.manager import CL, HERE, Person, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

# The disk is full before the manager starts.
FULL = """
mount -t tmpfs -o size=3m tmpfs "$1" && cat /dev/zero >"$1/filler"
exec "$2" up --foreground
"""
# A clock of its own: that of the machine plus what a file says.
SHIFTED = """
import sys, time
from pathlib import Path
real, shift = time.time, Path(sys.argv.pop(1))
time.time = lambda: real() + float(shift.read_text())
from clsh.cli.main import entry
sys.exit(entry())
"""
DAY_S = 86400.0


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    made = Person(tmp_path / "person", HERE)
    yield made
    made.close()


def heard(person: Person, start: float, end: float) -> int:
    """Return at how many moments between two others the load of this machine is known."""
    path = "/api/v1/range?metric=load_one&cluster=here&node=local&points=600"
    (series,) = person.get(f"{path}&start={start}&end={end}")["series"]
    return sum(value is not None for value in series["average"])


def hears_on(person: Person, since: float) -> None:
    """Wait until there are two moments after another one."""
    eventually(lambda: heard(person, since, since + 60) >= 2, 20)


def test_killed_again_and_again(person: Person) -> None:
    began = time.time()
    person.up()
    hears_on(person, began)
    known = time.time()
    for life in range(4):
        person.kill(person.get("/api/v1/status")["pid"])
        assert os.path.lexists(person.socket)
        person.up()
        if life % 2 == 0:
            time.sleep(random.uniform(0, 1))  # into a tick, or between two
    eventually(lambda: heard(person, began, known) >= 2, 10)
    assert person.status()["store"]["trouble"] == ""


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def is_said(person: Person, words: str) -> bool:
    """Tell whether the page and `cl status` have these words."""
    return words in html.unescape(person.page()) and words in person.cl("status").stdout


def test_full_disk(person: Person) -> None:
    """Full when it starts, and once more when it runs."""
    if os.geteuid() != 0:
        pytest.skip("a disk that is small needs root")
    person.state.mkdir(parents=True)
    argv = ["unshare", "--mount", "sh", "-c", FULL, "sh", str(person.state), CL]
    with subprocess.Popen(
        argv, env=person.environ, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as manager:
        pid = person.answers()["pid"]
        filler = Path(f"/proc/{pid}/root{person.state}/filler")
        for again in (False, True):
            if again:
                fill(filler)
            eventually(lambda: "full" in person.status()["store"]["trouble"], 20)
            eventually(lambda: person.status()["up"] == 1, 20)
            assert is_said(person, "full")
            doctor = person.cl("doctor")
            assert doctor.returncode == 1
            assert "BAD   manager: the store: " in doctor.stdout
            filler.unlink()
            hears_on(person, time.time())
            eventually(lambda: "full" not in person.status()["store"]["trouble"], 40)
        manager.terminate()
        assert manager.wait(10) == 0


def test_a_database_that_is_damaged(person: Person) -> None:
    person.up()
    eventually(lambda: person.status()["store"]["size"] > 0, 20)
    person.close()
    database = person.state / "metrics.db"
    database.write_bytes(b"nonsense" * 4096)
    person.up()
    eventually(lambda: person.status()["store"]["trouble"] != "", 20)
    trouble = person.status()["store"]["trouble"]
    assert f"{database} is damaged" in trouble
    restore = re.search(r" To restore: cl down && (.*?) && cl up", trouble)
    eventually(lambda: person.status()["up"] == 1, 20)
    assert "BAD   manager: the store: " in person.cl("doctor").stdout
    assert is_said(person, f"{database} is damaged")
    person.close()
    assert restore
    subprocess.run(["sh", "-c", restore[1]], check=True)
    person.up()
    eventually(lambda: person.status()["store"]["size"] > 0, 20)
    assert person.status()["store"]["trouble"] == ""


def test_the_clock_is_set(person: Person, tmp_path: Path) -> None:
    """A day ahead, a day behind, and back: no node is lost, and no time is negative."""
    shift = tmp_path / "shift"

    def set_by(seconds: float) -> None:
        shift.with_suffix(".new").write_text(str(seconds))
        shift.with_suffix(".new").rename(shift)

    set_by(0)
    python = str(Path(CL).with_name("python"))
    with person.foreground(python, "-c", SHIFTED, str(shift), stderr=subprocess.PIPE) as manager:
        began = time.time()
        person.answers()
        hears_on(person, began)
        known = time.time()
        for seconds in (DAY_S, -DAY_S, 0):
            set_by(seconds)
            hears_on(person, time.time() + seconds)
            told = person.get("/api/v1/status")
            assert (told["up"], told["store"]["trouble"]) == (1, "")
            assert told["uptime"] >= 0
            node = person.get("/api/v1/clusters/here/nodes/local")
            assert all(metric["tn"] >= 0 for metric in node["metrics"])
            assert "/>" in person.page("/c/here/local")
        assert heard(person, began, known) >= 2
        manager.terminate()
        assert manager.wait(10) == 0


def test_a_port_that_is_busy(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (person.home / "clsh.toml").write_text(HERE.replace(":0", f":{port}", 1))
        doctor = person.cl("doctor")
        done = person.cl("up")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cl: port {port} on 127.0.0.1 is in use by another program\n" in done.stderr
    assert "name another port in clsh.toml: [manager] listen = " in done.stderr
    assert f"BAD   manager: port {port} on 127.0.0.1 is in use" in doctor.stdout
    assert not os.path.lexists(person.socket)
    person.up()


def test_a_port_for_ganglia_that_is_busy(person: Person) -> None:
    """All else goes on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (person.home / "clsh.toml").write_text(
            HERE.replace("gmetad_port = 0", f"gmetad_port = {port}")
        )
        person.up()
        eventually(lambda: "ganglia" in person.status()["facts"], 20)
        words = f"port {port} on 127.0.0.1 is in use by another program"
        assert person.status()["facts"]["ganglia"] == words
        assert f"\nports    {words}\n" in person.cl("status").stdout
        assert f"note  manager: Ganglia's ports: {words}\n" in person.cl("doctor").stdout
        assert person.status()["up"] + person.status()["new"] == 1


def test_two_managers(person: Person, tmp_path: Path) -> None:
    """Neither over one socket, nor over one state."""
    person.up()
    pid = person.status()["pid"]
    again = person.cl("up")
    assert again.returncode == 1
    assert f"a manager runs already (pid {pid}), with its state in {person.state}" in again.stderr
    for other in (
        {"XDG_RUNTIME_DIR": str(tmp_path / "elsewhere")},
        {"XDG_STATE_HOME": str(tmp_path / "elsewhere")},
    ):
        second = subprocess.run(
            [CL, "up", "--foreground"],
            env={**person.environ, **other},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert second.returncode == 1
        assert f"(pid {pid})" in second.stderr
    assert person.status()["pid"] == pid


def test_ended_while_it_starts(person: Person) -> None:
    for _ in range(3):
        with person.foreground(stderr=subprocess.PIPE) as manager:
            time.sleep(random.uniform(0, 0.4))
            manager.terminate()
            assert manager.wait(5) in {0, -signal.SIGTERM}
        assert person.cl("status").returncode == 1
    person.up()


def test_told_to_end_twice_while_a_client_hangs_on(person: Person) -> None:
    with person.foreground(stderr=subprocess.PIPE) as manager:
        host, _, port = person.answers()["listen"].rpartition(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            began = time.monotonic()
            manager.send_signal(signal.SIGINT)
            time.sleep(0.1)
            manager.send_signal(signal.SIGTERM)
            assert manager.wait(10) == 0
            assert time.monotonic() - began < 5
    assert not os.path.lexists(person.socket)


def test_nodes_that_cannot_be_reached(person: Person) -> None:
    """It starts as fast, says why, and watches the others."""
    nodes = '"local://,nowhere.invalid,127.0.0.1:1"'
    (person.home / "clsh.toml").write_text(HERE.replace('"local://"', nodes))
    person.up()
    eventually(lambda: person.status()["lost"] == 2, 20)
    assert person.status()["up"] == 1
    rows = {row["name"]: row["reason"] for row in person.get("/api/v1/nodes?state=lost")["nodes"]}
    assert all(rows.values())
