"""A second line on connections that are kept (interactive mode) beside running again.

The others reconnect for each line: their figure is that of a new run.
"""

from __future__ import annotations

import subprocess
import time
from typing import IO, TYPE_CHECKING

from bench import measure, table
from bench.server import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.tools import Tools

RULE = b"-----"
LIMIT_S = 60


def run(tools: Tools, *, quick: bool) -> Iterator[list[str]]:
    """Yield the table."""
    lines = 5 if quick else 9
    rows = []
    for count in (10, 100) if quick else (10, 100, 1000):
        opened, later, memory = _interactive(tools, count, lines)
        again = measure.run(tools.job("pssh", tools.host_file(HOSTS[:count]), "echo")).wall_s
        rows.append(
            [
                f"{count} hosts",
                table.seconds(opened),
                table.seconds(measure.median(later)),
                table.seconds(again),
                table.ratio(again, measure.median(later)),
                f"{memory / 1e6:.0f} MB",
            ]
        )
    yield table.lines(
        f"Interactive mode: a later line on kept connections, median of {lines}",
        ["kept", "first line", "later line", "pssh again", "x later", "memory kept"],
        rows,
    )


def _interactive(tools: Tools, count: int, lines: int) -> tuple[float, list[float], int]:
    """Return the seconds to the first answer, those of each later one, and the memory."""
    hosts = tools.host_file(HOSTS[:count])
    job = tools.job("clsh", hosts, "-i")
    with subprocess.Popen(
        [word for word in job.argv if word != "-n"],
        env=dict(job.env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        begun = time.perf_counter()
        opened = _line(shell.stdin, shell.stdout, count, begun)
        later = [_line(shell.stdin, shell.stdout, count, time.perf_counter()) for _ in range(lines)]
        memory = measure.tree_memory(shell.pid)
        shell.stdin.write(b"quit\n")
        shell.stdin.close()
        shell.wait(timeout=LIMIT_S)
    return opened, later, memory


def _line(stdin: IO[bytes], stdout: IO[bytes], count: int, begun: float) -> float:
    """Say one line to all nodes; return when all have answered, in seconds since `begun`."""
    stdin.write(b"echo here\n")
    stdin.flush()
    answers, rules = 0, 0
    while rules < 2:
        text = stdout.readline()
        if not text:
            raise SystemExit("bench: the interactive mode ended early")
        answers += text.endswith(b": here\n")
        rules += text.strip().endswith(RULE)
    if answers != count:
        raise SystemExit(f"bench: {answers} of {count} nodes answered")
    return time.perf_counter() - begun
