"""Run the figures named on the command line, or all: `python -m bench [--quick] [FIGURE...]`."""

from __future__ import annotations

import argparse
import importlib
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from bench.server import Server
from bench.tools import Tools

FIGURES = (
    "startup", "fresh", "kept", "output", "memory", "ganglia", "collecting", "manager", "store",
    "web",
)  # fmt: skip


def _machine() -> str:
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {ssh}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer hosts and fewer turns")
    parser.add_argument("--tools", default="", help="only these, separated by commas")
    parser.add_argument("figure", nargs="*", choices=[*FIGURES, []], help="all when none is named")
    asked = parser.parse_args()
    begun = time.perf_counter()
    print(f"# {_machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="clsh-bench-") as root:
        server = Server(Path(root))
        try:
            tools = Tools(server)
            tools.names = asked.tools.split(",") if asked.tools else tools.names
            for name in asked.figure or FIGURES:
                for lines in importlib.import_module(f"bench.{name}").run(tools, quick=asked.quick):
                    print(*lines, sep="\n", flush=True)
        finally:
            server.close()
    print(f"{time.perf_counter() - begun:.0f} s in all")


main()
