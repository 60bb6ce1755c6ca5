"""The status line of a run that lasts: how many nodes are done, running, failed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    from clsh.cli.output.console import Console

FIRST_S = 1.0
EVERY_S = 0.25


@dataclass(slots=True)
class Counts:
    """How far a run is; `running` are connected, `moved` is bytes."""

    all: int
    done: int = 0
    running: int = 0
    failed: int = 0
    moved: int = 0


def line(counts: Counts, seconds: float, columns: int) -> str:
    """Return the status line, at most `columns` - 1 characters so that it never wraps."""
    parts = [
        tr("{done}/{all} done", done=counts.done, all=counts.all),
        tr("{running} running", running=counts.running),
    ]
    if counts.failed:
        parts.append(tr("{failed} failed", failed=counts.failed))
    if counts.moved:
        parts.append(f"{counts.moved / 1e6:.1f} MB")
    return f"clsh: {', '.join(parts)}  {seconds:.0f} s"[: max(columns - 1, 0)]


async def show(console: Console, counts: Counts, stderr: int = 2) -> None:
    """Keep the status line up to date, from 1 s on, until cancelled; then erase it."""
    if not console.has_status:
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        await asyncio.sleep(FIRST_S)
        while True:
            columns = _columns(stderr)
            console.status(line(counts, loop.time() - began, columns))
            await asyncio.sleep(EVERY_S)
    finally:
        console.status("")


def _columns(fd: int) -> int:
    try:
        return os.get_terminal_size(fd).columns
    except OSError:  # the terminal is gone
        return 0
