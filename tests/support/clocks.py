"""Clocks for tests: one that stands until it is told to go, one that runs and can be set."""

from __future__ import annotations

import time

NOON = 1_800_000_000.0


class Stopped:
    """Time passes when a test says so; `set` moves only what people read."""

    def __init__(self, at: float = NOON) -> None:
        self._unix = at
        self._steady = 1000.0

    def unix(self) -> float:
        return self._unix

    def steady(self) -> float:
        return self._steady

    def go(self, seconds: float) -> None:
        self._unix += seconds
        self._steady += seconds

    def set(self, seconds: float) -> None:
        self._unix += seconds


class Running:
    """The clocks of the machine; `offset` sets what people read."""

    def __init__(self) -> None:
        self.offset = 0.0

    def unix(self) -> float:
        return time.time() + self.offset

    def steady(self) -> float:
        return time.monotonic()
