"""Rows for tests: nodes and processes that are easy to tell apart."""

from __future__ import annotations

from clsh.cli.monitoring.columns import NodeRow
from clsh.monitor.processes import Process

NODES = [
    NodeRow(
        "lab", "node1", "up", load=0.5, cores=4, cpu=12, memory=50, memory_used=2**31,
        memory_total=2**32, net_in=1024, net_out=2048, disk_read=0, disk_write=1e6, disk=95,
    ),
    NodeRow("lab", "node2", "up", load=9.0, cores=4, cpu=99, memory=80, memory_used=3e9,
            memory_total=2**32),
    NodeRow("lab", "node10", "lost", "connection lost"),
]  # fmt: skip


def process(node: str = "node1", pid: int = 1, cpu: float = 0.0, command: str = "sh") -> Process:
    return Process(
        node=node,
        pid=pid,
        ppid=1,
        user="alice",
        state="S",
        cpu=cpu,
        rss=2**20,
        threads=2,
        started=1.7e9,
        command=command,
    )
