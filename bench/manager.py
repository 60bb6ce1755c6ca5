"""The start and the end of the manager: until it answers, until all nodes are heard."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import measure, table
from bench.measure import Job
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools

_CL = Path(sys.executable).parent / "cl"
_ALL_HEARD_WITHIN_S = 150.0
_CONFIG = """\
[shell]
ssh_config = "{ssh_config}"
[manager]
listen = "127.0.0.1:0"
[monitor]
gmond_port = 0
gmetad_port = 0
gmetad_query_port = 0
[clusters.big]
nodes = [{nodes}]
"""


class _Cost(NamedTuple):
    """What a life of a manager costs: seconds, and bytes of memory."""

    answers_s: float
    memory: int
    end_s: float


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table."""
    turns = 3 if quick else 5
    rows: list[list[str]] = []
    for count in (4, 100 if quick else 1000):
        life = _Life(tools, count)
        costs = [life.once() for _ in range(turns)]
        all_up_s, memory = life.until_all_are_heard()
        rows.append(
            [
                f"{count:,}",
                table.seconds(measure.median(cost.answers_s for cost in costs)),
                f"{measure.median(cost.memory for cost in costs) / 1e6:.0f} MB",
                table.seconds(measure.median(cost.end_s for cost in costs)),
                table.seconds(all_up_s),
                f"{memory / 1e6:.0f} MB",
            ]
        )
    yield table.lines(
        f"The manager: cl up until it answers, cl down; median of {turns}",
        ["nodes", "cl up", "PSS then", "cl down", "all heard", "PSS then"],
        rows,
        "all heard: once, since cl up; the nodes are one sshd on the same cores",
    )


class _Life:
    """A manager of this many nodes that begins without a history each time."""

    def __init__(self, tools: Tools, count: int) -> None:
        self._count = count
        self._home = tools.server.root / f"manager{count}"
        self._home.mkdir()
        config = self._home / "clsh.toml"
        nodes = ", ".join(json.dumps(host) for host in HOSTS[:count])
        config.write_text(_CONFIG.format(ssh_config=tools.server.config, nodes=nodes))
        self._environ = tools.environment(
            CLSH_CONFIG=str(config),
            XDG_STATE_HOME=str(self._home),
            XDG_RUNTIME_DIR=str(self._home / "run"),
        )

    def once(self) -> _Cost:
        """Start it and end it."""
        answers_s = self._timed("up")
        memory = measure.tree_memory(self._status()["pid"])
        return _Cost(answers_s, memory, self._end())

    def until_all_are_heard(self) -> tuple[float, int]:
        """Start it, and return after how many seconds it hears all nodes, and its memory then."""
        begun = time.perf_counter()
        self._timed("up")
        try:
            while (status := self._status())["up"] < self._count:
                if time.perf_counter() - begun > _ALL_HEARD_WITHIN_S:
                    raise SystemExit(f"bench: {status['up']} of {self._count} nodes were heard")
                time.sleep(0.5)
            return time.perf_counter() - begun, measure.tree_memory(status["pid"])
        finally:
            self._end()

    def _end(self) -> float:
        seconds = self._timed("down")
        shutil.rmtree(self._home / "clsh")
        return seconds

    def _timed(self, word: str) -> float:
        cost = measure.run(Job([_CL, word], self._environ))
        if cost.status:
            raise SystemExit(f"bench: cl {word} failed, exit {cost.status}")
        return cost.wall_s

    def _status(self) -> dict[str, Any]:
        argv = [str(_CL), "status", "--json"]
        told = subprocess.run(argv, env=self._environ, capture_output=True, check=True).stdout
        status: dict[str, Any] = json.loads(told)
        return status
