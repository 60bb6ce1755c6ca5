"""`true` on 1, 10, 100 and 1,000 hosts, a new connection to each: wall time and CPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench import measure, table
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measure import Cost
    from bench.tools import Tools

_ROUNDS = {1: 15, 10: 9, 100: 5, 1000: 3}


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield a table for each number of hosts."""
    for count, full in _ROUNDS.items():
        if not (quick and count == 1000):
            yield _table(tools, count, max(2, full // 4) if quick else full)


def _table(tools: Tools, count: int, turns: int) -> list[str]:
    hosts = tools.host_file(HOSTS[:count])
    server_s: dict[str, list[float]] = {name: [] for name in tools.names}

    def once(name: str) -> Cost:
        before = tools.server.cpu_s()
        cost = measure.run(tools.job(name, hosts, "true"))
        if cost.status != 0:
            raise SystemExit(f"bench: {name} failed on {count} hosts, exit {cost.status}")
        server_s[name].append(tools.server.cpu_s() - before)
        return cost

    costs = measure.rounds(tools.names, lambda _: turns, once)
    wall = {name: measure.median(cost.wall_s for cost in runs) for name, runs in costs.items()}
    # No client can be faster than the server can answer: its CPU, over the cores that it has.
    floor = min(map(measure.median, server_s.values())) / (os.cpu_count() or 1)
    first = wall[tools.names[0]]
    rows = [
        [
            name,
            table.seconds(wall[name]),
            f"{min(c.wall_s for c in runs):.2f}-{max(c.wall_s for c in runs):.2f}",
            table.ratio(wall[name], first),
            table.ratio(wall[name], floor),
            f"{measure.median(cost.cpu_s for cost in runs) / count * 1000:.1f} ms",
            f"{measure.median(server_s[name]) / count * 1000:.1f} ms",
        ]
        for name, runs in costs.items()
    ]
    head = ["true", "wall", "from-to s", f"x {tools.names[0]}", "x floor"]
    return table.lines(
        f"{count} host{'s' * (count > 1)}, new connections, median of {turns}",
        [*head, "client CPU/host", "server CPU/host"],
        rows,
        f"floor: {table.seconds(floor)}, the server's own CPU on {os.cpu_count()} cores",
    )
