"""What the engine in memory promises as all do, in words that it knows; Slurm's beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import NodeError
from clsh.jobs.engines import slurm
from clsh.jobs.engines.memory import MemoryEngine
from tests.contract.engines.conftest import all_of
from tests.contract.engines.others import memory_bench, slurm_bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.contract.engines.others import OtherBench

MAKERS = {"memory": memory_bench, "slurm": slurm_bench}


@pytest.fixture(params=MAKERS)
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OtherBench]:
    monkeypatch.setattr(slurm, "POLL_S", 0.05)
    async with MAKERS[str(request.param)](tmp_path) as made:
        made.run()
        yield made
        await made.stop()


async def test_it_runs_and_its_end_is_told_and_kept(bench: OtherBench) -> None:
    one = bench.launch("true")
    assert (await bench.ask(one)).phase == "absent"
    assert (await bench.engine.start(one)).phase in {"running", "ended"}
    assert (await bench.ended(one)).status == 0
    await bench.again()
    asked = await bench.ask(one)
    assert (asked.phase, asked.status) == ("ended", 0)
    assert (await bench.engine.start(one)).phase == "ended"


async def test_many_starts_are_one(bench: OtherBench) -> None:
    one = bench.launch("sleep", "600")
    reports = await all_of(*(bench.engine.start(one) for _ in range(20)))
    assert {report.phase for report in reports} == {"running"}
    if isinstance(bench.engine, MemoryEngine):
        assert bench.engine.started[one.id] == 1
    await bench.again()
    assert (await bench.ask(one)).phase == "running"
    await bench.engine.cancel(one)
    await bench.engine.cancel(one)
    told = await bench.ended(one)
    assert (told.phase, told.status, told.signal) == ("ended", None, "TERM")


async def test_a_cancel_comes_first(bench: OtherBench) -> None:
    one = bench.launch("true")
    await bench.engine.cancel(one)
    assert (await bench.ended(one)).signal == "TERM"
    assert (await bench.engine.start(one)).phase == "ended"
    assert (await bench.ask(one)).signal == "TERM"


async def test_starts_that_are_cut_off_are_told_by_asking(bench: OtherBench) -> None:
    many = [bench.launch("sleep", "600") for _ in range(5)]
    starts = [asyncio.create_task(bench.engine.start(one)) for one in many]
    await asyncio.sleep(0)
    for start in starts:
        start.cancel()
    await asyncio.wait(starts)
    for one in many:
        if (await bench.ask(one)).phase != "running":
            await bench.engine.start(one)
        await bench.engine.cancel(one)
        assert (await bench.until(one, "ended")).signal == "TERM"


async def test_what_has_ended_is_forgotten_and_what_lives_is_not(bench: OtherBench) -> None:
    over, lives, never = (bench.launch(*argv) for argv in (["true"], ["sleep", "600"], ["true"]))
    await all_of(bench.engine.start(over), bench.engine.start(lives))
    await bench.ended(over)
    for _ in range(2):
        await bench.engine.forget([over, lives, never])
        bench.past(over)
        asked = await bench.engine.ask([over, lives, never])
        assert [report.phase for report in asked] == ["absent", "running", "absent"]
    await bench.engine.cancel(lives)
    await bench.ended(lives)


async def test_a_node_that_is_away_is_unknown_and_hinders_a_start(bench: OtherBench) -> None:
    one = bench.launch("sleep", "600")
    if bench.cut is None or bench.mend is None:
        assert bench.kind == "slurm"
        return
    await bench.engine.start(one)
    bench.cut()
    assert (await bench.ask(one)).phase == "unknown"
    for act in (bench.engine.start, bench.engine.cancel):
        with pytest.raises(NodeError):
            await act(one)
    await bench.mend()
    assert (await bench.ask(one)).phase == "running"
