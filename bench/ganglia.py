"""What a grid of 1,000 hosts costs: gmetad with its RRDs beside our reader, grid and store.

Both poll the same gmond-like server; its own cost is that of the bench. `python -m
bench.ganglia PORT DIRECTORY SECONDS` is our side alone, until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, NamedTuple

from bench import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools

INTERVAL_S = 15
_METRICS = [f"metric{number}" for number in range(30)]
_TICKS = os.sysconf("SC_CLK_TCK")
_CONF = """
data_source "big" {interval} 127.0.0.1:{port}
gridname "bench"
setuid off
rrd_rootdir "{rrds}"
xml_port {xml}
interactive_port {query}
"""


class _Used(NamedTuple):
    """CPU seconds of a process and the bytes that it had written to disks."""

    cpu_s: float
    written: int


class _Gmond(BaseRequestHandler):
    """Answers as the gmond of a large cluster, with new values each time."""

    hosts = 1000
    asked = 0

    def handle(self) -> None:
        _Gmond.asked += 1
        now = int(time.time())
        extra = '<EXTRA_DATA>\n<EXTRA_ELEMENT NAME="GROUP" VAL="g"/>\n</EXTRA_DATA>\n</METRIC>\n'
        parts = [
            '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n',
            f'<GANGLIA_XML VERSION="3.7.2" SOURCE="gmond">\n<CLUSTER NAME="big" LOCALTIME="{now}">',
        ]
        for host in range(self.hosts):
            parts.append(
                f'<HOST NAME="n{host}" IP="10.0.{host >> 8}.{host & 255}" TAGS="" REPORTED="{now}" '
                'TN="1" TMAX="20" DMAX="0" LOCATION="l" GMOND_STARTED="1">\n'
            )
            parts += (
                f'<METRIC NAME="{name}" VAL="{(now * 7 + host * 31 + place) % 1000}" TYPE="float" '
                f'UNITS="" TN="1" TMAX="60" DMAX="0" SLOPE="both">\n{extra}'
                for place, name in enumerate(_METRICS)
            )
            parts.append("</HOST>\n")
        parts.append("</CLUSTER>\n</GANGLIA_XML>\n")
        with suppress(OSError):
            self.request.sendall("".join(parts).encode())


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table."""
    del tools
    gmetad = shutil.which("gmetad") or "/usr/sbin/gmetad"
    _Gmond.hosts = 200 if quick else 1000
    polls, interval_s = (3, 3) if quick else (8, INTERVAL_S)
    server = ThreadingTCPServer(("127.0.0.1", 0), _Gmond)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    folder = Path.cwd() / "build/bench-ganglia"  # a disk: /tmp may be memory, which costs nothing
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "rrds").mkdir(parents=True)
    (folder / "store").mkdir()
    conf = folder / "gmetad.conf"
    conf.write_text(
        _CONF.format(
            interval=interval_s, port=port, rrds=folder / "rrds", xml=_free(), query=_free()
        )
    )
    ours = [
        sys.executable,
        "-m",
        "bench.ganglia",
        str(port),
        str(folder / "store"),
        str(interval_s),
    ]
    try:
        used = {
            "gmetad": _measured([gmetad, "-c", str(conf), "-d", "1"], polls),
            "clsh": _measured(ours, polls),
        }
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(folder)
    samples = polls * _Gmond.hosts * len(_METRICS)
    base = used["gmetad"]
    yield table.lines(
        f"Ganglia: {_Gmond.hosts} hosts x {len(_METRICS)} metrics, {polls} polls of the same XML",
        ["", "CPU a poll", "x gmetad", "written a sample", "x gmetad"],
        [
            [
                name,
                table.seconds(one.cpu_s / polls),
                table.ratio(one.cpu_s, base.cpu_s),
                f"{one.written / samples:.0f} B",
                table.ratio(one.written, base.written),
            ]
            for name, one in used.items()
        ],
        "gmetad writes an RRD for each metric; its files were made before the measurement.",
        "Ours writes its journal here; the chunks of an hour, once an hour, are not in it.",
    )


def _free() -> int:
    from socket import create_server

    with create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _measured(argv: list[str], polls: int) -> _Used:
    """Run a reader through two polls, then measure as many as wanted."""
    _Gmond.asked = 0
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdout=quiet, stderr=quiet)
    try:
        _wait_for(process, 3)
        before = _used(process.pid)
        _wait_for(process, 3 + polls)
        after = _used(process.pid)
    finally:
        process.kill()
        process.wait()
    return _Used(after.cpu_s - before.cpu_s, after.written - before.written)


def _wait_for(process: subprocess.Popen[bytes], asked: int) -> None:
    while _Gmond.asked < asked:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.05)


def _used(pid: int) -> _Used:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return _Used((int(fields[11]) + int(fields[12])) / _TICKS, int(told["write_bytes"]))


async def _read(port: int, folder: Path, interval_s: float) -> None:
    """Poll, keep the picture and store it, as the manager does."""
    from clsh.base.clock import SystemClock
    from clsh.monitor.grid import Grid
    from clsh.monitor.settings import SourceSettings
    from clsh.monitor.source import SourceContext
    from clsh.monitor.sources import gmond
    from clsh.monitor.store import StoreContext
    from clsh.monitor.stores import sqlite

    clock = SystemClock()
    grid = Grid("bench", {}, clock, interval_s)
    settings = SourceSettings("big", "gmond", (f"127.0.0.1:{port}",), interval_s)
    source = gmond.build(SourceContext(clock, interval_s, "bench", settings=settings))
    store = sqlite.build(StoreContext(folder, "", 10 << 30, interval_s, clock))
    polling = asyncio.create_task(source.run(grid.hear))
    while not polling.done():
        await asyncio.sleep(interval_s)
        store.append(grid.tick())


if __name__ == "__main__":
    asyncio.run(_read(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
