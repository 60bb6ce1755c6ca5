from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ConfigError
from clsh.monitor.ganglia.content import Limits
from clsh.monitor.ganglia.poll import Poller
from clsh.monitor.model import Health, News, Sample, Silent
from clsh.monitor.settings import SourceSettings
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import gmetad, gmond
from tests.support.ganglia import recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clsh.monitor.source import Source

GMOND = b'<GANGLIA_XML><CLUSTER NAME="c">%s</CLUSTER></GANGLIA_XML>'
UP = GMOND % b'<HOST NAME="h1"><METRIC NAME="m" VAL="1" TYPE="float"/></HOST>'


def context(*addresses: str, interval_s: float = 0.1) -> SourceContext:
    settings = SourceSettings("web", "gmond", addresses, interval_s)
    return SourceContext(SystemClock(), interval_s, "grid", settings=settings)


class Peer:
    """A server that says `says`; b"" hangs, None hangs up at once."""

    def __init__(self, says: bytes | None) -> None:
        self.says = says
        self.asked = 0
        self.address = ""

    async def answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        try:
            if self.says == b"":
                await asyncio.sleep(5)
            writer.write(self.says or b"")
            await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def peer(says: bytes | None) -> AsyncIterator[Peer]:
    made = Peer(says)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(made.answer(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    made.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Ear:
    """Collects news."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.came = asyncio.Event()

    def __call__(self, news: News) -> None:
        self.news.append(news)
        self.came.set()

    @property
    def health(self) -> list[Health]:
        return [one for one in self.news if isinstance(one, Health)]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.came.clear()
                await self.came.wait()


async def while_running(source: Source, do: Callable[[Ear], Awaitable[None]]) -> Ear:
    ear = Ear()
    task = asyncio.create_task(source.run(ear))
    try:
        await do(ear)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return ear


async def polled(source: Source, count: int = 1) -> Ear:
    return await while_running(source, lambda ear: ear.until(lambda: len(ear.health) >= count))


async def test_a_gmond_is_heard_again_and_again() -> None:
    async with peer(recorded("gmond-8649-multicast.xml")) as one:
        source = gmond.build(context(one.address))
        source.hurry(set())
        ear = await polled(source, 2)
    names = [news.node for news in ear.news if isinstance(news, Sample)]
    assert len(names) == 12
    assert set(names) == {"node1", "node2", "node3", "node4", "head", "ghost1"}
    assert one.asked == 2
    assert all(health.source == "web" for health in ear.health)


async def test_a_packed_answer() -> None:
    async with peer(gzip.compress(UP)) as one:
        ear = await polled(gmond.build(context(one.address)))
    assert [news.values for news in ear.news if isinstance(news, Sample)] == [{"m": 1.0}]
    assert ear.health[0].ok


async def test_a_packed_bomb_is_refused() -> None:
    bomb = gzip.compress(b"<GANGLIA_XML>" + b" " * (30 << 20))
    async with peer(bomb) as one:
        ear = await polled(gmond.build(context(one.address)))
    assert "KB without an element" in ear.health[0].reason


async def test_broken_packing() -> None:
    async with peer(gzip.compress(UP)[:10] + b"\xff" * 50) as one:
        ear = await polled(gmond.build(context(one.address)))
    assert not ear.health[0].ok
    assert "Error -3" in ear.health[0].reason


async def test_the_address_that_answered_is_kept() -> None:
    async with peer(None) as first, peer(UP) as second, peer(UP) as third:
        source = gmond.build(context(first.address, second.address, third.address))

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: second.asked == 2)
            assert (first.asked, third.asked) == (1, 0)
            second.says = b"<html/>"
            await ear.until(lambda: third.asked == 2)

        ear = await while_running(source, scene)
        assert first.asked == 1
    assert ear.health[0].ok
    assert f"{first.address}: the answer is nothing" in ear.health[0].reason
    assert ear.health[1].reason == ""
    assert all(health.ok for health in ear.health)


async def test_when_nobody_answers_its_nodes_are_silent() -> None:
    async with peer(UP) as one, peer(b"") as hung:
        limits = Limits(hosts=2)
        source = Poller(context(one.address, hung.address, "127.0.0.1:1"), 8649, limits)

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: ear.health)
            one.says = GMOND % b"<HOST/><HOST/><HOST/>"
            await ear.until(lambda: len(ear.health) == 2)

        ear = await while_running(source, scene)
    _, failed = ear.health
    assert not failed.ok
    assert f"{one.address}: more than 2 hosts" in failed.reason
    assert f"{hung.address}: no whole answer in 1 s" in failed.reason
    assert "127.0.0.1:1: " in failed.reason
    (silent,) = (news for news in ear.news if isinstance(news, Silent))
    assert (silent.cluster, silent.node, silent.lost) == ("c", "h1", False)
    assert silent.reason.startswith("source web: ")


async def test_what_is_broken_is_told_and_the_rest_goes_on() -> None:
    inside = b'<HOST NAME="-bad"/><HOST NAME="h1"><METRIC NAME="m" TYPE="string" VAL="a<b"/></HOST>'
    async with peer(GMOND % inside) as one:
        ear = await polled(gmetad.build(context(one.address)))
    assert [news.values for news in ear.news if isinstance(news, Sample)] == [{"m": "a<b"}]
    assert not ear.health[0].ok
    assert "METRIC 'm' has unescaped characters" in ear.health[0].reason
    assert "bad name '-bad'" in ear.health[0].reason


async def test_the_usual_ports() -> None:
    settings = context("127.0.0.250", "[::1]:7", interval_s=0.1)

    async def asked(source: Source) -> str:
        return (await polled(source)).health[0].reason

    assert "127.0.0.250:8649" in await asked(gmond.build(settings))
    reason = await asked(gmetad.build(settings))
    assert "127.0.0.250:8651" in reason
    assert "::1:7" in reason


@pytest.mark.parametrize("addresses", [(), ("-x",), ("a:b:c",), ("h:99999",)])
def test_bad_addresses(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        gmond.build(context(*addresses))


def test_no_settings() -> None:
    with pytest.raises(ConfigError):
        gmetad.build(SourceContext(SystemClock(), 1.0, "grid"))
