"""The metrics that we know: their type, units, group and title.

Sizes are bytes, rates per second, shares per cent; `clsh.monitor.ganglia` turns them into
Ganglia's units on its wire. A metric that is not here is described by who tells it.
"""

from __future__ import annotations

import functools
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from clsh.monitor.model import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.model import Slope, ValueType

_GPU = re.compile(r"gpu([0-9]{1,3})_([a-z_]+)", re.ASCII)


def _metrics() -> dict[str, Metric]:
    found: dict[str, Metric] = {}

    def add(
        group: str,
        name: str,
        title: str,
        units: str = "",
        kind: ValueType = "float",
        slope: Slope = "both",
        tmax_s: int = 60,
    ) -> None:
        found[name] = Metric(name, kind, units, slope, tmax_s, title=title, group=group)

    add("cpu", "cpu_num", "CPUs", "CPUs", "uint16", "zero", 1200)
    for part, title in (
        ("user", "CPU user"), ("nice", "CPU nice"), ("system", "CPU system"),
        ("wio", "CPU waiting for I/O"), ("steal", "CPU steal"), ("idle", "CPU idle"),
    ):  # fmt: skip
        add("cpu", f"cpu_{part}", title, "%")
    for part, title in (("one", "1 minute"), ("five", "5 minutes"), ("fifteen", "15 minutes")):
        add("load", f"load_{part}", f"Load, {title}")
    add("process", "proc_run", "Processes running", "processes", "uint32")
    add("process", "proc_total", "Processes", "processes", "uint32")
    for name, title in (
        ("mem_free", "Memory free"), ("mem_available", "Memory available"),
        ("mem_buffers", "Memory for buffers"), ("mem_cached", "Memory for file cache"),
        ("swap_free", "Swap free"),
    ):  # fmt: skip
        add("memory", name, title, "bytes", "double")
    add("memory", "mem_total", "Memory", "bytes", "double", "zero", 1200)
    add("memory", "swap_total", "Swap", "bytes", "double", "zero", 1200)
    for way, title in (("in", "received"), ("out", "sent")):
        add("network", f"bytes_{way}", f"Network {title}", "bytes/s")
        add("network", f"pkts_{way}", f"Packets {title}", "packets/s")
    add("disk", "disk_free", "Disk free", "bytes", "double")
    add("disk", "disk_total", "Disk", "bytes", "double", "both", 1200)
    add("disk", "disk_free_percent", "Free on the fullest file system", "%")
    add("disk", "disk_read", "Disk read", "bytes/s")
    add("disk", "disk_write", "Disk written", "bytes/s")
    add("system", "boottime", "Started", "s", "timestamp", "zero", 1200)
    add("system", "uptime", "Up for", "s", "double")
    add("system", "os_name", "Operating system", "", "string", "zero", 1200)
    add("system", "os_release", "Kernel", "", "string", "zero", 1200)
    add("system", "machine_type", "Machine", "", "string", "zero", 1200)
    add("gpu", "gpu_num", "GPUs", "GPUs", "uint16", "zero", 1200)
    return found


_GPU_METRICS: Mapping[str, tuple[str, str, ValueType]] = {
    "util": ("busy", "%", "float"),
    "mem_used": ("memory used", "bytes", "double"),
    "mem_total": ("memory", "bytes", "double"),
    "temp": ("temperature", "°C", "float"),
    "power": ("power", "W", "float"),
}

METRICS: Mapping[str, Metric] = MappingProxyType(_metrics())


@functools.lru_cache(maxsize=4096)
def known(name: str) -> Metric:
    """Return what is known of a metric; of one that nobody described only its name is."""
    if metric := METRICS.get(name):
        return metric
    gpu = _GPU.fullmatch(name)
    if gpu and gpu[2] in _GPU_METRICS:
        title, units, kind = _GPU_METRICS[gpu[2]]
        return Metric(name, kind, units, title=f"GPU {gpu[1]} {title}", group="gpu")
    return Metric(name)
