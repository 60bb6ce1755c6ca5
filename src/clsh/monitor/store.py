"""What a store of measurements promises. It blocks: one thread at a time calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.monitor.model import Line, Series, Tick


@dataclass(frozen=True, slots=True)
class StoreContext:
    """What a store is built from: `directory` for its files, `url` for one that is elsewhere.

    `limit` bounds its bytes on disk, `interval_s` is how far apart ticks usually are.
    """

    directory: Path
    url: str
    limit: int
    interval_s: float
    clock: Clock


class StoreError(ClshError):
    """The store cannot be used."""


class StoreFullError(StoreError):
    """There is no room: nothing of the tick was stored, a later one may be."""


class Store(Protocol):
    """The memory of the grid. Made by the `build` of its file, see `clsh.monitor.stores`."""

    def append(self, tick: Tick) -> None:
        """Store a tick; when this returns it outlives the death of the process.

        The same moment twice counts once (the later one). Ticks may be older than others, by
        any amount, after the clock was set back: they are put in their place. Raises
        StoreFullError, and StoreError when the store is damaged or away.
        """
        ...

    def range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        """Return a line for each series, in order, over the same steps.

        At most `points` steps, none finer than what is kept of that age; a series that is
        not known is all NaN. Averages of roll-ups come with the real lowest and highest.
        Raises StoreError.
        """
        ...

    def latest(self) -> Tick | None:
        """Return the newest tick, None when there is none: what was known before a restart."""
        ...

    def known(self) -> list[Series]:
        """Return every series that is remembered, in no order."""
        ...

    def trouble(self) -> str:
        """Return in words what is wrong (read-only after damage, how to restore), "" if nothing."""
        ...

    def size(self) -> int:
        """Return the bytes on disk, 0 when that is not ours to know."""
        ...

    def close(self) -> None:
        """Write down what is pending and close; nothing is called after. Never raises."""
        ...
