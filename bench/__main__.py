"""Run the figures named on the command line, or all: `python -m bench [--quick] [FIGURE...]`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs import PARTS
from bench.server import Server
from bench.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

FIGURES = (
    "startup", "fresh", "kept", "output", "memory", "ganglia", "collecting", "manager", "store",
    "web", "jobs",
)  # fmt: skip

_ENDING = (signal.SIGINT, signal.SIGTERM)


def _machine() -> str:
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    what = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    others = f"{os.getloadavg()[0]:.1f} processes of others"
    return f"{what} with {others}, Python {platform.python_version()}, {ssh}"


def _tables(figures: Sequence[str], tools: Tools, *, quick: bool) -> Generator[list[str]]:
    """Yield the tables of some figures; of `FIGURE.PART` only that part."""
    wanted: dict[str, list[str]] = {}
    for name in figures:
        figure, _, part = name.partition(".")
        wanted.setdefault(figure, []).extend([part] if part else PARTS if figure == "jobs" else [])
    for figure, parts in wanted.items():
        run = importlib.import_module(f"bench.{figure}").run
        yield from run(tools, quick=quick, parts=parts) if parts else run(tools, quick=quick)


def _end(number: int, _: object) -> None:
    """Begin to end all that was started; a second Ctrl-C must not break that off."""
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer hosts and fewer turns")
    parser.add_argument("--tools", default="", help="only these, separated by commas")
    choices = [*FIGURES, *(f"jobs.{part}" for part in PARTS)]
    parser.add_argument("figure", nargs="*", choices=[*choices, []], help="all when none is named")
    asked = parser.parse_args()
    for number in _ENDING:
        signal.signal(number, _end)
    begun = time.perf_counter()
    print(f"# {_machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="clsh-bench-") as root:
        server = Server(Path(root))
        try:
            tools = Tools(server, asked.tools.split(",") if asked.tools else ())
            figures = asked.figure or FIGURES
            # Closed in any case: what it has started ends before its directory is removed.
            with contextlib.closing(_tables(figures, tools, quick=asked.quick)) as tables:
                for lines in tables:
                    print(*lines, sep="\n", flush=True)
        finally:
            server.close()
    print(f"{time.perf_counter() - begun:.0f} s in all")


main()
