"""Ganglia's units and ours: memory in KB and disks in GB there, bytes here.

A KB of memory is 1024 bytes, since gmond copies /proc/meminfo; a GB of disk is 10**9 bytes,
since gmond divides what statvfs tells by that. No other metric is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.model import Slope, ValueType

_DISKS = ("disk_total", "disk_free")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
BYTES = "bytes"


def factor(name: str, units: str) -> float | None:
    """Return how many bytes one of `units` is in this metric of gmond; None: leave it as it is."""
    if name in _DISKS:
        base = 1000
    elif name.startswith(("mem_", "swap_")):
        base = 1024
    else:
        return None
    short = units.strip().lower()
    if short == BYTES:
        return 1.0
    prefix, letter = short[:-1].removesuffix("i"), short[-1:]
    power = _POWERS.get(prefix) if letter == "b" else None
    return None if power is None else float(base**power)


class Wire(NamedTuple):
    """How Ganglia tells a metric: type, units, bytes in one of them, slope, TMAX."""

    type: ValueType
    units: str
    factor: float = 1.0
    slope: Slope = "both"
    tmax_s: int = 60


def wire(name: str) -> Wire | None:
    """Return how gmond itself tells a metric of ours; None when it has none like it."""
    if found := _WIRE.get(name):
        return found
    if name.startswith(("mem_", "swap_")):
        return _MEMORY
    return None


_MEMORY = Wire("float", "KB", 1024, "both", 180)
_LOAD, _CPU = Wire("float", " ", 1.0, "both", 70), Wire("float", "%", 1.0, "both", 90)
_BYTES, _PACKETS = Wire("float", "bytes/sec", 1.0, "both", 300), Wire("float", "packets/sec")
_WORD = Wire("string", "", 1.0, "zero", 1200)

_WIRE: Mapping[str, Wire] = {
    "load_one": _LOAD,
    "load_five": _LOAD._replace(tmax_s=325),
    "load_fifteen": _LOAD._replace(tmax_s=950),
    **{f"cpu_{what}": _CPU for what in ("idle", "user", "system", "nice", "wio", "steal")},
    "cpu_num": Wire("uint16", "CPUs", 1.0, "zero", 1200),
    "mem_total": _MEMORY._replace(slope="zero", tmax_s=1200),
    "swap_total": _MEMORY._replace(slope="zero", tmax_s=1200),
    "bytes_in": _BYTES,
    "bytes_out": _BYTES,
    "pkts_in": _PACKETS._replace(tmax_s=300),
    "pkts_out": _PACKETS._replace(tmax_s=300),
    "proc_run": Wire("uint32", " ", 1.0, "both", 950),
    "proc_total": Wire("uint32", " ", 1.0, "both", 950),
    "disk_total": Wire("double", "GB", 1e9, "both", 1200),
    "disk_free": Wire("double", "GB", 1e9, "both", 180),
    "boottime": Wire("uint32", "s", 1.0, "zero", 1200),
    "os_name": _WORD,
    "os_release": _WORD,
    "machine_type": _WORD,
}
