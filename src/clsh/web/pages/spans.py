"""Which stretch of time a page shows: a named range up to now, or one that was dragged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

RANGES: Mapping[str, int] = {
    "hour": 3600,
    "day": 86400,
    "week": 7 * 86400,
    "month": 31 * 86400,
    "year": 366 * 86400,
}
_SHORTEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` in Unix seconds; `name` is "" when people chose both ends."""

    name: str
    start: float
    end: float

    @property
    def live(self) -> bool:
        """Whether new values belong to it."""
        return bool(self.name)

    @property
    def banded(self) -> bool:
        """Whether a point stands for so long that its lowest and highest matter."""
        return self.end - self.start > RANGES["hour"]

    def moved(self, by: float, now: float) -> dict[str, str]:
        """Return the address's part for as long a time, earlier or later by a part of it."""
        length = self.end - self.start
        end = min(self.end + by * length, now)
        return {"start": f"{end - length:.0f}", "end": f"{end:.0f}"}

    @property
    def query(self) -> dict[str, str]:
        """The part of an address that keeps it; nothing for the usual range."""
        if self.name:
            return {} if self.name == "hour" else {"range": self.name}
        return {"start": f"{self.start:.0f}", "end": f"{self.end:.0f}"}


def parse(query: Mapping[str, str], now: float, zone: tzinfo) -> Span:
    """Return what an address asks for; what cannot be understood is the last hour.

    Both ends are Unix seconds, or local times as a browser's date field writes them.
    """
    start = moment(query.get("start", ""), zone)
    end = moment(query.get("end", ""), zone)
    if start is not None and end is not None:
        start, end = min(start, end), min(max(start, end), now)
        start = max(min(start, end - _SHORTEST_S), 0.0)
        if end - start <= RANGES["year"] * 10:
            return Span("", start, max(end, start + _SHORTEST_S))
    name = query.get("range", "hour")
    name = name if name in RANGES else "hour"
    return Span(name, now - RANGES[name], now)


def moment(text: str, zone: tzinfo) -> float | None:
    """Return the Unix time that a text means, None when it means none."""
    try:
        value = float(text)
    except ValueError:
        try:
            value = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
        except (ValueError, OverflowError):
            return None
    return value if math.isfinite(value) and 0 <= value < 1e11 else None
