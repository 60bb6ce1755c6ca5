"""Time as a thing that is handed in: what people read, and what intervals are counted with.

Intervals are counted on `steady`, which no correction of the clock moves; `unix` dates
what people see and what is stored. Tests hand in a clock of their own.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of the time, both in seconds."""

    def unix(self) -> float:
        """Return the seconds since 1970; may jump when the clock is set."""
        ...

    def steady(self) -> float:
        """Return seconds since some moment; never goes back."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def unix(self) -> float:
        """See Clock."""
        return time.time()

    def steady(self) -> float:
        """See Clock."""
        return time.monotonic()
