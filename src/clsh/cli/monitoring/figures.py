"""Numbers as people read them: 1.2 GB, 61 %, 3 d 4 h. Pure; --json has the raw ones."""

from __future__ import annotations

import math
import time

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def size(count: float) -> str:
    """Return bytes with a unit, in at most 6 characters; a KB is 1024 bytes, as in top."""
    for unit in _SIZES:
        if abs(count) < 999.5 or unit == _SIZES[-1]:
            digits = 1 if unit != "B" and abs(count) < 9.95 else 0
            return f"{count:.{digits}f} {unit}"
        count /= 1024
    raise AssertionError


def percent(share: float) -> str:
    """Return a share as whole per cent."""
    return f"{share:.0f} %"


def number(count: float) -> str:
    """Return a plain number with three digits that count, and all digits of a large one."""
    if not math.isfinite(count):
        return "-"
    if count == int(count) or abs(count) >= 100:
        return f"{count:.0f}"
    return f"{count:.2f}" if abs(count) < 10 else f"{count:.1f}"


def duration(seconds: float) -> str:
    """Return a time span by its two largest units: `3 d 4 h`."""
    left = round(abs(seconds))
    parts: list[str] = []
    for length, unit in _STEPS:
        if left >= length or parts:
            parts.append(f"{left // length} {unit}")
            left %= length
        if len(parts) == 2:
            break
    parts = [part for part in parts if not part.startswith("0 ")] or ["0 s"]
    return " ".join(parts)


def moment(at: float) -> str:
    """Return a Unix time as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def value(raw: float | str | None, units: str) -> str:
    """Return a metric's value with its units; the units are those of the catalogue."""
    if raw is None or raw == "":
        return "-"
    if isinstance(raw, str):
        return raw
    if not math.isfinite(raw):
        return "-"
    match units:
        case "bytes" | "B":
            return size(raw)
        case "bytes/s" | "bytes/sec" | "B/s":
            return f"{size(raw)}/s"
        case "%":
            return f"{number(raw)} %"
        case "s":
            return moment(raw) if raw > 1e8 else duration(raw)
        case _:
            return f"{number(raw)} {units}".rstrip()
