"""The columns of nodes and of processes, for `cl top` and `cl ps`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.cli.monitoring.figures import number, percent, size
from clsh.cli.monitoring.table import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clsh.monitor.processes import Process

_RED, _MAGENTA = "31", "35"  # both can be read on dark and on light
_MUCH, _VERY_MUCH = 75, 90


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node and what it was last heard to do; None is what is not known.

    `cpu`, `memory` and `disk` are per cent in use (the disk is the fullest file system),
    the sizes bytes, the rates bytes a second. `reason` says why a node is lost.
    """

    cluster: str
    node: str
    state: str = "new"
    reason: str = ""
    load: float | None = None
    cores: float | None = None
    cpu: float | None = None
    memory: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    net_in: float | None = None
    net_out: float | None = None
    disk_read: float | None = None
    disk_write: float | None = None
    disk: float | None = None


def node_row(
    cluster: str, node: str, state: str, reason: str, values: Mapping[str, float | str]
) -> NodeRow:
    """Return the row of a node from its metrics, as the catalogue names them."""

    def known(name: str) -> float | None:
        found = values.get(name)
        return found if isinstance(found, int | float) else None

    def rest(name: str, all_of: float | None) -> float | None:
        found = known(name)
        return None if found is None or all_of is None else all_of - found

    total = known("mem_total")
    used = rest("mem_available", total)
    if used is None and total is not None:  # Ganglia's agents do not tell what is available
        spare = [known(name) for name in ("mem_free", "mem_buffers", "mem_cached")]
        used = total - sum(one or 0 for one in spare) if spare[0] is not None else None
    return NodeRow(
        cluster,
        node,
        state,
        reason,
        load=known("load_one"),
        cores=known("cpu_num"),
        cpu=rest("cpu_idle", 100.0),
        memory=100 * used / total if total and used is not None else None,
        memory_used=used,
        memory_total=total,
        net_in=known("bytes_in"),
        net_out=known("bytes_out"),
        disk_read=known("disk_read"),
        disk_write=known("disk_write"),
        disk=rest("disk_free_percent", 100.0),
    )


def _lost(row: NodeRow) -> str:
    return _RED if row.state == "lost" else ""


def _full(share: Callable[[NodeRow], float | None]) -> Callable[[NodeRow], str]:
    def style(row: NodeRow) -> str:
        used = share(row) or 0
        return _RED if used >= _VERY_MUCH else _MAGENTA if used >= _MUCH else ""

    return style


def _overloaded(row: NodeRow) -> str:
    return _MAGENTA if row.load and row.cores and row.load > row.cores else ""


def _load(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


NODES: tuple[Column[NodeRow], ...] = (
    Column("node", "NODE", lambda row: row.node, width=8, most=32, number=False, style=_lost),
    Column("state", "STATE", lambda row: row.state, width=5, number=False, style=_lost),
    Column("load", "LOAD", lambda row: row.load, _load, 6, style=_overloaded),
    Column("cpu", "CPU", lambda row: row.cpu, percent, 5, style=_full(lambda row: row.cpu)),
    Column(
        "memory", "MEM", lambda row: row.memory, percent, 5, style=_full(lambda row: row.memory)
    ),
    Column("memory_used", "USED", lambda row: row.memory_used, size, 6),
    Column("net_in", "IN/s", lambda row: row.net_in, size, 6),
    Column("net_out", "OUT/s", lambda row: row.net_out, size, 6),
    Column("disk_read", "READ/s", lambda row: row.disk_read, size, 6),
    Column("disk_write", "WRITE/s", lambda row: row.disk_write, size, 7),
    Column("disk", "DISK", lambda row: row.disk, percent, 5, style=_full(lambda row: row.disk)),
    Column("cores", "CORES", lambda row: row.cores, number, 5),
    Column("memory_total", "TOTAL", lambda row: row.memory_total, size, 6),
    Column("cluster", "CLUSTER", lambda row: row.cluster, width=8, number=False),
)

PROCESSES: tuple[Column[Process], ...] = (
    Column("node", "NODE", lambda row: row.node, width=8, most=24, number=False),
    Column("pid", "PID", lambda row: row.pid, str, 7),
    Column("user", "USER", lambda row: row.user, width=8, most=12, number=False),
    Column("state", "STATE", lambda row: row.state, width=5, number=False),
    Column("cpu", "CPU%", lambda row: row.cpu, lambda share: f"{share:.1f}", 6),
    Column("rss", "RSS", lambda row: row.rss, size, 6),
    Column("threads", "THREADS", lambda row: row.threads, str, 7),
    Column("command", "COMMAND", lambda row: row.command, width=10, number=False),
)
