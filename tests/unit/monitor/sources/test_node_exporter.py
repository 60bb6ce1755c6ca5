"""A server that answers as it is told to; Debian's real exporter is in tests/integration."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ConfigError
from clsh.monitor.model import Sample, Silent
from clsh.monitor.settings import SourceSettings
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import node_exporter
from tests.support.clocks import Running
from tests.support.proc import DATA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.monitor.model import News
    from clsh.monitor.source import Source

RECORDED = (DATA / "node_exporter.txt").read_bytes()
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class Exporter:
    """Answers `answer`; None: nothing at all."""

    def __init__(self) -> None:
        self.answer: bytes | None = HEAD + RECORDED
        self.requests: list[bytes] = []
        self.port = 0
        self._over = asyncio.Event()
        self._served: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._served.add(asyncio.current_task())
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if self.answer is None:
            await self._over.wait()
        else:
            writer.write(self.answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def end(self) -> None:
        self._over.set()
        await asyncio.gather(*filter(None, self._served), return_exceptions=True)


@contextlib.asynccontextmanager
async def exporting(address: str = "127.0.0.1") -> AsyncIterator[Exporter]:
    exporter = Exporter()
    server = await asyncio.start_server(exporter.serve, address, 0)
    async with server:
        exporter.port = server.sockets[0].getsockname()[1]
        yield exporter
        await exporter.end()


def source_of(*addresses: str, interval_s: float = 0.1) -> Source:
    settings = SourceSettings("web", "node_exporter", addresses, interval_s)
    return node_exporter.build(SourceContext(Running(), 15, "grid", settings=settings))


@contextlib.asynccontextmanager
async def heard(source: Source) -> AsyncIterator[Callable[[int], AsyncIterator[News]]]:
    """Run a source; the queue of what it tells."""
    told: asyncio.Queue[News] = asyncio.Queue()
    task = asyncio.create_task(source.run(told.put_nowait))

    async def take(count: int) -> AsyncIterator[News]:
        for _ in range(count):
            async with asyncio.timeout(10):
                yield await told.get()

    try:
        yield take
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})


async def test_what_is_told_of_a_node() -> None:
    async with exporting() as exporter, heard(source_of(f"127.0.0.1:{exporter.port}")) as take:
        samples = [one async for one in take(6)]
    first = samples[0]
    assert isinstance(first, Sample)
    assert (first.cluster, first.node, first.address) == ("web", "127.0.0.1", "127.0.0.1")
    assert first.values["load_one"] == 1.54
    assert first.tmax_s == 20
    assert "bytes_in" not in first.values
    # Its own moment may come so soon after the first that no rate can be told.
    rates = [one.values.get("bytes_in") for one in samples[1:] if isinstance(one, Sample)]
    assert len(rates) == 5
    assert set(rates[1:]) == {0}
    request = exporter.requests[0].decode()
    assert request.startswith("GET /metrics HTTP/1.0\r\n")
    assert f"\r\nHost: 127.0.0.1:{exporter.port}\r\n" in request


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Away\r\n\r\n", "its answer is HTTP status 503"),
        (b"SSH-2.0-OpenSSH\r\n", "its answer is not HTTP"),
        (b"", "its answer is not HTTP"),
        (HEAD, "node_load1: there is none; is this a node_exporter?"),
        (HEAD + b"node_load1 \xff\n", "is not a number"),
        (HEAD + b"node_load1 1\n" * 20_000, "its answer is longer than 0 MB"),
        (None, "no whole answer in 0.1 s"),
    ],
)
async def test_what_is_wrong_is_said_of_the_node_that_may_be_up(
    answer: bytes | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_exporter, "_MOST_BYTES", 200_000)
    async with exporting() as exporter:
        place = f"127.0.0.1:{exporter.port}"
        exporter.answer = answer
        async with heard(source_of(place)) as take:
            told = [one async for one in take(2)]
            exporter.answer = HEAD + RECORDED
            after = [one async for one in take(3)]
    for one in told:
        assert isinstance(one, Silent)
        assert not one.lost
        assert one.reason.startswith(f"node_exporter at {place}: ")
        assert why in one.reason
    assert isinstance(after[-1], Sample)


async def test_no_rate_is_over_a_gap() -> None:
    async with exporting() as exporter, heard(source_of(f"127.0.0.1:{exporter.port}")) as take:
        _ = [one async for one in take(1)]
        exporter.answer = b"HTTP/1.0 500 No\r\n\r\n"
        _ = [one async for one in take(2)]
        exporter.answer = HEAD + RECORDED
        after = [one async for one in take(3) if isinstance(one, Sample)]
    assert "bytes_in" not in after[0].values


async def test_one_that_hangs_and_one_that_refuses_hold_up_no_other() -> None:
    async with exporting() as exporter, exporting() as hung:
        hung.answer = None
        places = [f"127.0.0.1:{one.port}" for one in (exporter, hung)]
        async with exporting() as closed:
            refused = closed.port
        told: dict[str, list[News]] = {}
        async with heard(source_of(*places, f"127.0.0.1:{refused}")) as take:
            async for one in take(12):
                assert isinstance(one, Sample | Silent)
                told.setdefault(one.node, []).append(one)
    assert set(told) == {*places, f"127.0.0.1:{refused}"}
    assert all(isinstance(one, Sample) for one in told[places[0]])
    assert len(told[places[0]]) >= 2
    (silent, *_) = told[f"127.0.0.1:{refused}"]
    assert isinstance(silent, Silent)
    assert silent.reason.endswith(": Connection refused")


async def test_a_host_that_nobody_knows() -> None:
    async with heard(source_of("nowhere.invalid", interval_s=5)) as take:
        (silent,) = [one async for one in take(1)]
    assert isinstance(silent, Silent)
    assert silent.reason.startswith("node_exporter at nowhere.invalid:9100: ")


async def test_addresses_of_ipv6() -> None:
    async with exporting("::1") as exporter, heard(source_of(f"[::1]:{exporter.port}")) as take:
        (sample,) = [one async for one in take(1)]
    assert isinstance(sample, Sample)
    assert f"\r\nHost: [::1]:{exporter.port}\r\n".encode() in exporter.requests[0]


async def test_who_is_hurried_is_read_each_second() -> None:
    async with exporting() as exporter:
        source = source_of(f"127.0.0.1:{exporter.port}", interval_s=3600)
        async with heard(source) as take:
            _ = [one async for one in take(1)]
            source.hurry({("web", "127.0.0.1")})
            assert len([one async for one in take(1)]) == 1
            source.hurry(set())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (None, "needs addresses"),
        (SourceSettings("web", "node_exporter"), "needs addresses"),
        (SourceSettings("web", "node_exporter", ("host:0x1",)), "source 'web': "),
    ],
)
def test_what_it_must_be_told(settings: SourceSettings | None, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        node_exporter.build(SourceContext(Running(), 15, "grid", settings=settings))
    assert caught.value.hint
