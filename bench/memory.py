"""Peak memory of the whole process tree (sum of PSS), in runs of their own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from bench import measure, output, table
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table: many hosts, and much output for the tools that take it in time."""
    many, few = (100, 10) if quick else (1000, 100)
    hosts, big_hosts = tools.host_file(HOSTS[:many]), tools.host_file(HOSTS[:few])
    command = f"cat {output.big_file(tools)}"
    out = tools.server.root / "out"
    rows = []
    for name in tools.names:
        row = [name, _megabytes(measure.peak_memory(tools.job(name, hosts, "true")))]
        if name == "clush":
            row.append("-")  # two minutes for a figure that nobody needs
        else:
            out.mkdir()
            peak = measure.peak_memory(tools.job(name, big_hosts, command, out))
            shutil.rmtree(out)
            row.append(_megabytes(peak))
        rows.append(row)
    yield table.lines(
        "Peak memory of the client's process tree, PSS",
        ["memory", f"{many} hosts true", f"{few} x 10 MB"],
        rows,
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
