"""What the settings are put together from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh import assembly
from clsh.access import pam
from clsh.assembly import transport
from clsh.base.clock import SystemClock
from clsh.base.config import Config, load
from clsh.base.errors import ConfigError, UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.sudo import SudoError
from clsh.remote.transport import Command, Exit, Stream, TransportOptions
from tests.support.jobs import ALICE, ended, run, running

if TYPE_CHECKING:
    from pathlib import Path

    from clsh.jobs.service import Jobs

NODE = Node(node_name("n1"), "n1", transport="memory")
LOCAL = Node(node_name("local"), "localhost", transport="local")


class Kept:
    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self.data += data


async def test_each_node_is_reached_by_its_own_transport() -> None:
    way = transport(TransportOptions())
    for node, expected in ((NODE, b"echo hi\n"), (LOCAL, b"hi\n")):
        kept = Kept()
        session = await way.open(node, 5)
        assert await session.run(Command("echo hi"), kept) == Exit(0)
        assert kept.data == expected
        await session.aclose()
    assert await way.open(NODE, 5) is not await way.open(NODE, 5)
    await way.aclose()


async def test_sessions_are_kept_on_request() -> None:
    way = transport(TransportOptions(), keep=True)
    assert await way.open(NODE, 5) is await way.open(NODE, 5)
    await way.aclose()


async def test_one_transport_for_all() -> None:
    way = transport(TransportOptions(), forced="memory")
    session = await way.open(Node(node_name("nowhere"), "nowhere.invalid"), 5)
    assert await session.run(Command("true"), Kept()) == Exit(0)
    await way.aclose()


async def test_tries_and_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def refuse(self: object, node: Node, deadline_s: float) -> None:
        nonlocal tries
        tries += 1
        raise UnreachableError(node.name, "connection refused")

    way = transport(TransportOptions(), sudo="root", sudo_password="secret")
    session = await way.open(NODE, 5)
    with pytest.raises(SudoError):
        await session.run(Command("true"), Kept())
    await way.aclose()
    monkeypatch.setattr("clsh.remote.transports.memory.Memory.open", refuse)
    monkeypatch.setattr("clsh.remote.retrying._LONGEST_PAUSE_S", 0.0)
    way = transport(TransportOptions(), retries=2)
    with pytest.raises(UnreachableError):
        await way.open(NODE, 5)
    assert tries == 3
    await way.aclose()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", (4.0, 2, "strict")),
        ("keepalive = 2", (2.0, 3, "strict")),
        ("keepalive_count = 5", (2.0, 5, "strict")),
        ('host_keys = "off"', (4.0, 2, "off")),
    ],
)
def test_how_nodes_are_watched(
    said: str,
    expected: tuple[float, int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[TransportOptions] = []
    monkeypatch.setattr(assembly, "transport", lambda options, **_: asked.append(options))
    (tmp_path / "clsh.toml").write_text(f"[shell]\n{said}\n")
    assembly.watching(load({"CLSH_CONFIG": str(tmp_path / "clsh.toml"), "HOME": str(tmp_path)}))
    (options,) = asked
    assert (options.keepalive_s, options.keepalive_count, options.host_keys) == expected


def test_the_jobs_of_an_inventory(tmp_path: Path) -> None:
    (tmp_path / "clsh.toml").write_text(
        '[jobs]\nengine = "memory"\n[jobs.slots]\nn1 = 3\n[nodes.n1]\naddress = "n1"\n'
    )
    config = load({"CLSH_CONFIG": str(tmp_path / "clsh.toml"), "HOME": str(tmp_path)})
    way = transport(TransportOptions(), forced="memory")
    made = assembly.jobs(config, tmp_path, SystemClock(), way, dict)
    asyncio.run(runs_a_job(made))


async def runs_a_job(made: Jobs) -> None:
    async with running(made) as jobs:
        (one,) = await jobs.submit(ALICE, [run(nodes=("n1",))])
        _, (task,) = await ended(jobs, one, "done")
    assert task.why == "n1: no load figures, 0 of 3 cores taken, the lowest of 1"


@pytest.mark.parametrize(
    ("pam_is", "missing", "ways"),
    [
        ("off", False, "local users"),
        ("auto", True, "local users"),
        ("auto", False, "PAM, local users"),
        ("on", False, "PAM, local users"),
    ],
)
def test_who_checks_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pam_is: str, missing: bool, ways: str
) -> None:
    why = ConfigError("PAM is missing") if missing else None
    monkeypatch.setattr(pam, "why_not", lambda _: why)
    config = Config(tmp_path / "clsh.toml", tables={"access": {"pam": pam_is}})
    access = assembly.access(config, tmp_path, SystemClock(), "boss")
    assert (access.owner, access.logins.ways) == ("boss", ways)


def test_without_pam_where_it_must_be_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pam, "why_not", lambda _: ConfigError("PAM is missing"))
    config = Config(tmp_path / "clsh.toml", tables={"access": {"pam": "on"}})
    with pytest.raises(ConfigError, match="PAM is missing"):
        assembly.access(config, tmp_path, SystemClock(), "boss")
