"""Nodes that exist only here, for tests and dry runs; they can be told to fail in every way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.monitor.model import Sample, Silent
from clsh.monitor.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from clsh.monitor.model import News, Value
    from clsh.monitor.source import SourceContext

_USUAL: Mapping[str, Value] = {
    "cpu_num": 4,
    "cpu_idle": 87.5,
    "load_one": 0.5,
    "mem_total": 8e9,
    "mem_available": 6e9,
    "os_name": "Linux",
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with one node; the default is nothing.

    `silent` is why it says nothing, `lost` whether that is certain. It answers `late_s` after
    its moment.
    """

    silent: str = ""
    lost: bool = True
    late_s: float = 0.0


def build(context: SourceContext) -> Memory:
    """Make the source of the nodes of the context."""
    return Memory(context)


class Memory:
    """Tells `values` of each node, by (cluster, node), or what `faults` make of it.

    `broken` is raised by `run` as soon as it is set. All may be changed while it runs.
    """

    def __init__(self, context: SourceContext) -> None:
        self.values: dict[tuple[str, str], Mapping[str, Value]] = {}
        self.faults: dict[tuple[str, str], Faults] = {}
        self.broken: Exception | None = None
        self._context = context
        self._paces: dict[tuple[str, str], Pace] = {
            (cluster, node.name): Pace(cluster, node.name, context.interval_s)
            for cluster, node in context.nodes
        }

    async def run(self, tell: Callable[[News], None]) -> None:
        """Tell of each node at its moments; see Source."""
        nodes = [asyncio.create_task(self._follow(key, tell)) for key in self._paces]
        try:
            await asyncio.gather(*nodes)
        finally:
            for node in nodes:
                node.cancel()
            await asyncio.gather(*nodes, return_exceptions=True)

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """Tell of these every second; see Source."""
        for key, pace in self._paces.items():
            pace.hurry(key in nodes)

    async def _follow(self, key: tuple[str, str], tell: Callable[[News], None]) -> None:
        while True:
            if self.broken is not None:
                raise self.broken
            faults = self.faults.get(key, Faults())
            at = self._context.clock.unix()
            if faults.silent:
                tell(Silent(*key, at, faults.silent, lost=faults.lost))
            else:
                await asyncio.sleep(faults.late_s)
                tell(Sample(*key, at, self.values.get(key, _USUAL)))
            await self._paces[key].wait()
