"""How long each tool takes to say its version, beside a Python that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import measure, table
from bench.measure import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools

_BIN = Path(sys.executable).parent
_ARGV: dict[str, list[str | Path]] = {
    "python": [sys.executable, "-c", "pass"],
    "clsh": [_BIN / "clsh", "--version"],
    "cl": [_BIN / "cl", "--version"],
    "clush": [_BIN / "clush", "--version"],
    "pdsh": ["pdsh", "-V"],
    "pssh": ["parallel-ssh", "--version"],
    "ssh": ["ssh", "-V"],
}


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table."""
    turns = 5 if quick else 21
    jobs = {name: Job(argv, tools.environment()) for name, argv in _ARGV.items()}
    costs = measure.rounds(jobs, lambda _: turns, lambda name: measure.run(jobs[name]))
    wall = {name: measure.median(cost.wall_s for cost in runs) for name, runs in costs.items()}
    yield table.lines(
        f"Start-up: the version, median of {turns}",
        ["--version", "wall", "x python"],
        [[name, table.seconds(w), table.ratio(w, wall["python"])] for name, w in wall.items()],
    )
