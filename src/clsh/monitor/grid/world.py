"""What all nodes of a grid share: its clock, its moments, its shapes and its room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.grid.history import Moments, Shapes, ring_size

if TYPE_CHECKING:
    from clsh.base.clock import Clock

MOST_CLUSTERS = 1000
MOST_NODES = 20_000  # besides the configured ones
MOST_SERIES = 250_000  # an hour of each takes 1 kB


class World:
    """Counts what is there, so that no source can fill the memory."""

    def __init__(self, clock: Clock, interval_s: float) -> None:
        self.clock = clock
        self.moments = Moments(ring_size(interval_s))
        self.shapes = Shapes()
        self.series = 0
        self.refusal = ""
        self.refused_at = clock.steady()
        self.is_laid_out = False

    def room(self, wanted: int, node: str) -> int:
        """Return how many of these further series there is room for."""
        left = max(0, MOST_SERIES - self.series)
        if wanted > left:
            self.refuse(f"{node} tells more: there are {MOST_SERIES:,} series already")
        return min(wanted, left)

    def refuse(self, reason: str) -> None:
        """Note why something was not taken."""
        self.refusal = reason
        self.refused_at = self.clock.steady()

    def lay_out_anew(self) -> None:
        """Note that the series are other ones."""
        self.is_laid_out = False
