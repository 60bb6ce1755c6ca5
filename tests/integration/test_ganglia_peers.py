"""Real gmond, gmetad and gmetric of Ganglia 3.7 with us, on loopback: both ways over each wire.

The programs are Debian's packages ganglia-monitor and gmetad.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.monitor import ganglia_ports
from clsh.monitor.grid import Grid
from clsh.monitor.model import Sample, Silent
from clsh.monitor.settings import Settings, SourceSettings
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import gmetad, gmetric, gmond
from tests.support.ganglia import plainly

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.monitor.grid import NodeState
    from clsh.monitor.model import Value
    from clsh.monitor.source import Source

MISSING = [name for name in ("gmond", "gmetad", "gmetric") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

OURS, REAL = "127.0.0.1", "127.0.0.2"  # gmond and we may have one port number
GMOND = """
globals {{ daemonize = no setuid = no mute = no deaf = no send_metadata_interval = 0 }}
cluster {{ name = "alpha" owner = "o" latlong = "l" url = "u" }}
udp_send_channel {{ bind = {bind} host = {send} port = {port} }}
udp_recv_channel {{ bind = {bind} port = {port} }}
tcp_accept_channel {{ bind = {bind} port = {port} }}
{more}
"""
_MODULES = [str(path) for path in Path("/usr/lib").glob("*/ganglia/modload.so")]
LOAD = """
modules { module { name = "load_module" path = "MODULE" } }
collection_group { collect_every = 1 time_threshold = 1 metric { name = "load_one" } }
""".replace("MODULE", "".join(_MODULES))
GMETAD = """
data_source "{name}" 1 {address}
gridname "KAIST"
setuid off
rrd_rootdir "{rrds}"
xml_port {port}
interactive_port {query}
all_trusted on
"""


def free_port() -> int:
    """Return a port that is free for TCP and UDP at both addresses."""
    with socket.create_server((OURS, 0)) as one:
        return int(one.getsockname()[1])


@asynccontextmanager
async def program(*argv: str | Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        assert process.returncode is None, f"{argv[0]} ended by itself: {process.returncode}"
        process.kill()
        await process.wait()


@asynccontextmanager
async def a_gmond(folder: Path, port: int, send: str = REAL, more: str = "") -> AsyncIterator[Path]:
    conf = folder / "gmond.conf"
    conf.write_text(GMOND.format(send=send, bind=REAL, port=port, more=more))
    async with program("gmond", "-c", conf, "-f"):
        await until_open(REAL, port)
        yield conf


@asynccontextmanager
async def a_gmetad(folder: Path, name: str, address: str) -> AsyncIterator[int]:
    (folder / "rrds").mkdir()
    port, query = free_port(), free_port()
    conf = folder / "gmetad.conf"
    conf.write_text(
        GMETAD.format(name=name, address=address, rrds=folder / "rrds", port=port, query=query)
    )
    async with program("gmetad", "-c", conf, "-d", "1"):
        await until_open(OURS, port)
        yield port


async def said(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def until_open(host: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                await said(host, port)
                return
            await asyncio.sleep(0.05)


async def until(true: Callable[[bytes], object], host: str, port: int) -> bytes:
    """Ask again and again until the answer is as wanted."""
    async with asyncio.timeout(15):
        while True:
            if true(answer := await said(host, port)):
                return answer
            await asyncio.sleep(0.1)


async def tell(conf: Path, name: str, value: str, kind: str, *more: str) -> None:
    """Send a value with the real gmetric."""
    argv = ("-c", str(conf), "-n", name, "-v", value, "-t", kind, *more)
    process = await asyncio.create_subprocess_exec("gmetric", *argv)
    assert await process.wait() == 0


@asynccontextmanager
async def heard(source: Source, grid: Grid) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(grid.hear))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def grid_says(true: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while True:
            if true():
                return
            await asyncio.sleep(0.05)


def empty() -> Grid:
    return Grid("grid", {}, SystemClock(), 15.0)


def context(kind: str, *addresses: str) -> SourceContext:
    settings = SourceSettings("web", kind, addresses, 0.2)
    return SourceContext(SystemClock(), 0.2, "grid", settings=settings)


def nodes(grid: Grid, cluster: str) -> dict[str, NodeState]:
    """Return the nodes of a cluster, none before it was heard of."""
    return grid.clusters[cluster].nodes if cluster in grid.clusters else {}


def same(grid: Grid, cluster: str, data: bytes) -> None:
    """Compare what we heard with what the XML says to a plain parser."""
    plain = plainly(data)
    assert {name: set(plain[name]) for name in plain} == {
        name: set(node.values) - {"disk_free_percent"}
        for name, node in grid.clusters[cluster].nodes.items()
    }
    for name, values in plain.items():
        node = grid.clusters[cluster].nodes[name]
        for metric, text in values.items():
            value = node.values[metric]
            factor = 1024 if metric.startswith("mem_") else 1
            assert value == (text if isinstance(value, str) else float(text) * factor)


async def test_a_real_gmetad_reads_us(tmp_path: Path) -> None:
    clock = SystemClock()
    grid = empty()
    for i in range(20):
        values: dict[str, Value] = {"load_one": i / 8, "mem_free": 1e9, "os_name": 'Linux <&">'}
        grid.hear(Sample("lab", f"n{i}", clock.unix(), values))
    for i in range(3):
        grid.hear(Silent("lab", f"n{i}", clock.unix(), "gone"))
    port, query = free_port(), free_port()
    settings = Settings(gmond_port=0, gmetad_port=port, gmetad_query_port=query, grid="ours")
    ports = asyncio.create_task(ganglia_ports.serve(grid, settings, clock))
    try:
        async with a_gmetad(tmp_path, "ours", f"{OURS}:{port}") as real:
            data = await until(lambda answer: b"load_one" in answer, OURS, real)
    finally:
        ports.cancel()
        with suppress(asyncio.CancelledError):
            await ports
    nested = ET.fromstring(data).find("GRID/GRID")
    assert nested is not None
    assert (nested.attrib["NAME"], nested.attrib["AUTHORITY"]) == ("grid", "http://127.0.0.1:8650/")
    counts = nested.find("HOSTS")
    assert counts is not None
    lab = grid.clusters["lab"]
    assert (int(counts.attrib["UP"]), int(counts.attrib["DOWN"])) == (lab.up, lab.lost) == (17, 3)
    sums = {one.attrib["NAME"]: one.attrib for one in nested.findall("METRICS")}
    assert float(sums["load_one"]["SUM"]) == pytest.approx(lab.sums["load_one"].sum, abs=0.01)
    assert int(sums["load_one"]["NUM"]) == 17
    assert float(sums["mem_free"]["SUM"]) == pytest.approx(17 * 1e9 / 1024, rel=1e-3)
    assert "os_name" not in sums


async def test_a_real_gmetad_takes_us_for_a_gmond(tmp_path: Path) -> None:
    clock = SystemClock()
    grid = empty()
    for i in range(5):
        grid.hear(Sample("lab", f"n{i}", clock.unix(), {"load_one": i / 4}))
    port = free_port()
    settings = Settings(gmond_port=port, gmetad_port=0, gmetad_query_port=0)
    ports = asyncio.create_task(ganglia_ports.serve(grid, settings, clock))
    try:
        async with a_gmetad(tmp_path, "lab", f"{OURS}:{port}") as real:
            data = await until(lambda answer: b"load_one" in answer, OURS, real)
    finally:
        ports.cancel()
        with suppress(asyncio.CancelledError):
            await ports
    assert plainly(data) == {f"n{i}": {"load_one": f"{i / 4:g}"} for i in range(5)}


async def test_we_read_a_real_gmond_and_gmetad(tmp_path: Path) -> None:
    """With the fault of gmetad that blinds all others: a '<' in a string passed on unescaped."""
    port = free_port()
    async with (
        a_gmond(tmp_path, port) as conf,
        a_gmetad(tmp_path, "alpha", f"{REAL}:{port}") as real,
    ):
        await tell(conf, "temp", "71.5", "float", "-u", "C", "-g", "hardware", "-T", "Job Temp")
        await tell(conf, "mem_extra", "100", "uint32", "-u", "KB")
        await tell(conf, "spoofed", "0.5", "double", "-S", "10.91.0.77:ghost1")
        grid = empty()
        async with heard(gmond.build(context("gmond", f"{REAL}:{port}")), grid):
            await until(lambda answer: answer.count(b"<METRIC ") == 3, REAL, port)
            await grid_says(lambda: len(nodes(grid, "alpha")) == 2)
            plain = await said(REAL, port)
            same(grid, "alpha", plain)
            assert grid.health["web"].ok
        ghost = grid.clusters["alpha"].nodes["ghost1"]
        assert (ghost.address, ghost.state) == ("10.91.0.77", "up")
        await tell(conf, "note", "a<b>&c", "string")
        above = empty()
        async with heard(gmetad.build(context("gmetad", f"127.0.0.1:{real}")), above):
            broken = await until(lambda answer: b'VAL="a<b>&c"' in answer, OURS, real)
            with pytest.raises(ET.ParseError):
                ET.fromstring(broken)
            await grid_says(
                lambda: any("note" in node.values for node in nodes(above, "alpha").values())
            )
        same(above, "alpha", broken.replace(b"a<b>&c", b"a&lt;b&gt;&amp;c"))
        assert not above.health["web"].ok
        assert "METRIC 'note' has unescaped characters" in above.health["web"].reason


async def test_real_packets_reach_us(tmp_path: Path) -> None:
    """gmetric's, and those of a gmond that is asked for metadata that we have missed."""
    port = free_port()
    listen = SourceContext(
        SystemClock(), 0.2, "grid", listen=(OURS, port), trusted=("127.0.0.0/8",)
    )
    grid = empty()

    def values() -> dict[str, object]:
        told = nodes(grid, "gmetric").values()
        return {name: value for node in told for name, value in node.values.items()}

    async with a_gmond(tmp_path, port, send=OURS, more=LOAD) as conf:
        await asyncio.sleep(1.5)  # it has sent its metadata to nobody
        async with heard(gmetric.build(listen), grid):
            await grid_says(lambda: "gmetric" in grid.health)
            await tell(conf, "temp", "71.5", "float", "-u", "C")
            await tell(conf, "note", "a<b>&c", "string")
            await tell(conf, "spoofed", "7", "uint16", "-S", "10.91.0.77:ghost1")
            await grid_says(lambda: {"temp", "note", "spoofed"} <= values().keys())
            await grid_says(lambda: "load_one" in values())
    assert values()["temp"] == 71.5
    assert values()["note"] == "a<b>&c"
    assert values()["load_one"] == pytest.approx(os.getloadavg()[0], abs=5)
    assert grid.clusters["gmetric"].nodes["ghost1"].values == {"spoofed": 7.0}
