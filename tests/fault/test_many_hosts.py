"""Many hosts at once: dead ones among them, endless output, big output, over OpenSSH's sshd."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.support.many import Many

pytestmark = pytest.mark.alone

CONNECT_TIMEOUT_S = 10


@pytest.mark.timeout(180)
def test_fifty_dead_of_a_thousand_are_named_and_cost_one_timeout(many: Many) -> None:
    everyone = many.hosts(1000)
    dead = everyone[7::20]
    alive = [host for host in everyone if host not in dead]
    assert len(dead) == 50
    many.folder.joinpath("alive").write_text("\n".join(alive) + "\n")
    begun = time.monotonic()
    healthy = many.clsh("--hostfile", many.folder / "alive", "true")
    healthy_s = time.monotonic() - begun
    assert healthy.returncode == 0, healthy.stderr

    many.unreach(dead)
    begun = time.monotonic()
    timeout = ["--connect-timeout", str(CONNECT_TIMEOUT_S)]
    run = many.clsh("--hostfile", many.hostfile(1000), *timeout, "--json", "true")
    took_s = time.monotonic() - begun
    many.reach()

    ends = [json.loads(line) for line in run.stdout.splitlines()]
    done = {end["node"] for end in ends if end.get("exit") == 0}
    assert done == set(alive)
    errors = run.stderr.decode().splitlines()
    named = {line.split()[1] for line in errors if line.startswith("ERROR: ")}
    assert named == set(dead)
    assert run.returncode == 13
    assert took_s <= CONNECT_TIMEOUT_S + 1.2 * healthy_s


def _rss(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(w.split()[1]) * 1024 for w in status.splitlines() if w[:5] == "VmRSS"), 0)


def _peak_while(process: subprocess.Popen[bytes], seconds: float) -> int:
    peak, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        peak = max(peak, _rss(process.pid))
        time.sleep(0.05)
    return peak


@pytest.mark.timeout(120)
@pytest.mark.parametrize("option", [[], ["-b"], ["--json"]], ids=["lines", "gathered", "json"])
def test_endless_output_of_64_nodes_stays_in_bounded_memory(many: Many, option: list[str]) -> None:
    seconds = 20 if option == [] else 8
    process = many.popen("--hostfile", many.hostfile(64), *option, "-t", str(seconds + 3), "yes")
    assert process.stdout is not None
    reader = process.stdout
    swallow = threading.Thread(target=lambda: any(not reader.read(1 << 20) for _ in range(1 << 20)))
    swallow.start()

    peak = _peak_while(process, seconds)
    process.terminate()
    process.terminate()
    process.wait(20)
    swallow.join(20)

    assert 0 < peak < 200e6
    assert many.running("yes") == []


@pytest.mark.timeout(120)
def test_a_hundred_times_ten_megabytes_are_equal_to_the_byte(many: Many, tmp_path: Path) -> None:
    many.folder.joinpath("ten").write_bytes(bytes(range(256)) * 40 * 1024)
    expected = hashlib.sha256(many.folder.joinpath("ten").read_bytes()).hexdigest()

    run = many.clsh(
        "--hostfile", many.hostfile(100), "--out", f"{tmp_path}/o/", f"cat {many.folder}/ten"
    )

    assert run.returncode == 0, run.stderr
    files = sorted((tmp_path / "o").iterdir())
    assert [file.name for file in files] == sorted(f"{host}.out" for host in many.hosts(100))
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == expected
