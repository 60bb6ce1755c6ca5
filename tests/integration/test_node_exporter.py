"""Debian's real prometheus-node-exporter beside us: what it says is what we show."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from clsh.base.clock import SystemClock
from clsh.monitor.model import Sample
from clsh.monitor.sampling import Sampler
from clsh.monitor.settings import SourceSettings
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import node_exporter
from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from tests.support.sshd import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clsh.monitor.model import News, Value

PROGRAM = shutil.which("prometheus-node-exporter")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no prometheus-node-exporter")

# theirs, ours: what stands still while we look
STEADY = {
    "node_memory_MemTotal_bytes": "mem_total",
    "node_memory_SwapTotal_bytes": "swap_total",
    "node_boot_time_seconds": "boottime",
}
MOVING = {
    "node_memory_MemFree_bytes": "mem_free",
    "node_memory_MemAvailable_bytes": "mem_available",
}
SHARES = {"cpu_user", "cpu_nice", "cpu_system", "cpu_wio", "cpu_steal", "cpu_idle"}


@pytest.fixture
def place() -> Iterator[str]:
    """Where a real exporter listens."""
    assert PROGRAM
    place = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [PROGRAM, f"--web.listen-address={place}"], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                text(place)
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                break
        yield place
    finally:
        process.kill()
        process.wait()


def text(place: str) -> str:
    with urlopen(f"http://{place}/metrics", timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()


def plainly(body: str) -> dict[str, float]:
    """Return what has no labels, read by somebody who knows nothing of us."""
    return {
        found[1]: float(found[2])
        for found in re.finditer(r"^(node_\w+) ([-+.e\d]+)$", body, re.MULTILINE)
    }


async def heard(place: str, count: int) -> list[Sample]:
    settings = SourceSettings("web", "node_exporter", (place,), 1.0)
    source = node_exporter.build(SourceContext(SystemClock(), 1.0, "g", settings=settings))
    told: asyncio.Queue[News] = asyncio.Queue()
    task = asyncio.create_task(source.run(told.put_nowait))
    found: list[Sample] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                one = await told.get()
                assert isinstance(one, Sample), one
                found.append(one)
    finally:
        task.cancel()
        await asyncio.wait({task})
    return found


async def sampled() -> dict[str, Value]:
    """Return what our own script says of this machine."""
    session = await local.build(TransportOptions()).open(Node(node_name("here"), "here"), 5)
    sampler = Sampler(session)
    try:
        async with asyncio.timeout(20):
            values = await sampler.sample()
            while "disk_total" not in values:
                values = await sampler.sample()
        return values
    finally:
        await sampler.aclose()
        await session.aclose()


async def test_the_same_values_as_its_own_text_and_as_our_script(place: str) -> None:
    first, second = await heard(place, 2)
    body = await asyncio.to_thread(text, place)
    ours = await sampled()
    theirs = plainly(body)
    for name, own in STEADY.items():
        assert second.values[own] == theirs[name] == ours[own], name
    for name, own in MOVING.items():
        assert float(second.values[own]) == pytest.approx(theirs[name], rel=0.1), name
    for own in ("cpu_num", "os_name", "os_release", "machine_type"):
        assert second.values[own] == ours[own]
    uname = re.search(r'node_uname_info\{.*release="([^"]+)"', body)
    assert uname
    assert second.values["os_release"] == uname[1]
    for own in second.values.keys() & {"disk_total", "disk_free"}:  # not in each container
        assert float(second.values[own]) == pytest.approx(float(ours[own]), rel=0.02)
    rates = second.values.keys() - first.values.keys()
    assert rates >= SHARES
    assert sum(float(second.values[name]) for name in SHARES) == pytest.approx(100, abs=0.5)
