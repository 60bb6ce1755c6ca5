"""Writes ticks until it is killed: `python -m tests.support.ticker DIRECTORY`.

At each line on its input a process is forked, which opens the store, says its pid, goes on
after the newest tick, and says the number of each tick when `append` has returned.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

from clsh.base.clock import SystemClock
from clsh.monitor.stores.sqlite import build
from tests.support.stores import INTERVAL_S, context, layout, tick

START = 500_000 * 3600.0
SERIES = layout(70)


def write(directory: Path) -> None:
    """Write ticks; the values of each are its number."""
    store = build(context(directory, clock=SystemClock()))
    newest = store.latest()
    _say(f"pid {os.getpid()}")
    for number in count(int(newest.values[0]) + 1 if newest else 0):
        store.append(tick(START + number * INTERVAL_S, SERIES, number))
        _say(str(number))


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork one process after the other; "end" is said when one is dead."""
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            write(Path(sys.argv[1]))
        os.waitpid(pid, 0)
        _say("end")


if __name__ == "__main__":
    main()
