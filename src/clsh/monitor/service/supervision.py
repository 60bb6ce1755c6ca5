"""Keep the sources running: one that fails is told and begun anew, the others go on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from clsh.base import plugins
from clsh.monitor.model import Health

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from clsh.monitor.grid import Grid
    from clsh.monitor.model import News
    from clsh.monitor.source import Source, SourceContext

PACKAGE = "clsh.monitor.sources"

_LATER_S = (1.0, 5.0, 30.0)
_STEADY_S = 120.0  # who ran so long begins with the first pause again

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs sources by name; what they tell goes to the grid."""

    def __init__(self, grid: Grid, *, later_s: Sequence[float] = _LATER_S) -> None:
        self._grid = grid
        self._later_s = later_s
        self._running: dict[str, Source] = {}
        self._failed: set[str] = set()
        self._hurried: AbstractSet[tuple[str, str]] = frozenset()

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """Let all sources hear these nodes every second, those that begin later too."""
        self._hurried = nodes
        for source in self._running.values():
            source.hurry(nodes)

    async def keep(self, name: str, kind: str, context: SourceContext) -> None:
        """Run a source until cancelled; its own end counts as a failure."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                await self._run(name, kind, context)
                reason = "it ended by itself"
            except Exception as error:  # noqa: BLE001 - of a plugin, whatever it is
                reason = f"{type(error).__name__}: {error}"
                _log.warning("the source %s failed", name, exc_info=error)
            failures = 0 if loop.time() - began > _STEADY_S else failures
            pause_s = self._later_s[min(failures, len(self._later_s) - 1)]
            failures += 1
            self._failed.add(name)
            words = f"failed, and is begun anew in {pause_s:g} s: {reason}"[:500]
            self._grid.hear(Health(name, context.clock.unix(), ok=False, reason=words))
            await asyncio.sleep(pause_s)

    async def _run(self, name: str, kind: str, context: SourceContext) -> None:
        build = await asyncio.to_thread(plugins.find, PACKAGE, kind)
        source: Source = build(context)

        def tell(news: News) -> None:
            if name in self._failed:
                self._failed.discard(name)
                self._grid.hear(Health(name, context.clock.unix(), ok=True), name)
            self._grid.hear(news, name)

        self._running[name] = source
        try:
            source.hurry(self._hurried)
            await source.run(tell)
        finally:
            del self._running[name]
