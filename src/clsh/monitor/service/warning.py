"""Evaluate the rules at each tick, and keep what is firing in a file beside the loop.

The file is read before the first rule is, and written in a thread: a disk that hangs holds
up no tick.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.monitor.alerts import kept
from clsh.monitor.model import Health

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.monitor.alerts import Alert, Alerts
    from clsh.monitor.grid import Grid
    from clsh.monitor.notify import Notifier

HEALTH = "alerts"


class Warner:
    """Hands what begins and ends to the notifier; trouble with the file is told as Health."""

    def __init__(
        self, alerts: Alerts, notifier: Notifier, grid: Grid, file: Path, clock: Clock
    ) -> None:
        self._alerts = alerts
        self._notifier = notifier
        self._grid = grid
        self._file = file
        self._clock = clock
        self._is_restored = False
        self._kept: set[tuple[str, str, str]] = set()
        self._changed = asyncio.Event()

    def evaluate(self) -> None:
        """Judge the grid as it is now."""
        if not self._is_restored:
            return
        self._notifier.put(self._alerts.evaluate(self._grid))
        if _keys(self._alerts.active()) != self._kept:
            self._changed.set()

    async def run(self) -> None:
        """Restore what was firing, then keep it until cancelled."""
        try:
            alerts = await asyncio.to_thread(kept.load, self._file)
        except (OSError, ValueError) as error:
            self._say(f"{self._file} cannot be read, so alerts may be told again: {error}")
        else:
            self._alerts.restore(alerts)
            self._kept = _keys(alerts)
        self._is_restored = True
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._keep()

    async def _keep(self) -> None:
        alerts = self._alerts.active()
        try:
            await asyncio.to_thread(kept.save, self._file, alerts)
        except OSError as error:
            self._say(f"{self._file} cannot be written: {error.strerror or error}")
        else:
            self._kept = _keys(alerts)
            self._say("")

    def _say(self, reason: str) -> None:
        told = self._grid.health.get(HEALTH)
        if reason or (told and not told.ok):
            self._grid.hear(Health(HEALTH, self._clock.unix(), not reason, reason))


def _keys(alerts: Iterable[Alert]) -> set[tuple[str, str, str]]:
    return {(alert.rule, alert.cluster, alert.node) for alert in alerts}
