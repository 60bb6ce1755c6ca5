from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.proc import parse
from clsh.monitor.proc.rates import rates
from tests.support.proc import DATA, SHELLS, FakeNode

if TYPE_CHECKING:
    from pathlib import Path

MANY = "".join(f"/dev/d{n} /d{n} ext4 rw 0 0\n" for n in range(80))


def of(lines: list[bytes], letter: str) -> list[bytes]:
    return [line[2:] for line in lines if line.startswith(letter.encode() + b" ")]


@pytest.mark.parametrize("kind", ["server", "old"])
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_told_in_every_shell(tmp_path: Path, shell: str, kind: str) -> None:
    with FakeNode(tmp_path, kind).start(shell) as running:
        facts = parse.facts(running.greeting())
        lines = running.ask("d")
        status = running.end()
    counts = parse.counts(lines)
    told = {
        **facts.values,
        **counts.values,
        **parse.file_systems(of(lines, "F")),
        "cpu": dict(counts.cpu),
        "links": {name: list(numbers) for name, numbers in counts.links.items()},
        "disks": {name: list(numbers) for name, numbers in counts.disks.items()},
    }
    expected = json.loads((DATA / kind / "values.json").read_text())
    if shell == "ash":  # Debian's busybox runs its own df and uname, whatever PATH says
        for name in ("os_release", "disk_total", "disk_free", "disk_free_percent"):
            expected[name] = told[name]
    assert told == expected
    assert not facts.has_gpu
    assert status == 0
    assert sum(len(line) + 1 for line in lines) < 1000


def test_each_answer_is_read_anew(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, "old")
    with node.start() as running:
        running.greeting()
        before = parse.counts(running.ask())
        (node.proc / "uptime").write_text("4210.07 8100.00\n")
        (node.proc / "stat").write_text("cpu  110 20 40 4060 60 6 17\n")
        old = (node.proc / "net/dev").read_text()
        (node.proc / "net/dev").write_text(old.replace("4123456789", "4123457789"))
        now = parse.counts(running.ask())
    found = rates(before, now)
    assert found["bytes_in"] == pytest.approx(100.0)
    assert found["bytes_out"] == 0
    assert {name: round(float(found[name])) for name in found if name.startswith("cpu")} == {
        "cpu_user": 10, "cpu_nice": 0, "cpu_system": 20, "cpu_idle": 60, "cpu_wio": 10,
        "cpu_steal": 0,
    }  # fmt: skip


def test_df_is_asked_of_local_file_systems_only_and_of_each_disk_once(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    with node.start() as running:
        running.greeting()
        running.ask("d")
    assert node.asked() == ["-Pk", "--", "/", "/boot/efi", "/srv/big data", "/tank/home"]


@pytest.mark.parametrize(
    ("mounts", "asked"),
    [
        ("overlay / overlay rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n", ["/"]),
        ("overlay / overlay rw 0 0\n/dev/sda1 /etc/hosts xfs rw 0 0\n", ["/etc/hosts"]),
        ("nas:/root / nfs4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n", []),
        (r"/dev/a /x\134y ext4 rw 0 0" "\n/dev/b /z ext4 rw 0 0\n", ["/z"]),
        (MANY, [f"/d{n}" for n in range(64)]),
    ],
    ids=["container", "bind mounts", "diskless", "backslash", "many"],
)  # fmt: skip
def test_what_df_is_asked_elsewhere(tmp_path: Path, mounts: str, asked: list[str]) -> None:
    node = FakeNode(tmp_path)
    (node.proc / "mounts").write_text(mounts)
    with node.start() as running:
        running.greeting()
        running.ask("d")
    if asked:
        assert node.asked() == ["-Pk", "--", *asked]
    else:
        assert not (tmp_path / "asked").exists()


def test_what_hangs_does_not_hold_up_a_sample(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.tool("df", "sleep 30")
    node.tool("nvidia-smi", "sleep 30")
    with node.start() as running:
        assert b"Y" in running.greeting()
        lines = running.ask("d g", wait=False)
        assert parse.counts(lines).uptime_s
        assert b", d" not in lines
        assert running.end() == 0


def test_gpus(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.tool("nvidia-smi", f'echo "$@" >"{tmp_path}/query"\ncat {DATA}/nvidia-smi-a100.csv')
    with node.start() as running:
        assert parse.facts(running.greeting()).has_gpu
        assert of(running.ask("g"), "G") == [
            b"0, 97, 40321, 81920, 61, 301.42",
            b"1, 0, 4, 81920, 28, 54.07",
        ]
    query = (tmp_path / "query").read_text()
    assert "index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw" in query


@pytest.mark.parametrize("shell", SHELLS)
def test_dropped_files(tmp_path: Path, shell: str) -> None:
    node = FakeNode(tmp_path)
    node.drop.mkdir()
    (node.drop / "a").write_bytes(b"one 1\n*\nback\\nslash\\0101 2\n\n. 7\nlast 3")
    (node.drop / "b.prom").write_text("two 2\n")
    for name in (".hidden", "half.tmp", "with space", "new\nline"):
        (node.drop / name).write_text("no 1\n")
    os.mkfifo(node.drop / "fifo")
    (node.drop / "folder").mkdir()
    with node.start(shell) as running:
        running.greeting()
        lines = running.ask()
    dropped = [line.replace(str(node.drop).encode(), b"D") for line in of(lines, "X")]
    assert dropped == [
        b"==> /dev/null <==", b"==> D/a <==", b"one 1", b"*", rb"back\nslash\0101 2", b". 7",
        b"last 3", b"==> D/b.prom <==", b"two 2",
    ]  # fmt: skip
    assert lines[-1] == b". 7"


def test_much_that_was_dropped_is_cut(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.drop.mkdir()
    for number in range(30):
        (node.drop / f"f{number:02}").write_bytes(b"x" * 100_000)
    with node.start() as running:
        running.greeting()
        lines = of(running.ask(), "X")
    assert [len(line) for line in lines if line.startswith(b"x")] == [4096] * 16


def test_a_system_without_proc(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.tool("uname", "echo Darwin")
    (node.proc / "stat").unlink()
    with node.start() as running:
        assert running.until(b"Z Darwin")
        assert running.process.wait(10) == 1


def test_files_that_are_missing(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    with node.start() as running:
        running.greeting()
        running.ask()
        for name in ("diskstats", "net/dev", "mounts", "loadavg"):
            (node.proc / name).unlink()
        with pytest.raises(parse.FieldError, match="/proc/loadavg: 0 fields"):
            parse.counts(running.ask("d"))
        (node.proc / "loadavg").write_text("1 2 3 4/5 6\n")
        counts = parse.counts(running.ask())
    assert not counts.links
    assert not counts.disks
