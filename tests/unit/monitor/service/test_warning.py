from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from clsh.monitor.alerts import Alerts, kept
from clsh.monitor.grid import Grid
from clsh.monitor.model import Sample, Silent
from clsh.monitor.notify import Notifier
from clsh.monitor.service import warning
from clsh.monitor.service.warning import Warner
from clsh.monitor.settings import Rule
from clsh.nodes.model import node_name
from tests.support.clocks import Hasty, hastily

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from clsh.monitor.alerts import Alert, Turn

RULES = (Rule("silent", severity="critical", notify=("ops",)),)


class Told(Notifier):
    """Keeps what it is to tell."""

    def __init__(self) -> None:
        super().__init__({}, "grid", Hasty(), lambda _: None)
        self.turns: list[Turn] = []

    def put(self, turns: Iterable[Turn]) -> None:
        self.turns += turns


class Case:
    """A warner over one node that is lost."""

    def __init__(self, file: Path) -> None:
        clock = Hasty()
        self.file = file
        self.grid = Grid("grid", {"c": [node_name("n1")]}, clock, 15)
        self.alerts = Alerts(RULES, clock)
        self.told = Told()
        self.warner = Warner(self.alerts, self.told, self.grid, file, clock)
        self.grid.hear(Silent("c", "n1", clock.unix(), "gone"))

    def heal(self) -> None:
        self.grid.hear(Sample("c", "n1", 0, {"a": 1.0}))
        for _ in range(2):
            self.warner.evaluate()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.warner.run())
        await asyncio.sleep(1)
        yield
        await asyncio.sleep(1)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})

    @property
    def health(self) -> tuple[bool, str] | None:
        health = self.grid.health.get(warning.HEALTH)
        return (health.ok, health.reason) if health else None


async def load(file: Path) -> list[Alert]:
    return await asyncio.to_thread(kept.load, file)


def test_what_is_firing_is_kept_and_not_told_again(tmp_path: Path) -> None:
    async def main() -> None:
        case = Case(tmp_path / "alerts.json")
        async with case.running():
            case.warner.evaluate()
        assert [turn.firing for turn in case.told.turns] == [True]
        assert await load(case.file) == case.alerts.active()
        again = Case(case.file)
        again.warner.evaluate()  # before it has read what was firing
        async with again.running():
            again.warner.evaluate()
            assert again.told.turns == []
            again.heal()
        assert [turn.firing for turn in again.told.turns] == [False]
        assert await load(case.file) == []
        assert again.health is None

    hastily(main())


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b'{"version": 2}'])
def test_a_damaged_file_is_told_and_no_end(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts.json").write_bytes(content)

    async def main() -> None:
        case = Case(tmp_path / "alerts.json")
        async with case.running():
            assert case.health is not None
            ok, reason = case.health
            assert not ok
            assert str(case.file) in reason
            assert "told again" in reason
            case.warner.evaluate()
        assert len(case.told.turns) == 1
        assert case.health == (True, "")
        assert len(await load(case.file)) == 1

    hastily(main())


def test_a_file_that_cannot_be_written_is_told_until_it_can_be(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "state"
        case = Case(folder / "alerts.json")
        async with case.running():
            case.warner.evaluate()
            await asyncio.sleep(1)
            assert case.health == (
                False, f"{case.file} cannot be written: {os.strerror(2)}",
            )  # fmt: skip
            await asyncio.to_thread(folder.mkdir)
            case.warner.evaluate()
        assert case.health == (True, "")
        assert len(case.told.turns) == 1
        assert len(await load(case.file)) == 1

    hastily(main())
