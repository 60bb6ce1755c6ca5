"""Nodes are heard over every transport, with what is in their drop directory."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Sample, Silent
from clsh.monitor.processes import Process, processes
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import procfs
from clsh.remote.transport import Command
from tests.contract.conftest import ALL, Reach
from tests.support.clocks import Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clsh.monitor.model import News
    from clsh.remote.transport import Stream

REAL = [kind for kind in ALL if kind not in {"memory", "openssh-ordinary"}]
INTERVAL_S = 0.3


class Nothing:
    def write(self, stream: Stream, data: bytes) -> None:
        pass


@contextlib.asynccontextmanager
async def heard(reach: Reach, drop: str) -> AsyncIterator[asyncio.Queue[News]]:
    """The node followed, and what is told of it."""
    context = SourceContext(
        Running(), INTERVAL_S, "grid", [("c", reach.node)], reach.transport, drop
    )
    told: asyncio.Queue[News] = asyncio.Queue()
    task = asyncio.create_task(procfs.build(context).run(told.put_nowait))
    try:
        yield told
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("kind", REAL, indirect=True)
async def test_a_node_is_heard_and_lost(reach: Reach) -> None:
    session = await reach.open()
    # on the node itself, of whichever transport it is
    drop = f"/tmp/clsh-drop-{reach.kind}"
    quoted = shlex.quote(drop)
    lines = f"mkdir -p {quoted} && echo 'room_temp 21.5 C' >{quoted}/room"
    await session.run(Command(lines), Nothing())
    try:
        async with asyncio.timeout(20), heard(reach, drop) as told:
            samples: list[Sample] = []
            while len(samples) < 3:
                one = await told.get()
                assert isinstance(one, Sample) or (isinstance(one, Silent) and not samples), one
                samples += [one] if isinstance(one, Sample) else []
            if reach.kind != "local":
                assert told.empty()
                await reach.cut()
                one = await asyncio.wait_for(told.get(), 5)
                while isinstance(one, Sample):  # that was under way
                    one = await asyncio.wait_for(told.get(), 5)
                assert isinstance(one, Silent)
                assert one.lost
                assert one.reason
    finally:
        with contextlib.suppress(Exception):
            await (await reach.open()).run(Command(f"rm -r {quoted}"), Nothing())
    assert all(one.values["room_temp"] == 21.5 for one in samples)
    assert samples[-1].metrics["room_temp"].units == "C"
    last = samples[-1].values
    assert {"load_one", "mem_total", "cpu_num", "cpu_user", "cpu_idle", "uptime"} <= last.keys()
    assert 0 <= float(last["cpu_idle"]) <= 100
    assert last["os_name"] == "Linux"


@pytest.mark.parametrize("kind", [k for k in REAL if "ssh" not in k] + ["asyncssh"], indirect=True)
async def test_processes_are_listed(reach: Reach) -> None:
    session = await reach.open()
    sleeper = asyncio.create_task(session.run(Command("sleep 4711; echo done"), Nothing()))
    found: list[Process] = []
    async with asyncio.timeout(20):
        while not found:
            listed = await processes(session, reach.node.name)
            found = [one for one in listed if one.command.startswith("sleep 4711")]
    sleeper.cancel()
    await asyncio.wait({sleeper})
    (one,) = found
    assert one.node == reach.node.name
    assert one.cpu < 50
    assert one.rss > 0
