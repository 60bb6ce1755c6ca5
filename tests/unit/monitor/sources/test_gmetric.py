from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ConfigError
from clsh.monitor.ganglia import xdr
from clsh.monitor.ganglia.xdr import Metadata, Request, Told
from clsh.monitor.model import Sample
from clsh.monitor.source import SourceContext
from clsh.monitor.sources import gmetric
from clsh.nodes.model import Node, NodeName
from tests.unit.monitor.sources.test_gmond import Ear, while_running

TEMP = Metadata("n1", "temp", "float", "C")
VALUE = Told("n1", "temp", "string", "7.5")


def free_port(host: str = "127.0.0.1") -> int:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
        return port


def context(
    port: int, *nodes: tuple[str, str], trusted: tuple[str, ...] = ("127.0.0.0/8",)
) -> SourceContext:
    ours = [("lab", Node(NodeName(name), host)) for name, host in nodes]
    return SourceContext(
        SystemClock(), 0.05, "grid", ours, listen=("127.0.0.1", port), trusted=trusted
    )


def sender(address: str, port: int = 0) -> socket.socket:
    made = socket.socket(type=socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((address, port))
    return made


def samples(ear: Ear) -> list[Sample]:
    return [one for one in ear.news if isinstance(one, Sample)]


async def test_packets_become_samples_of_the_node_at_that_address() -> None:
    port = free_port()
    with closing(sender("127.0.0.2")) as near, closing(sender("127.0.0.3", port)) as far:

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: ear.health)
            near.sendto(b"\0junk", ("127.0.0.1", port))
            for packet in (TEMP, VALUE):
                near.sendto(xdr.encode(packet), ("127.0.0.1", port))
            await ear.until(lambda: samples(ear))
            far.sendto(xdr.encode(VALUE), ("127.0.0.1", port))
            await ear.until(lambda: len(samples(ear)) > 1)

        source = gmetric.build(context(port, ("n1", "127.0.0.2")))
        source.hurry(set())
        ear = await while_running(source, scene)
        assert xdr.decode(far.recv(2000)) == Request("n1", "temp")
    first, second = samples(ear)[:2]
    assert (first.cluster, first.node, first.values) == ("lab", "n1", {"temp": 7.5})
    assert (second.cluster, second.node, second.values) == ("lab", "n1", {})  # by its name
    assert ear.health[0].ok


async def test_who_is_not_trusted_is_not_heard() -> None:
    port = free_port()
    with closing(sender("127.0.0.2")) as stranger, closing(sender("127.0.0.3")) as friend:

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: ear.health)
            for one in (stranger, friend):
                one.sendto(xdr.encode(VALUE), ("127.0.0.1", port))
            await ear.until(lambda: samples(ear))

        source = gmetric.build(context(port, trusted=("127.0.0.3",)))
        ear = await while_running(source, scene)
    assert {one.address for one in samples(ear)} == {"127.0.0.3"}


async def test_what_is_refused_is_told() -> None:
    port = free_port()
    bad = Told("x:-bad", "m", "string", "1", spoof=True)
    with closing(sender("127.0.0.2")) as one:

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: ear.health)
            one.sendto(xdr.encode(bad), ("127.0.0.1", port))
            await ear.until(lambda: not ear.health[-1].ok)
            await ear.until(lambda: ear.health[-1].ok)

        ear = await while_running(gmetric.build(context(port)), scene)
    assert any("127.0.0.2: a host with the bad name '-bad'" in one.reason for one in ear.health)


async def test_a_port_that_is_taken_is_tried_again() -> None:
    port = free_port()

    async def scene(ear: Ear) -> None:
        await ear.until(lambda: len(ear.health) == 2)
        assert f"UDP 127.0.0.1:{port}: " in ear.health[0].reason
        taken.close()
        await ear.until(lambda: ear.health[-1].ok)

    with closing(sender("127.0.0.1", port)) as taken:
        await while_running(gmetric.build(context(port)), scene)


async def test_nodes_known_by_a_name_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    async def look_up(host: str, *_: object) -> list[tuple[object, ...]]:
        if host != "db.example":
            raise socket.gaierror("no such name")
        return [(socket.AF_INET6, 0, 0, "", ("::ffff:127.0.0.2", 0, 0, 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    with closing(sender("127.0.0.2")) as one:

        async def scene(ear: Ear) -> None:
            await ear.until(lambda: ear.health)
            one.sendto(xdr.encode(VALUE), ("127.0.0.1", port))
            await ear.until(lambda: samples(ear))

        source = gmetric.build(context(port, ("gone", "gone.example"), ("db", "db.example")))
        ear = await while_running(source, scene)
    assert samples(ear)[0].node == "db"


@pytest.mark.parametrize(
    ("address", "name", "found"),
    [
        ("10.0.0.1", "whatever", "a"),
        ("10.0.0.2", "c", "c"),
        ("10.0.0.2", "b.example.org", "b"),
        ("10.0.0.2", "a", None),
        ("10.0.0.9", "b", "b"),
        ("10.0.0.9", "x", None),
    ],
)
def test_whose_a_packet_is(address: str, name: str, found: str | None) -> None:
    nodes = gmetric._Nodes(context(1, ("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.2")))
    assert nodes.find(address, name) == (("lab", found) if found else None)


def test_it_needs_an_address() -> None:
    with pytest.raises(ConfigError):
        gmetric.build(SourceContext(SystemClock(), 1.0, "grid"))
