"""Ticks and stores for tests: a layout, moments, a VictoriaMetrics of our own."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.monitor.model import Layout, Series, Tick
from clsh.monitor.store import StoreContext
from tests.support.clocks import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsh.base.clock import Clock

INTERVAL_S = 15.0
NAN = float("nan")


def context(
    directory: Path, *, limit: int = 1 << 30, url: str = "", clock: Clock | None = None
) -> StoreContext:
    """What a store is built from; time stands still, so a flush is never put off."""
    return StoreContext(directory, url, limit, INTERVAL_S, clock or Stopped())


def layout(count: int, cluster: str = "can") -> Layout:
    """Series of `count` metrics of nodes with 30 each."""
    return Layout(tuple(Series(cluster, f"n{i // 30}", f"m{i % 30}") for i in range(count)))


def tick(at: float, of: Layout, values: Sequence[float] | float) -> Tick:
    """A tick; one number stands for all values."""
    if isinstance(values, int | float):
        values = [values] * len(of.series)
    return Tick(at, of, array("d", values))


class Victoria:
    """A VictoriaMetrics on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def post(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def settle(self) -> None:
        """Let what was written be seen."""
        self.post("/internal/force_flush")

    def empty(self) -> None:
        self.settle()
        self.post("/api/v1/admin/tsdb/delete_series?match[]=%7B__name__!=%22%22%7D")


@contextmanager
def victoria(directory: Path) -> Iterator[Victoria]:
    """Start one of our own and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            "/usr/bin/victoria-metrics",
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-storageDataPath={directory}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-memory.allowedBytes=64MB",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = Victoria(port)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                if server.post("/health") == 200:
                    break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(10)
