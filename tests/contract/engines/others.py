"""Benches of the engines that are not `remote`: Slurm's over commands that act as it does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from clsh.jobs.engines.memory import MemoryEngine
from tests.contract.engines.conftest import Bench
from tests.support.fake_slurm import ME, FakeSlurm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clsh.jobs.engine import Launch, Report


class OtherBench(Bench):
    """A bench whose engine may tell of starts, too; `past` lets time pass."""

    async def again(self) -> None:
        await super().again()
        await asyncio.sleep(0)  # now it listens

    async def ended(self, launch: Launch) -> Report:
        while True:
            report = await super().ended(launch)
            if report.phase != "running":
                return report
            self.told.remove(report)

    def past(self, launch: Launch) -> None:
        """Let the time pass after which what is outside has forgotten, too."""


class SlurmBench(OtherBench):
    """It has the fake Slurm."""

    fake: FakeSlurm

    def past(self, launch: Launch) -> None:
        for file in self.fake.at.glob("job.*"):
            if file.read_text().rstrip().endswith(f"|{launch.id}"):
                file.unlink()


@contextlib.asynccontextmanager
async def slurm_bench(folder: Path) -> AsyncIterator[OtherBench]:
    fake = FakeSlurm(folder / "fake")
    fake.lives()
    bench = SlurmBench("slurm", fake.engine, folder, owner=ME, nodes=())
    bench.fake = fake
    try:
        yield bench
    finally:
        await asyncio.to_thread(fake.end_all)


@contextlib.asynccontextmanager
async def memory_bench(folder: Path) -> AsyncIterator[OtherBench]:
    engine = MemoryEngine(nodes=["node1"])
    bench = OtherBench("memory", lambda: engine, folder, nodes=("node1",))

    async def mend() -> None:
        engine.come_back("node1")

    bench.cut, bench.mend = lambda: engine.fall("node1"), mend
    yield bench
