"""A run over real processes that is ended at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.remote.fanout import FanOut, Plan
from clsh.remote.transport import Command, Exit, TransportOptions
from clsh.remote.transports import local
from tests.support.watched import Watcher, nodes, now_s

if TYPE_CHECKING:
    from clsh.remote.transport import Session, Sink

pytestmark = pytest.mark.alone


async def test_now_leaves_no_process() -> None:
    """Real ones: 64 shells, each with a child in the background that heeds no TERM."""
    line = "sh -c 'trap : TERM; sleep 1007' & sleep 1007 & echo $!; wait"
    everyone = [replace(node, transport="local") for node in nodes(64)]
    watcher = Watcher()
    fan = FanOut(local.build(TransportOptions()), Plan(connect_timeout_s=30), watcher)

    async def sleeping(session: Session, sink: Sink) -> Exit:
        return await session.run(Command(line), sink)

    doing = asyncio.create_task(fan.run(everyone, sleeping))
    async with asyncio.timeout(30):
        while sum(b"\n" in kept.data for kept in watcher.kept.values()) < 64:  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.02)
    assert await asyncio.to_thread(sleepers) >= 128
    began = now_s()
    fan.stop("now")
    outcomes = await doing
    assert now_s() - began < 0.5
    assert {outcome.state for outcome in outcomes} == {"stopped"}
    while await asyncio.to_thread(sleepers):
        assert now_s() - began < 2
        await asyncio.sleep(0.02)


def sleepers() -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += path.read_bytes() == b"sleep\x001007\x00"
    return found
