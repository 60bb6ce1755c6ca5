"""A manager that notes when it has heard of so many attempts that they run.

`python -m bench.jobs.heard FILE COUNT DIRECTORY SOCKET` is else what `cl up` starts. From
outside that moment cannot be seen: what ran before a restart is shown as running at once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.cli import daemon
from clsh.jobs.scheduler import Scheduler

if TYPE_CHECKING:
    from clsh.jobs.engine import Report


def note(file: Path, count: int) -> None:
    """Let all schedulers of this process note it."""
    seen: set[str] = set()
    hear = Scheduler.hear

    def listen(self: Scheduler, report: Report) -> None:
        hear(self, report)
        if report.phase == "running":
            seen.add(report.id)
            if len(seen) == count and not file.exists():
                file.write_text(f"{time.time()}\n")

    Scheduler.hear = listen  # type: ignore[method-assign]  # each is noted


if __name__ == "__main__":
    note(Path(sys.argv[1]), int(sys.argv[2]))
    sys.exit(daemon.main(sys.argv[3:]))
