"""Clocks for tests: one stands until it is told to go, one runs and can be set, one skips."""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
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


class Hasty:
    """The clocks of a loop of `hastily`; `offset` sets what people read."""

    def __init__(self) -> None:
        self.offset = 0.0

    def unix(self) -> float:
        return NOON + self.steady() + self.offset

    def steady(self) -> float:
        return asyncio.get_running_loop().time()


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing: the time until the next timer has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "all wait, and nothing can happen any more"
            self.passed += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed


def hastily(main: Coroutine[Any, Any, T]) -> T:
    """Run what uses no thread, process or socket in a loop in which no time is spent waiting."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
