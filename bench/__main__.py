"""Run the figures named on the command line, or all: `python -m bench [--quick] [FIGURE...]`."""

from __future__ import annotations

import argparse
import importlib
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
    from collections.abc import Iterator

FIGURES = (
    "startup", "fresh", "kept", "output", "memory", "ganglia", "collecting", "manager", "store",
    "web", "jobs",
)  # fmt: skip


def _machine() -> str:
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {ssh}"


def _tables(name: str, tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the tables of a figure; of `GROUP.PART` only that part."""
    group, _, part = name.partition(".")
    module = importlib.import_module(f"bench.{group}")
    tables: Iterator[list[str]] = module.run(
        tools, quick=quick, **{"parts": [part]} if part else {}
    )
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer hosts and fewer turns")
    parser.add_argument("--tools", default="", help="only these, separated by commas")
    choices = [*FIGURES, *(f"jobs.{part}" for part in PARTS)]
    parser.add_argument("figure", nargs="*", choices=[*choices, []], help="all when none is named")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    begun = time.perf_counter()
    print(f"# {_machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="clsh-bench-") as root:
        server = Server(Path(root))
        try:
            tools = Tools(server, asked.tools.split(",") if asked.tools else ())
            for name in asked.figure or FIGURES:
                for lines in _tables(name, tools, quick=asked.quick):
                    print(*lines, sep="\n", flush=True)
        finally:
            server.close()
    print(f"{time.perf_counter() - begun:.0f} s in all")


main()
