"""Clocks for tests: one stands until it is told to go, one runs and can be set, one skips."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from clsh.base.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")
U = TypeVar("U")
_LONGEST_S = 20.0
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

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset
        self._loop: asyncio.AbstractEventLoop | None = None

    def unix(self) -> float:
        return NOON + self.steady() + self.offset

    def steady(self) -> float:
        self._loop = self._loop or asyncio.get_running_loop()  # a thread has none
        return self._loop.time()


class _Skipping(selectors.DefaultSelector):
    """Waits for threads alone: the time until the next timer has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(_LONGEST_S if self.threads and timeout != 0 else 0)
        if not found and timeout != 0:
            assert not self.threads, f"a thread did not answer within {_LONGEST_S} s"
            assert timeout is not None, "all wait, and nothing can happen any more"
            self.passed += timeout
        return found


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop in which no time is spent waiting; `skip` lets it sleep as a laptop does."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.passed

    def skip(self, seconds: float) -> None:
        self._skipping.passed += seconds

    @contextlib.contextmanager
    def thread(self) -> Iterator[None]:
        """No time passes while a thread works."""
        self._skipping.threads += 1
        try:
            yield
        finally:
            self._skipping.threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        with self.thread():
            await super().shutdown_default_executor()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # whatever it is goes through
        async def wait() -> Any:
            with self.thread():
                return await future

        future = super().run_in_executor(executor, func, *args)
        return self.create_task(wait())


def hastily(main: Coroutine[Any, Any, T]) -> T:
    """Run what uses no process and no socket in a HastyLoop."""
    real = Lane.call

    async def call(self: Lane, function: Callable[[], U]) -> U:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HastyLoop)
        with loop.thread():
            return await real(self, function)

    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=HastyLoop) as runner:
        patch.setattr(Lane, "call", call)
        return runner.run(main)
