"""What clsh.monitor.source promises, of every source that hears nodes by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.model import Sample, Silent
from clsh.monitor.settings import SourceSettings
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import gmetad, gmond, memory, node_exporter, procfs
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory
from tests.contract.conftest import descriptors
from tests.support.clocks import Running
from tests.support.proc import DATA, Played

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from clsh.monitor.model import News
    from clsh.monitor.source import Source

INTERVAL_S = 0.2
EXPORTED = b"HTTP/1.0 200 OK\r\n\r\n" + (DATA / "node_exporter.txt").read_bytes()
METRIC = b'<METRIC NAME="load_one" VAL="1" TYPE="float"/>'
HOSTS = b'<HOST NAME="n1">%s</HOST><HOST NAME="n2">%s</HOST>' % (METRIC, METRIC)
CLUSTER = b'<CLUSTER NAME="c">%s</CLUSTER>' % HOSTS
GMOND = b"<GANGLIA_XML>%s</GANGLIA_XML>" % CLUSTER
GMETAD = b'<GANGLIA_XML><GRID NAME="g">%s</GRID></GANGLIA_XML>' % CLUSTER


class Heard:
    """A source that can hear its nodes, and a way to make all of them silent."""

    def __init__(self, source: Source, silence: Callable[[], Awaitable[None]]) -> None:
        self.source = source
        self.silence = silence
        self.told: list[News] = []
        self.came = asyncio.Event()

    def tell(self, news: News) -> None:
        self.told.append(news)
        self.came.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        before = asyncio.all_tasks(), descriptors()
        task = asyncio.create_task(self.source.run(self.tell))
        yield
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0.05)  # a server lets go of its end
        assert asyncio.all_tasks() <= before[0]
        assert descriptors() <= before[1]

    async def until(self, kind: type[News], count: int) -> None:
        async with asyncio.timeout(15):
            while sum(isinstance(one, kind) for one in self.told) < count:
                self.came.clear()
                await self.came.wait()


async def server(says: bytes) -> tuple[str, Callable[[], Awaitable[None]]]:
    """Answer every connection; return where, and what ends it."""

    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writer.close()

    made = await asyncio.start_server(answer, "127.0.0.1", 0)

    async def end() -> None:
        made.close()
        await asyncio.sleep(0)

    return f"127.0.0.1:{made.sockets[0].getsockname()[1]}", end


@pytest.fixture(params=["memory", "procfs", "node_exporter", "gmond", "gmetad"])
async def heard(request: pytest.FixtureRequest) -> AsyncIterator[Heard]:
    kind: str = request.param
    nodes = [("c", Node(node_name(name), name)) for name in ("n1", "n2")]
    clock = Running()
    if kind == "memory":
        source = memory.build(SourceContext(clock, INTERVAL_S, "grid", nodes))

        async def silence() -> None:
            for cluster, node in nodes:
                source.faults[cluster, node.name] = memory.Faults(silent="gone")

        yield Heard(source, silence)
    elif kind == "procfs":
        transport = Memory({"n1": Played(), "n2": Played()})

        async def lose() -> None:
            for _, node in nodes:
                transport.faults[node.name] = Faults(refuse="gone")
            for session in list(transport.sessions):
                session.lose()

        yield Heard(procfs.build(SourceContext(clock, INTERVAL_S, "grid", nodes, transport)), lose)
    else:
        module = {"node_exporter": node_exporter, "gmond": gmond, "gmetad": gmetad}[kind]
        place, end = await server(
            {"node_exporter": EXPORTED, "gmond": GMOND, "gmetad": GMETAD}[kind]
        )
        settings = SourceSettings("web", kind, (place,), INTERVAL_S)
        context = SourceContext(clock, INTERVAL_S, "grid", settings=settings)
        yield Heard(module.build(context), end)
        await end()


async def test_of_each_node_there_is_one_word_in_each_interval(heard: Heard) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with heard.running():
        await heard.until(Sample, 4)
    passed = (loop.time() - began) / INTERVAL_S
    words = Counter(
        (one.cluster, one.node) for one in heard.told if isinstance(one, Sample | Silent)
    )
    assert all(1 <= count <= passed + 2 for count in words.values())


async def test_nodes_that_fall_silent_are_told_again_and_again(heard: Heard) -> None:
    async with heard.running():
        await heard.until(Sample, 2)
        known = {(one.cluster, one.node) for one in heard.told if isinstance(one, Sample)}
        await heard.silence()
        await heard.until(Silent, 2 * len(known))
    silent = [one for one in heard.told if isinstance(one, Silent)]
    assert {(one.cluster, one.node) for one in silent} <= known
    assert all(one.reason for one in silent)


async def test_it_can_be_hurried_cancelled_at_any_moment_and_run_again(heard: Heard) -> None:
    for delay_s in (0, 0.001, 0.02):
        async with heard.running():
            heard.source.hurry({("c", "n1"), ("c", "nobody")})
            await asyncio.sleep(delay_s)
            heard.source.hurry(set())
    async with heard.running():
        await heard.until(Sample, 1)
