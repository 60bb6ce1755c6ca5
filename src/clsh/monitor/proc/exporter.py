"""Read what a Prometheus node_exporter says as if the node had told it to us. Pure, and strict.

Its names and units become ours, what it counts becomes `Counts`. All that is raised here is
FieldError, which names the field.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clsh.monitor.proc.parse import Counts, FieldError, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.model import Value

_LINE = re.compile(
    rb'(node_[a-z0-9A-Z_]{1,80})(?:\{((?:[^"{}]|"(?:[^"\\\n]|\\.)*")*)\})?'
    rb" ([^ ]{1,40})(?: -?[0-9]+)?"
)
_LABEL = re.compile(rb'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')
_MOST = 4096
# Nothing that stands on others, or bridges them: it would count twice.
_NO_LINK = re.compile(
    r"lo|.*\..*|(veth|br-|docker|virbr|vnet|tap|cali|cni|flannel|lxc|dummy|ifb).*|(bond|team)\d.*"
)
_NO_DISK = re.compile(
    r"(loop|z?ram|dm-|md|sr|fd|drbd|bcache|zd)\d.*|nvme\d+c\d+n\d+|nvme\d+n\d+p\d+"
)
_ON_DISK = re.compile(
    r"ext[234]|xfs|btrfs|zfs|f2fs|jfs|nilfs2|reiserfs|bcachefs|vfat|exfat|ntfs3", re.ASCII
)
_PLAIN = {
    "node_load1": "load_one",
    "node_load5": "load_five",
    "node_load15": "load_fifteen",
    "node_procs_running": "proc_run",
    "node_processes_threads": "proc_total",
    "node_memory_MemTotal_bytes": "mem_total",
    "node_memory_MemFree_bytes": "mem_free",
    "node_memory_MemAvailable_bytes": "mem_available",
    "node_memory_Buffers_bytes": "mem_buffers",
    "node_memory_Cached_bytes": "mem_cached",
    "node_memory_SwapTotal_bytes": "swap_total",
    "node_memory_SwapFree_bytes": "swap_free",
    "node_boot_time_seconds": "boottime",
}
_NEEDED = ("node_load1", "node_memory_MemTotal_bytes")
_LINKS = (
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
)
_DISKS = ("node_disk_read_bytes_total", "node_disk_written_bytes_total")
_SPACE = ("node_filesystem_size_bytes", "node_filesystem_avail_bytes", "node_filesystem_free_bytes")
_OTHERS = {
    "node_cpu_seconds_total",
    "node_filesystem_readonly",
    "node_time_seconds",
    "node_uname_info",
}
_WANTED = {*_PLAIN, *_LINKS, *_DISKS, *_SPACE, *_OTHERS}
_TICKS = 100
_SECTOR = 512


@dataclass(slots=True)
class _Told:
    """What was said: by metric, and by the device (or file system) within it."""

    plain: dict[str, float] = field(default_factory=dict[str, float])
    cpus: set[str] = field(default_factory=set[str])
    modes: dict[str, float] = field(default_factory=dict[str, float])
    devices: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    uname: Mapping[str, str] = field(default_factory=dict[str, str])


def exported(body: bytes, now_s: float) -> Counts:
    """Read an answer of /metrics; `now_s` is any steady clock's. Raises FieldError."""
    told = _Told()
    for line in body.split(b"\n", 100_000):
        if line.startswith(b"node_"):
            _take(told, line)
    for name in _NEEDED:
        if name not in told.plain:
            raise FieldError(f"{name}: there is none; is this a node_exporter?")
    values: dict[str, Value] = {
        ours: told.plain[theirs] for theirs, ours in _PLAIN.items() if theirs in told.plain
    }
    if "boottime" in values and "node_time_seconds" in told.plain:
        values["uptime"] = max(0.0, told.plain["node_time_seconds"] - float(values["boottime"]))
    for theirs, ours in (
        ("sysname", "os_name"), ("release", "os_release"), ("machine", "machine_type"),
    ):  # fmt: skip
        if theirs in told.uname:
            values[ours] = told.uname[theirs]
    if told.cpus:
        values["cpu_num"] = len(told.cpus)
    values.update(_space(told))
    return Counts(
        now_s,
        values,
        {mode: round(seconds * _TICKS) for mode, seconds in told.modes.items()},
        _devices(told, _LINKS, 1, _NO_LINK),
        _devices(told, _DISKS, _SECTOR, _NO_DISK),
    )


def _take(told: _Told, line: bytes) -> None:
    found = _LINE.fullmatch(line.rstrip())
    if found is None:
        raise FieldError(f"{text(line)!r} is not NAME{{LABELS}} NUMBER")
    name = found[1].decode()
    if name not in _WANTED:
        return
    labels = {key.decode(): text(value) for key, value in _LABEL.findall(found[2] or b"")}
    number = _number(name, found[3])
    device = labels.get("device", "")
    if name == "node_uname_info":
        told.uname = labels
    elif name == "node_cpu_seconds_total":
        told.cpus.add(labels.get("cpu", ""))
        mode = labels.get("mode", "")
        told.modes[mode] = told.modes.get(mode, 0.0) + number
    elif name.startswith("node_filesystem_"):
        place = f"{device} {labels.get('mountpoint', '')}"
        told.kinds[place] = labels.get("fstype", "")
        _put(told, name, place, number)
    elif device:
        _put(told, name, device, number)
    else:
        told.plain[name] = number


def _put(told: _Told, name: str, device: str, number: float) -> None:
    by_device = told.devices.setdefault(name, {})
    if len(by_device) < _MOST:
        by_device[device] = number


def _number(name: str, data: bytes) -> float:
    try:
        number = float(data)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise FieldError(f"{name}: {text(data)!r} is not a number")
    return number


def _devices(
    told: _Told, names: tuple[str, ...], unit: int, left_out: re.Pattern[str]
) -> dict[str, tuple[int, ...]]:
    """Return the counters of each device that has all of them."""
    columns = [told.devices.get(name, {}) for name in names]
    return {
        device: tuple(int(column[device]) // unit for column in columns)
        for device in columns[0]
        if all(device in column for column in columns) and not left_out.fullmatch(device)
    }


def _space(told: _Told) -> dict[str, Value]:
    """Return the disk metrics over the file systems on disks, each disk once."""
    sizes, available, free = (told.devices.get(name, {}) for name in _SPACE)
    readonly = told.devices.get("node_filesystem_readonly", {})
    seen: set[str] = set()
    total = left = 0.0
    fullest = 100.0
    for place, size in sizes.items():
        kind = told.kinds[place]
        device = place.partition(" ")[0]
        device = device.partition("/")[0] if kind == "zfs" else device
        if not _ON_DISK.fullmatch(kind) or readonly.get(place) or device in seen:
            continue
        users = available.get(place, 0.0)
        # What only root may write is neither used nor free, as df says it.
        usable = size - free.get(place, users) + users
        if usable > 0:
            seen.add(device)
            total += size
            left += users
            fullest = min(fullest, 100.0 * users / usable)
    if not seen:
        return {}
    return {"disk_total": total, "disk_free": left, "disk_free_percent": fullest}
