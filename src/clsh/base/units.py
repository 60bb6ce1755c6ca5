"""Sizes and times as people write them in a configuration: `10G`, `30m`."""

from __future__ import annotations

import math
import re

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([smhdw]?)", re.ASCII)


def size(text: str) -> int:
    """Return the bytes in `10G`, `512 MiB` or `4096`: K, M, G, T are powers of 1024.

    Raises ValueError telling how a size is written.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("a size such as 10G or 512M")
    return math.floor(float(found[1]) * _SIZES[found[2].upper()])


def duration(text: str) -> float:
    """Return the seconds in `90`, `30s`, `30m`, `12h`, `7d` or `2w`.

    Raises ValueError telling how a time is written.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("a time such as 30s, 10m, 12h or 7d")
    return float(found[1]) * _TIMES[found[2]]


def as_size(count: float) -> str:
    """Return bytes as people write them: `512 MB`, `1.5 GB`; powers of 1024."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TB"
