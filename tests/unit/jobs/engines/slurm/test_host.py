"""Where Slurm's commands run: a host that has none, is away, or logs in as the wrong user."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.clock import SystemClock
from clsh.base.errors import ConfigError, DeadlineError, NodeError, UnreachableError
from clsh.jobs.engine import EngineContext
from clsh.jobs.engines import slurm
from clsh.jobs.engines._slurm import host
from clsh.nodes.model import Node, node_name
from clsh.remote.transports.memory import Faults, Memory
from tests.support import slurm as support
from tests.support.fake_slurm import ID, ME, launch

if TYPE_CHECKING:
    from tests.support.fake_slurm import FakeSlurm


@pytest.mark.parametrize(
    ("owner", "words"), [("nosuchuser", "there is no user"), ("-x", "'-x' is no user")]
)
async def test_a_user_that_is_none(fake: FakeSlurm, owner: str, words: str) -> None:
    one = support.launch(ID, "true", owner=owner)
    report = await fake.engine().start(one)
    assert report.phase == "refused"
    assert words in report.reason
    (asked,) = await fake.engine().ask([one])
    assert asked.phase == "unknown"


async def test_a_login_that_cannot_submit_for_others(fake: FakeSlurm) -> None:
    (fake.at / "bin/id").write_text("#!/bin/sh\necho carol\n")
    (fake.at / "bin/id").chmod(0o755)
    report = await fake.engine().start(launch())
    assert report.phase == "refused"
    assert f"carol cannot submit the jobs of {ME}: let the engine log in as root" in report.reason


async def test_no_slurm_on_the_submit_host(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_FACTS", f"PATH=/nowhere\n{host._FACTS}")
    with pytest.raises(NodeError, match="there is no sbatch"):
        await fake.engine().start(launch())


async def test_a_fault_of_ours_is_raised_where_it_is_waited_for(
    fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("a fault")

    monkeypatch.setattr(slurm, "script", broken)
    with pytest.raises(ValueError, match="a fault"):
        await fake.engine().start(launch())


def in_memory(transport: Memory) -> slurm.Slurm:
    node = Node(node_name("head"), "head")
    return slurm.Slurm(EngineContext(SystemClock(), [node], transport, "", {"host": "head"}))


async def test_a_host_that_cannot_be_reached() -> None:
    engine = in_memory(Memory(faults={"head": Faults(refuse="no route")}))
    with pytest.raises(UnreachableError):
        await engine.start(launch())
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "no route")


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: object) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(slurm, "_ASK_S", 0.05)
    engine = in_memory(Memory(default=silent))
    (report,) = await engine.ask([launch()])
    assert (report.phase, report.reason) == ("unknown", "head gave no answer for 0.05 s")
    with pytest.raises(DeadlineError, match=r"no answer for 0.05 s"):
        await engine._host.run("x", 0.05)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs a submit host"),
        ({"host": 5}, "needs a submit host"),
        ({"host": "-x"}, "bad submit host"),
        ({"host": "a,b"}, "bad submit host"),
    ],
)
def test_a_submit_host_that_is_none(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        slurm.build(EngineContext(SystemClock(), (), Memory(), "", settings))


def test_there_is_no_way() -> None:
    with pytest.raises(ConfigError, match="needs a way"):
        slurm.build(EngineContext(SystemClock(), settings={"host": "local://"}))
