"""One store of each kind, empty, with a way to let what was written be seen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from clsh.base import plugins
from clsh.monitor.model import Line, Series
from tests.support.clocks import Stopped
from tests.support.stores import Victoria, context, victoria

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from clsh.monitor.model import Tick
    from clsh.monitor.store import Store

HOUR = 3600
# A VictoriaMetrics refuses what is far from its own clock.
START = (int(time.time()) // (10 * 24 * HOUR) - 1) * 10 * 24 * HOUR


@dataclass
class Kept:
    """A store of one kind."""

    kind: str
    store: Store
    settle: Callable[[], None]
    build: Callable[[], Store]

    def append(self, *ticks: Tick) -> None:
        for one in ticks:
            self.store.append(one)

    def lines(
        self, series: Sequence[Series], start: float, end: float, points: int = 1000
    ) -> list[Line]:
        self.settle()
        return self.store.range(series, start, end, points)

    def reopen(self) -> None:
        self.settle()
        self.store.close()
        self.store = self.build()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with victoria(tmp_path_factory.mktemp("victoria")) as running:
        yield running


@pytest.fixture(params=["sqlite", "memory", "victoriametrics"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    kind = str(request.param)
    url, settle = "", _nothing
    if kind == "victoriametrics":
        running: Victoria = request.getfixturevalue("server")
        running.empty()
        url, settle = running.url, running.settle

    def build() -> Store:
        find = plugins.find("clsh.monitor.stores", kind)
        made: Store = find(context(tmp_path / "store", url=url, clock=Stopped(START + 15 * HOUR)))
        return made

    kept = Kept(kind, build(), settle, build)
    yield kept
    kept.store.close()


def _nothing() -> None:
    pass
