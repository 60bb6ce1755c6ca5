"""Nodes of a real OpenSSH sshd behind links that are slow, silent, cut: none disturbs another."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Sample, Silent
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import procfs
from clsh.remote.transports import asyncssh
from tests.support.clocks import Running
from tests.support.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.monitor.model import News
    from tests.support.sshd import Sshd

LOST_S = 15.0  # a silent link too is told within this
NAMES = ("fine", "slow", "silent", "cut")


class Lab:
    """Four nodes, each behind a relay; `told` has when what was said."""

    def __init__(self, relays: dict[str, Relay]) -> None:
        self.relays = relays
        self.told: dict[str, list[tuple[float, Sample | Silent]]] = {name: [] for name in relays}
        self._came = asyncio.Event()

    def tell(self, news: News) -> None:
        assert isinstance(news, Sample | Silent)
        self.told[news.node].append((time.monotonic(), news))
        self._came.set()

    async def until(self, done: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                self._came.clear()
                await self._came.wait()

    def count(self, name: str) -> int:
        return sum(isinstance(one, Sample) for _, one in self.told[name])

    def is_lost(self, name: str) -> bool:
        last = self.told[name][-1][1]
        return isinstance(last, Silent) and last.lost


@contextlib.asynccontextmanager
async def lab(server: Sshd) -> AsyncIterator[Lab]:
    async with contextlib.AsyncExitStack() as stack:
        relays = {name: await stack.enter_async_context(Relay(server.port)) for name in NAMES}
        key = " ".join(server.host_key.with_suffix(".pub").read_text().split()[:2])
        known = server.folder / "known_hosts-collecting"
        known.write_text("".join(f"[127.0.0.1]:{relay.port} {key}\n" for relay in relays.values()))
        transport = asyncssh.build(server.options(known_hosts=str(known)))
        nodes = [("c", server.node(name, port=relay.port)) for name, relay in relays.items()]
        made = Lab(relays)
        source = procfs.build(SourceContext(Running(), 1.0, "grid", nodes, transport))
        task = asyncio.create_task(source.run(made.tell))
        yield made
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})
        await transport.aclose()


@pytest.mark.alone
async def test_no_link_disturbs_another(sshd: Sshd) -> None:
    async with lab(sshd) as made:
        made.relays["slow"].slow(8000)  # 64 kbit/s
        await made.until(lambda: all(made.count(name) >= 2 for name in NAMES), 30)
        begun = time.monotonic()
        made.relays["silent"].stall()
        made.relays["cut"].cut()
        await made.until(lambda: made.is_lost("cut"), 5)
        count = made.count("cut")
        await made.until(lambda: made.count("cut") > count, 20)
        await made.until(lambda: made.is_lost("silent"), 20)
        lost_s = time.monotonic() - begun
        assert lost_s <= LOST_S
        made.relays["silent"].go_on()
        back, count = time.monotonic(), made.count("silent")
        await made.until(lambda: made.count("silent") > count, 30)
        assert time.monotonic() - back <= LOST_S
    for name in ("fine", "slow"):
        times = [at for at, one in made.told[name] if at >= begun and isinstance(one, Sample)]
        assert len(times) >= lost_s / 2
        assert not any(isinstance(one, Silent) and one.lost for _, one in made.told[name])
