from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.proc import parse
from clsh.monitor.proc.parse import FieldError

GOOD = [
    b"S cpu  1 2 3 4 5 6 7 8 9 10",
    b"L 0.5 0.25 0.1 2/100 4567",
    b"U 123.45",
    b"M MemTotal: 1000",
    b"N eth0 1 2 3 4",
    b"D sda 5 6",
]


def changed(line: bytes) -> list[bytes]:
    """The good lines with the one of the same letter replaced."""
    return [line if one[:1] == line[:1] else one for one in GOOD]


def test_good_lines() -> None:
    counts = parse.counts([b"noise", *GOOD, b". 7", b""])
    assert counts.uptime_s == 123.45
    assert counts.values["mem_total"] == 1024000
    assert counts.cpu["steal"] == 8
    assert counts.links == {"eth0": (1, 2, 3, 4)}
    assert counts.disks == {"sda": (5, 6)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"S cpu 1 2 x 4", "/proc/stat: cpu: 'x' is not a whole number"),
        (b"S cpu 1", "/proc/stat: its first line is not that of all CPUs"),
        (b"S intr 1 2 3 4", "/proc/stat: its first line is not that of all CPUs"),
        (b"L 1 2 3", "/proc/loadavg: 3 fields instead of 5"),
        (b"L -1 2 3 4/5 6", "/proc/loadavg: load_one: '-1' is not a number"),
        (b"L 1 2 3 4 5", "/proc/loadavg: processes: '' is not a whole number"),
        (b"U nan", "/proc/uptime: 'nan' is not a number"),
        (b"U", "/proc/uptime: '' is not a number"),
        (b"M MemTotal: 12x", "/proc/meminfo: MemTotal: '12x' is not a whole number"),
        (b"M MemTotal: " + b"9" * 5000, "MemTotal: '9999"),
        (b"M Mem\x1b[31m", r"/proc/meminfo: 'Mem\?\[31m' is not understood"),
        (b"M SwapTotal: 1", "/proc/meminfo: there is no mem_total"),
        (b"N eth0 1 2 3", "/proc/net/dev: eth0: 3 numbers instead of 4"),
        (b"N eth0 1 2 3 -4", "/proc/net/dev: eth0: '-4' is not a whole number"),
        # a header of /proc/net/dev, mistaken for a disk
        (b"D face |bytes packets", r"/proc/diskstats: face: '\|bytes' is not a whole number"),
        (b"D sda 1", "/proc/diskstats: sda: 1 numbers instead of 2"),
    ],
)
def test_an_error_names_the_field(line: bytes, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        parse.counts(changed(line))


def test_what_is_missing_is_named() -> None:
    for letter, message in ((b"U", "/proc/uptime: there is none"), (b"L", "there is no load_one")):
        with pytest.raises(FieldError, match=message):
            parse.counts([line for line in GOOD if line[:1] != letter])
    with pytest.raises(FieldError, match="/proc/stat: btime: 'soon'"):
        parse.facts([b"B soon"])


def test_devices_are_bounded() -> None:
    lines = [*GOOD, b"N", b"D"]
    lines += [b"N e%d 1 2 3 4" % n for n in range(2000)]
    lines += [b"D d%d 1 2" % n for n in range(2000)]
    counts = parse.counts(lines)
    assert len(counts.links) == len(counts.disks) == 1000


def test_a_greeting() -> None:
    facts = parse.facts([b"B 17", b"P 0", b"Y", b"I Linux 6.1\x1b[0m x86_64", b"what", b"R"])
    assert facts.has_gpu
    assert facts.values == {
        "boottime": 17,
        "cpu_num": 1,
        "os_name": "Linux",
        "os_release": "6.1?[0m",
        "machine_type": "x86_64",
    }


def test_file_systems() -> None:
    lines = [
        b"/dev/a 1000 400 500 45% /",
        b"/dev/b 2000 1900 50 98% /with space",
        b"df: something: Permission denied",
        b"/dev/c 0 0 0 - /empty",
        b"short",
    ]
    assert parse.file_systems(lines) == {
        "disk_total": 3000 * 1024,
        "disk_free": 550 * 1024,
        "disk_free_percent": pytest.approx(100 * 50 / 1950),
    }
    assert parse.file_systems([]) == {}


def test_text_that_is_safe_to_show() -> None:
    assert parse.text(b" a\x1b]0;x\x07b\xff\n") == "a?]0;x?b\N{REPLACEMENT CHARACTER}"
    assert parse.text(b"x" * 1000, 10) == "x" * 10


LINES = st.lists(
    st.one_of(
        st.sampled_from(GOOD),
        st.binary(max_size=60),
        st.tuples(
            st.sampled_from(
                [b"S cpu", b"L", b"U", b"M MemTotal:", b"N e", b"D s", b"B", b"P", b"I"]
            ),
            st.lists(st.sampled_from([b"1", b"-1", b"1.5", b"1/2", b"9" * 30, b"x", b"\xff"])),
        ).map(lambda one: b" ".join([one[0], *one[1]])),
    )
)


@given(LINES)
def test_nothing_but_its_own_error_is_raised(lines: list[bytes]) -> None:
    for read in (parse.counts, parse.facts):
        with suppress(FieldError):
            read(lines)
    parse.file_systems(lines)
