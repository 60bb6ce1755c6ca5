"""Big output: 100 hosts x 10 MB into files, beside plain ssh with its stdout on a file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from bench import measure, table
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.measure import Cost
    from bench.tools import Tools

SIZE = 10_000_000
_SLOW = {"clush", "pdsh"}  # once is enough: minutes, and half a minute
_LIMIT_S = 150


def big_file(tools: Tools) -> Path:
    """Return a file of SIZE bytes of text, lines of 80 bytes, as logs are."""
    path = tools.server.root / "big"
    if not path.exists():
        line = b"0123456789" * 7 + b"012345678\n"
        path.write_bytes(line * (SIZE // len(line)))
    return path


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table."""
    count = 20 if quick else 100
    hosts = tools.host_file(HOSTS[:count])
    command = f"cat {big_file(tools)}"
    out = tools.server.root / "out"

    def once(name: str) -> Cost:
        out.mkdir()
        try:
            cost = measure.run(tools.job(name, hosts, command, out), _LIMIT_S)
            files = list(out.iterdir())
            whole = sum(path.stat().st_size for path in files)
        finally:
            shutil.rmtree(out)
        ended = cost.wall_s < _LIMIT_S
        if ended and (cost.status != 0 or whole < count * SIZE):
            raise SystemExit(f"bench: {name} kept {whole} bytes, exit {cost.status}")
        return cost

    costs = measure.rounds(tools.names, lambda name: 1 if name in _SLOW or quick else 3, once)
    wall = {name: measure.median(cost.wall_s for cost in runs) for name, runs in costs.items()}
    rows = [
        [
            name,
            ("> " if wall[name] >= _LIMIT_S else "") + table.seconds(wall[name]),
            table.ratio(wall[name], wall["ssh"]),
            f"{measure.median(cost.cpu_s for cost in runs):.2f} s",
            str(len(runs)),
        ]
        for name, runs in costs.items()
    ]
    yield table.lines(
        f"{count} hosts x 10 MB of text into files (pdsh: into one file)",
        ["output", "wall", "x ssh", "client CPU", "runs"],
        rows,
    )
