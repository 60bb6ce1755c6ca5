from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.proc.exporter import exported
from clsh.monitor.proc.parse import FieldError
from tests.support.proc import DATA

RECORDED = (DATA / "node_exporter.txt").read_bytes()
LEAST = b"node_load1 1\nnode_memory_MemTotal_bytes 2\n"


def test_a_recorded_answer() -> None:
    counts = exported(RECORDED, 17.0)
    assert counts.uptime_s == 17.0
    assert counts.values == {
        "load_one": 1.54, "load_five": 2.2, "load_fifteen": 1.66, "proc_run": 1.0,
        "mem_total": 25276502016.0, "mem_free": 23073816576.0, "mem_available": 24309223424.0,
        "mem_buffers": 19980288.0, "mem_cached": 1151057920.0, "swap_total": 0.0,
        "swap_free": 0.0, "boottime": 1795252042.0, "uptime": pytest.approx(21004.093),
        "os_name": "Linux", "os_release": "6.18.44-fc-v669", "machine_type": "x86_64",
        "cpu_num": 2, "disk_total": 270553174016.0, "disk_free": 78017867776.0,
        "disk_free_percent": pytest.approx(71.6126),
    }  # fmt: skip
    assert counts.cpu == {
        "idle": 2718611, "iowait": 8591, "irq": 0, "nice": 2349, "softirq": 9677,
        "steal": 342, "system": 423962, "user": 1018099,
    }  # fmt: skip
    assert counts.links == {"eth0": (1807743729, 61796, 4428284, 39180)}
    assert counts.disks == {"vda": (38009762, 99109904)}


def file_system(device: str, kind: str, at: str, size: int, free: int, ro: int = 0) -> bytes:
    labels = f'{{device="{device}",fstype="{kind}",mountpoint="{at}"}}'
    return (
        f"node_filesystem_size_bytes{labels} {size}\nnode_filesystem_avail_bytes{labels} {free}\n"
        f"node_filesystem_free_bytes{labels} {free}\nnode_filesystem_readonly{labels} {ro}\n"
    ).encode()


def test_each_local_disk_counts_once() -> None:
    body = LEAST + b"".join(
        [
            file_system("/dev/sda1", "ext4", "/", 1000, 400),
            file_system("/dev/sda1", "ext4", "/again", 1000, 400),
            file_system("tank/a", "zfs", "/a", 500, 100),
            file_system("tank/b", "zfs", "/b", 500, 100),
            file_system("nas:/x", "nfs4", "/x", 9000, 1),
            file_system("/dev/loop0", "squashfs", "/snap", 10, 0),
            file_system("/dev/sdb1", "xfs", "/old", 10, 0, ro=1),
            file_system("/dev/sdc1", "xfs", "/empty", 0, 0),
        ]
    )
    assert exported(body, 0.0).values == {
        "load_one": 1, "mem_total": 2, "disk_total": 1500, "disk_free": 500,
        "disk_free_percent": 20.0,
    }  # fmt: skip


def test_devices_that_count_twice_are_left_out() -> None:
    names = ("eth0", "ib0", "lo", "docker0", "br-1", "vetha", "bond0", "eth0.42")
    body = LEAST + b"".join(
        b'node_network_%s_total{device="%s"} 1\n' % (what, name.encode())
        for name in names
        for what in (b"receive_bytes", b"receive_packets", b"transmit_bytes", b"transmit_packets")
    )
    body += b'node_network_receive_bytes_total{device="half"} 1\n'
    disks = (b"sda", b"nvme0n1", b"dm-0", b"md0", b"loop1")
    body += b"".join(
        b'node_disk_%s_bytes_total{device="%s"} 1024\n' % (what, name)
        for name in disks
        for what in (b"read", b"written")
    )
    counts = exported(body, 0.0)
    assert counts.links.keys() == {"eth0", "ib0"}
    assert counts.disks == {"sda": (2, 2), "nvme0n1": (2, 2)}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "node_load1: there is none; is this a node_exporter"),
        (b"<html>", "node_load1: there is none"),
        (b"node_load1 x\n", "node_load1: 'x' is not a number"),
        (b"node_load1 NaN\n", "node_load1: 'NaN' is not a number"),
        (b"node_load1 -1\n", "node_load1: '-1' is not a number"),
        (b"node_load1{ 1\n", r"'node_load1\{ 1' is not NAME"),
        (b"node_load1 1\n", "node_memory_MemTotal_bytes: there is none"),
    ],
)
def test_an_error_names_the_field(body: bytes, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        exported(body, 0.0)


def test_devices_are_bounded() -> None:
    body = b"".join(b'node_disk_read_bytes_total{device="d%d"} 1\n' % n for n in range(5000))
    body += body.replace(b"read", b"written")
    assert len(exported(LEAST + body, 0.0).disks) == 4096


LINES = st.lists(st.one_of(st.sampled_from(RECORDED.splitlines()), st.binary(max_size=60)))


@given(LINES, st.integers(0, 200), st.binary(max_size=3))
def test_nothing_but_its_own_error_is_raised(lines: list[bytes], at: int, cut: bytes) -> None:
    body = LEAST + b"\n".join(lines)
    with suppress(FieldError):
        exported(body[:at] + cut + body[at:], 0.0)
    with suppress(FieldError):
        exported(b"node_" + b"\nnode_".join(lines), 0.0)
