"""What happened between two looks at a node, per second. Pure; never negative.

A counter that went back was set anew (the interface was made again, a driver's fault): it
says nothing about this interval, and its interface or disk is left out once. Only a kernel of
32 bits really wraps its counters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.monitor.model import Value
    from clsh.monitor.proc.parse import Counts

_SECTOR = 512
_WRAP = 1 << 32
_SHORTEST_S = 0.05
_NARROW = ("i386", "i486", "i586", "i686", "armv6", "armv7", "armv5", "mips", "ppc", "riscv32")
_WIDE = ("mips64", "ppc64")
_CPU = {
    "cpu_user": ("user",),
    "cpu_nice": ("nice",),
    "cpu_system": ("system", "irq", "softirq"),
    "cpu_idle": ("idle",),
    "cpu_wio": ("iowait",),
    "cpu_steal": ("steal",),
}


def wraps(machine: str) -> bool:
    """Tell whether the counters of this kind of machine (uname -m) have 32 bits."""
    return machine.startswith(_NARROW) and not machine.startswith(_WIDE)


def rates(before: Counts, now: Counts, *, narrow: bool = False) -> dict[str, Value]:
    """Return the metrics that need two looks; none when the node was started anew between."""
    elapsed_s = now.uptime_s - before.uptime_s
    if elapsed_s < _SHORTEST_S:
        return {}
    found: dict[str, Value] = dict(_shares(before.cpu, now.cpu))
    links = _grown(before.links, now.links, narrow)
    for name, amount in zip(("bytes_in", "pkts_in", "bytes_out", "pkts_out"), links, strict=False):
        found[name] = amount / elapsed_s
    disks = _grown(before.disks, now.disks, narrow)
    for name, amount in zip(("disk_read", "disk_write"), disks, strict=False):
        found[name] = amount * _SECTOR / elapsed_s
    return found


def _shares(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, float]:
    # The time spent waiting may go back a little, see proc(5).
    grown = {part: max(0, ticks - before.get(part, ticks)) for part, ticks in now.items()}
    total = sum(grown.values())
    if not total:
        return {}
    return {
        name: 100.0 * sum(grown.get(part, 0) for part in parts) / total
        for name, parts in _CPU.items()
    }


def _grown(
    before: Mapping[str, tuple[int, ...]], now: Mapping[str, tuple[int, ...]], narrow: bool
) -> Sequence[int]:
    """Return by how much the counters of all devices grew, nothing when none can be told."""
    totals: list[int] = []
    for name, counters in now.items():
        if name not in before:
            continue
        steps = [new - old for old, new in zip(before[name], counters, strict=True)]
        if narrow:
            steps = [step + _WRAP if -_WRAP < step < -_WRAP // 2 else step for step in steps]
        if min(steps) >= 0:
            totals = [a + b for a, b in zip(totals or [0] * len(steps), steps, strict=True)]
    return totals
