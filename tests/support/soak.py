"""Two sizes of the tests that put faults on jobs: that of each run, and that of `make soak`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

SOAK = os.environ.get("SOAK", "") not in {"", "0"}


def sized(small: T, full: T) -> T:
    """Return what a test is to take now."""
    return full if SOAK else small


def figures(test: str, **counts: float) -> None:
    """Print what a test has seen: one line."""
    told = ", ".join(f"{value:g} {name.replace('_', ' ')}" for name, value in counts.items())
    print(f"\n{test}: {told}", flush=True)
