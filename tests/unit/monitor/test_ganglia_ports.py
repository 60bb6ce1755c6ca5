from __future__ import annotations

import asyncio
import errno
import os
import socket
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clsh.monitor import ganglia_ports
from clsh.monitor.grid import Grid
from clsh.monitor.model import Sample
from clsh.monitor.settings import Settings
from tests.support.ganglia import Hands, grid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def free_ports(host: str = "127.0.0.1") -> tuple[int, int, int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = [socket.create_server((host, 0), family=family) for _ in range(3)]
    first, second, third = (int(one.getsockname()[1]) for one in opened)
    for one in opened:
        one.close()
    return first, second, third


class Ports:
    """The three ports of a grid of 40 nodes in two clusters, and what was told of them."""

    def __init__(self, trusted: tuple[str, ...], listen: str) -> None:
        self.host = listen
        self.gmond, self.gmetad, self.query = free_ports(listen)
        self.clock = Hands()
        self.troubles: list[str] = []
        self.changed = asyncio.Event()
        self.grid = grid([self.sample(f"n{i}", i) for i in range(40)], self.clock)
        self.grid.hear(Sample("web", "w1", self.clock.at, {"load_one": 1.0}))
        self.settings = Settings(
            gmond_port=self.gmond,
            gmetad_port=self.gmetad,
            gmetad_query_port=self.query,
            ganglia_listen=listen,
            trusted_hosts=trusted,
        )

    def sample(self, node: str, load: float) -> Sample:
        return Sample("lab", node, self.clock.at, {"load_one": load})

    def serve(self) -> asyncio.Task[None]:
        return asyncio.create_task(
            ganglia_ports.serve(self.grid, self.settings, self.clock, self.hear)
        )

    def hear(self, trouble: str) -> None:
        self.troubles.append(trouble)
        self.changed.set()

    async def told(self) -> None:
        """Wait for the next word about troubles."""
        async with asyncio.timeout(5):
            await self.changed.wait()
        self.changed.clear()

    async def ask(self, port: int, line: bytes = b"") -> bytes:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(self.host, port)
            try:
                writer.write(line)
                return await reader.read()
            finally:
                writer.close()


@asynccontextmanager
async def serving(
    trusted: tuple[str, ...] = ("127.0.0.1", "::1"), listen: str = "127.0.0.1"
) -> AsyncIterator[Ports]:
    ports = Ports(trusted, listen)
    task = ports.serve()
    try:
        await ports.told()
        yield ports
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def names(data: bytes, tag: str) -> list[str]:
    return [one.attrib["NAME"] for one in ET.fromstring(data).iter(tag)]


async def test_the_three_ports() -> None:
    async with serving() as ports:
        gmond, gmetad = await ports.ask(ports.gmond), await ports.ask(ports.gmetad)
        assert names(gmond, "CLUSTER") == ["lab"]
        assert names(gmetad, "CLUSTER") == ["lab", "web"]
        assert len(names(gmetad, "HOST")) == 41
        assert ET.fromstring(gmetad)[0].attrib["AUTHORITY"] == "http://127.0.0.1:8650/"
        assert await ports.ask(ports.query, b"/\n") == gmetad
        assert names(await ports.ask(ports.query, b"/lab/n7/load_one\r\n"), "HOST") == ["n7"]
        assert names(await ports.ask(ports.query, b"/?filter=summary\n"), "HOST") == []
    assert ports.troubles == [""]


async def test_the_form_of_http() -> None:
    async with serving() as ports:
        for request in (b"GET /web HTTP/1.0\r\n\r\n", b"GET /web HTTP/1.1\r\nHost: x\r\n\r\n"):
            head, _, body = (await ports.ask(ports.query, request)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 200 OK\r\n")
            assert b"Content-Type: application/xml" in head
            assert names(body, "HOST") == ["w1"]


@pytest.mark.parametrize("line", [b"\n", b"junk\n", b"POST / HTTP/1.0\r\n\r\n", b"/" * 5000])
async def test_what_is_not_understood_is_closed(line: bytes) -> None:
    async with serving() as ports:
        try:
            assert await ports.ask(ports.query, line) == b""
        except ConnectionResetError:
            assert len(line) == 5000


async def test_who_is_not_trusted_gets_no_byte() -> None:
    async with serving(trusted=("10.0.0.0/8",)) as ports:
        for port in (ports.gmond, ports.gmetad, ports.query):
            try:
                assert await ports.ask(port, b"/\n") == b""
            except ConnectionResetError:
                continue


async def test_both_families_at_once() -> None:
    async with serving(trusted=("127.0.0.1",), listen="::") as ports:
        ports.host = "127.0.0.1"  # comes as ::ffff:127.0.0.1
        assert names(await ports.ask(ports.gmond), "CLUSTER") == ["lab"]


async def test_a_port_that_is_taken_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ganglia_ports, "RETRY_S", 0.05)
    ports = Ports(("127.0.0.1",), "127.0.0.1")
    ports.settings = Settings(gmond_port=ports.gmond, gmetad_port=ports.gmetad, gmetad_query_port=0)
    with closing(socket.create_server(("127.0.0.1", ports.gmond))):
        task = ports.serve()
        await ports.told()
        busy = f"port {ports.gmond} on 127.0.0.1 is in use by another program"
        assert ports.troubles[0] == busy
        assert await ports.ask(ports.gmetad)
    while ports.troubles[-1]:
        await ports.told()
    assert await ports.ask(ports.gmond)
    ports.settings = Settings(gmond_port=ports.gmond, gmetad_port=0, gmetad_query_port=0)
    log = asyncio.create_task(ganglia_ports.serve(ports.grid, ports.settings, ports.clock))
    await asyncio.sleep(0.05)
    for one in (task, log):
        one.cancel()
    await asyncio.gather(task, log, return_exceptions=True)
    assert f"cannot answer as Ganglia: port {ports.gmond}" in caplog.text


async def test_an_address_that_is_not_ours_is_told() -> None:
    ports = Ports(("127.0.0.1",), "127.0.0.1")
    ports.settings = replace(ports.settings, ganglia_listen="192.0.2.1")
    task = ports.serve()
    await ports.told()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reason = os.strerror(errno.EADDRNOTAVAIL)
    assert f"port {ports.gmond} on 192.0.2.1 cannot be opened: {reason};" in ports.troubles[0]


async def test_a_document_is_made_once_a_second() -> None:
    async with serving() as ports:
        first = await ports.ask(ports.gmetad)
        ports.grid.hear(ports.sample("new", 1.0))
        assert await ports.ask(ports.gmetad) == first
        ports.clock.at += 1.0
        assert "new" in names(await ports.ask(ports.gmetad), "HOST")


def big(ports: Ports) -> None:
    """Make the document larger than what the kernel holds for a connection."""
    for i in range(1500):
        ports.grid.hear(Sample("lab", f"m{i}", ports.clock.at, {"t": "x" * 4000}))


async def slow(ports: Ports) -> asyncio.StreamWriter:
    """Connect and read nothing."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", ports.gmetad))
    reader, writer = await asyncio.open_connection(sock=opened, limit=1024)
    await reader.read(100)
    return writer


async def test_slow_readers_are_bounded_in_number_memory_and_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ganglia_ports, "READERS", 4)
    monkeypatch.setattr(ganglia_ports, "DOCUMENTS", 2)
    monkeypatch.setattr(ganglia_ports, "READ_WITHIN_S", 2.0)
    made: list[ganglia_ports.Document] = []
    plain = ganglia_ports.Document

    def document(body: bytes, at: float) -> ganglia_ports.Document:
        made.append(plain(body, at))
        return made[-1]

    monkeypatch.setattr(ganglia_ports, "Document", document)
    async with serving() as ports:
        big(ports)
        writers = []
        for _ in range(4):
            writers.append(await slow(ports))
            ports.clock.at += 1.5
        assert len(made) == 2  # though all were old
        with suppress(ConnectionResetError):
            assert await ports.ask(ports.gmetad) == b""  # there are four already
        await asyncio.sleep(2.2)
        assert [one.readers for one in made] == [0, 0]
        assert len(await ports.ask(ports.gmetad)) > 4_000_000
        for writer in writers:
            writer.close()


async def test_who_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ganglia_ports, "ASK_WITHIN_S", 0.1)
    async with serving() as ports:
        assert await ports.ask(ports.query) == b""


async def test_readers_that_go_are_forgotten() -> None:
    async with serving() as ports:
        big(ports)
        gone = await slow(ports)
        gone.transport.abort()
        assert names(await ports.ask(ports.gmetad), "CLUSTER") == ["lab", "web"]


async def test_an_empty_grid() -> None:
    async with serving() as ports:
        ports.grid.clusters.clear()
        assert names(await ports.ask(ports.gmond), "CLUSTER") == []
        assert isinstance(ports.grid, Grid)
