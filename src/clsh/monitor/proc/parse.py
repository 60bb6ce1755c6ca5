"""Read what the script of `clsh.monitor.proc.script` prints: pure, and strict.

What a node sends may be anything. All that is raised here is FieldError, which names the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.monitor.model import Value

_NUMBER = re.compile(rb"[0-9]{1,20}(\.[0-9]{1,9})?")
_WHOLE = re.compile(rb"[0-9]{1,20}")
_KIB = 1024
_LONGEST = 80
_MOST = 1000
# the parts of a `cpu` line, proc(5); older kernels have fewer
_CPU = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_MEMORY = {
    b"MemTotal:": "mem_total",
    b"MemFree:": "mem_free",
    b"MemAvailable:": "mem_available",
    b"Buffers:": "mem_buffers",
    b"Cached:": "mem_cached",
    b"SwapTotal:": "swap_total",
    b"SwapFree:": "swap_free",
}


class FieldError(ClshError):
    """What a node told cannot be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while a node runs; `has_gpu` when there is an nvidia-smi."""

    values: Mapping[str, Value]
    has_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """One look at a node: `values` as they are, and counters, which make rates.

    `uptime_s` is the node's own steady clock. `cpu` holds ticks by part, `links` the bytes
    and packets received and sent by each network interface, `disks` the sectors of 512
    bytes read and written by each disk.
    """

    uptime_s: float
    values: Mapping[str, Value]
    cpu: Mapping[str, int] = field(default_factory=dict[str, int])
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    disks: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])


def text(data: bytes, longest: int = _LONGEST) -> str:
    """Return bytes of a node as text that is safe to show, `?` for what is not printable."""
    shown = data[: longest * 4].decode(errors="replace").strip()[:longest]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _whole(name: str, data: bytes) -> int:
    if not _WHOLE.fullmatch(data):
        raise FieldError(f"{name}: {text(data)!r} is not a whole number")
    return int(data)


def _number(name: str, data: bytes) -> float:
    if not _NUMBER.fullmatch(data):
        raise FieldError(f"{name}: {text(data)!r} is not a number")
    return float(data)


def _wholes(name: str, words: Sequence[bytes], count: int) -> tuple[int, ...]:
    if len(words) != count:
        raise FieldError(f"{name}: {len(words)} numbers instead of {count}")
    return tuple(_whole(name, word) for word in words)


def facts(lines: Iterable[bytes]) -> Facts:
    """Read the lines of the greeting; raises FieldError."""
    values: dict[str, Value] = {}
    has_gpu = False
    for line in lines:
        match line.split():
            case [b"B", seconds]:
                values["boottime"] = _whole("/proc/stat: btime", seconds)
            case [b"P", count]:
                # There is no "cpuN" where the kernel was built for one CPU.
                values["cpu_num"] = _whole("/proc/stat: CPUs", count) or 1
            case [b"I", system, release, machine]:
                values["os_name"] = text(system)
                values["os_release"] = text(release)
                values["machine_type"] = text(machine)
            case [b"Y"]:
                has_gpu = True
            case _:
                pass
    return Facts(values, has_gpu)


class _Reading:
    """Takes the lines of one answer, each by its letter."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.uptime_s: float | None = None
        self.cpu: dict[str, int] = {}
        self.links: dict[str, tuple[int, ...]] = {}
        self.disks: dict[str, tuple[int, ...]] = {}

    def cpu_line(self, words: Sequence[bytes]) -> None:
        if len(words) < 5 or words[0] != b"cpu":
            raise FieldError("/proc/stat: its first line is not that of all CPUs")
        numbers = (_whole("/proc/stat: cpu", word) for word in words[1 : len(_CPU) + 1])
        self.cpu = dict(zip(_CPU, numbers, strict=False))

    def load_line(self, words: Sequence[bytes]) -> None:
        if len(words) != 5:
            raise FieldError(f"/proc/loadavg: {len(words)} fields instead of 5")
        for name, word in zip(("load_one", "load_five", "load_fifteen"), words, strict=False):
            self.values[name] = _number(f"/proc/loadavg: {name}", word)
        running, _, total = words[3].partition(b"/")
        self.values["proc_run"] = _whole("/proc/loadavg: running", running)
        self.values["proc_total"] = _whole("/proc/loadavg: processes", total)

    def uptime_line(self, words: Sequence[bytes]) -> None:
        self.uptime_s = _number("/proc/uptime", b" ".join(words))
        self.values["uptime"] = self.uptime_s

    def memory_line(self, words: Sequence[bytes]) -> None:
        if len(words) != 2 or words[0] not in _MEMORY:
            raise FieldError(f"/proc/meminfo: {text(b' '.join(words))!r} is not understood")
        name = f"/proc/meminfo: {text(words[0][:-1])}"
        self.values[_MEMORY[words[0]]] = _whole(name, words[1]) * _KIB

    def link_line(self, words: Sequence[bytes]) -> None:
        if words and len(self.links) < _MOST:
            name = text(words[0])
            self.links[name] = _wholes(f"/proc/net/dev: {name}", words[1:], 4)

    def disk_line(self, words: Sequence[bytes]) -> None:
        if words and len(self.disks) < _MOST:
            name = text(words[0])
            self.disks[name] = _wholes(f"/proc/diskstats: {name}", words[1:], 2)

    def counts(self) -> Counts:
        values = self.values
        for name, file in (("load_one", "/proc/loadavg"), ("mem_total", "/proc/meminfo")):
            if name not in values:
                raise FieldError(f"{file}: there is no {name}")
        if self.uptime_s is None:
            raise FieldError("/proc/uptime: there is none")
        if "mem_available" not in values:  # before Linux 3.14
            parts = ("mem_free", "mem_buffers", "mem_cached")
            values["mem_available"] = sum(float(values.get(name, 0)) for name in parts)
        return Counts(self.uptime_s, values, self.cpu, self.links, self.disks)


_TAKES = {
    b"S": _Reading.cpu_line,
    b"L": _Reading.load_line,
    b"U": _Reading.uptime_line,
    b"M": _Reading.memory_line,
    b"N": _Reading.link_line,
    b"D": _Reading.disk_line,
}


def counts(lines: Iterable[bytes]) -> Counts:
    """Read the lines of one answer, others are passed over; raises FieldError."""
    reading = _Reading()
    for line in lines:
        letter, _, rest = line.partition(b" ")
        if take := _TAKES.get(letter):
            take(reading, rest.split())
    return reading.counts()


def file_systems(lines: Iterable[bytes]) -> dict[str, Value]:
    """Return the disk metrics from lines of `df -Pk`, none when there are no lines.

    Free is what users may still write. A line that is not df's is passed over.
    """
    total = free = 0
    fullest = 100.0
    for line in lines:
        # device, KiB in all, used, available, capacity, mount point
        words = line.split(None, 5)
        if len(words) < 5 or not all(map(_WHOLE.fullmatch, words[1:4])):
            continue
        size, used, available = (int(word) for word in words[1:4])
        if used + available:
            total += size
            free += available
            fullest = min(fullest, 100.0 * available / (used + available))
    if not total:
        return {}
    return {"disk_total": total * _KIB, "disk_free": free * _KIB, "disk_free_percent": fullest}
