"""Faults of real nodes, links, disks and of who may look: the figures of the safety page."""

from __future__ import annotations

import contextlib
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.demo import layer, namespaces
from tests.support.demo import Demo

if TYPE_CHECKING:
    from collections.abc import Iterator

EIGHT = [f"node{number}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def demo8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if why := namespaces.unavailable():
        pytest.skip(f"no namespaces: {why}")
    demo = Demo(tmp_path_factory.mktemp("demo8"), EIGHT)
    yield demo
    demo.cluster.down()


@pytest.mark.alone
def test_a_link_down_in_the_middle_costs_that_node_alone(demo8: Demo, tmp_path: Path) -> None:
    argv = ["clsh", "-h", "node[1-8]", "--out", f"{tmp_path}/", "echo begun; sleep 11; echo done"]
    with demo8.popen(*argv, stderr=-1) as process:
        wanted = [tmp_path / f"{name}.out" for name in EIGHT]
        deadline = time.monotonic() + 10
        while not all(path.exists() and path.read_text() for path in wanted):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        begun = time.monotonic()
        with demo8.unlinked("node5"):
            assert process.stderr is not None
            line = process.stderr.readline()
            assert time.monotonic() - begun <= 8
            rest = process.stderr.read()
            assert process.wait(30) == 12
    assert line.startswith("ERROR: node5 connection lost")
    assert rest == "clsh: 1 of 8 failed: node5 (connection lost)\n"
    for name, path in zip(EIGHT, wanted, strict=True):
        assert path.read_text() == ("begun\n" if name == "node5" else "begun\ndone\n")


def _seconds(demo: Demo) -> dict[str, float]:
    run = demo.run("clsh", "-h", "node[1-8]", "--connect-timeout", "6", "--json", "sleep 3")
    ends = [json.loads(line) for line in run.stdout.splitlines()]
    return {end["node"]: end["seconds"] for end in ends if "node" in end and end.get("exit") == 0}


@pytest.mark.alone
def test_a_hung_and_a_slow_node_do_not_slow_the_others(demo8: Demo) -> None:
    healthy = _seconds(demo8)
    with demo8.frozen("node2"), demo8.slowed("node6"):
        faulty = _seconds(demo8)
    assert "node2" not in faulty
    others = [name for name in EIGHT if name not in {"node2", "node6"}]

    def p95(found: dict[str, float]) -> float:
        return statistics.quantiles([found[name] for name in others], n=20)[-1]

    assert p95(faulty) <= 1.1 * p95(healthy)


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
def test_a_password_is_seen_by_nobody(demo8: Demo, tmp_path: Path, transport: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(layer.PASSWORD + "\n")
    secret.chmod(0o600)
    argv = ["clsh", "-h", "node[1-2]", "-l", "carol", "--pass-file", str(secret)]
    argv += ["--transport", transport, "-n", "id -un"]
    over = threading.Event()
    seen: set[bytes] = set()

    def look() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                for file in (path, path.with_name("environ")):
                    with contextlib.suppress(OSError):
                        text = file.read_bytes()
                        if layer.PASSWORD.encode() in text:
                            seen.add(text)

    watcher = threading.Thread(target=look)
    watcher.start()
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: demo8.run(*argv), range(50)))
    over.set()
    watcher.join()
    for run in runs:
        assert (run.returncode, sorted(run.stdout.splitlines())) == (
            0,
            ["node1: carol", "node2: carol"],
        ), run.stderr
    assert seen == set()


@pytest.fixture
def small_disk(demo8: Demo) -> Iterator[Path]:
    """A file system of 1 MiB, seen in the head."""
    done = demo8.run("sh", "-c", "mkdir /shared/small; mount -t tmpfs -o size=1m s /shared/small")
    assert done.returncode == 0, done.stderr
    yield Path("/shared/small")
    assert demo8.run("umount", "/shared/small").returncode == 0


def test_a_full_disk_is_said_and_nothing_is_called_done_that_is_not_stored(
    demo8: Demo, small_disk: Path
) -> None:
    argv = ["clsh", "-h", "node[1-4]", "-f", "1", "--out", f"{small_disk}/"]
    run = demo8.run(*argv, "head -c 400000 /dev/zero")
    assert run.returncode == 1
    assert "No space left on device" in run.stderr
    assert "clsh: 2 of 4 failed: node[3-4]" in run.stderr
    sizes = demo8.run("sh", "-c", f"wc -c {small_disk}/node[12].out").stdout.split()
    assert sizes[0] == sizes[2] == "400000"

    demo8.run("sh", "-c", f"rm {small_disk}/*")
    run = demo8.run(*argv, "head -c 100000 /dev/zero")
    assert (run.returncode, run.stderr) == (0, "")
