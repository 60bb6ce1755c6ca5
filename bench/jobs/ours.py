"""clsh as a contestant: its manager, asked over the socket or with `cl submit`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from bench.jobs import manager
from bench.jobs.contestant import Cpu, told_at
from bench.jobs.ground import cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.jobs.ground import Ground
    from bench.jobs.manager import Line, Manager

_BATCH = 1000  # the most that the API takes at once


class Ours:
    """A manager that logs in as root and runs alice's jobs, or logs in as alice. A Contestant."""

    count = 300

    def __init__(self, running: Manager, line: Line, login: str) -> None:
        self.name = f"clsh as {login}"
        self._login = login
        self._manager = running
        self._line = line

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def dispatch(self, count: int, way: str) -> float | None:
        """See Contestant."""
        if way not in {"array", "batch"}:
            return None
        done = self._line.states().get("done", 0)
        begun = time.perf_counter()
        if way == "array":
            self._line.submit([{"argv": ["true"], "kind": "batch", "array": f"0-{count - 1}"}])
            self._line.until_done(done + 1)
        else:
            self._in_batches(count, {"argv": ["true"]})
            self._line.until_done(done + count)
        return time.perf_counter() - begun

    def start(self, way: str) -> float | None:
        """See Contestant; by a command it is a job of root's, as alice is no user here."""
        done = self._line.states().get("done", 0)
        begun = time.time()
        argv = ["sh", "-c", "date +%s.%N >/shared/told"]
        if way == "singly":
            self._line.submit([{"argv": argv}])
        elif way == "command" and self._login == "root":
            self._manager.cl("submit", "--", *argv)
        else:
            return None
        took_s = told_at(self._manager.ground.shared / "told") - begun
        self._line.until_done(done + 1)
        return took_s

    def submit(self, count: int, way: str) -> float | None:
        """See Contestant."""
        held = {"argv": ["true"], "held": True}
        begun = time.perf_counter()
        if way == "batch":
            self._in_batches(count, held)
        elif way == "array":
            self._line.submit([{**held, "kind": "batch", "array": f"0-{count - 1}"}])
        elif way == "singly":
            for _ in range(count):
                self._line.submit([held])
        elif way == "command":
            for _ in range(count):
                self._manager.cl("submit", "--held", "--", "true")
        else:
            return None
        return time.perf_counter() - begun

    def cpu(self) -> Cpu | None:
        """See Contestant."""
        head_s = cpu_s([self._manager.pid])
        return Cpu(head_s + self._manager.ground.cpu_s(), head_s)

    def _in_batches(self, count: int, request: dict[str, object]) -> None:
        for at in range(0, count, _BATCH):
            self._line.submit([request] * min(_BATCH, count - at))


@contextlib.contextmanager
def contestants(ground: Ground) -> Iterator[list[Ours]]:
    """Start a manager for each login, and end them."""
    with contextlib.ExitStack() as stack:
        found: list[Ours] = []
        for login in ("root", "alice"):
            running = stack.enter_context(manager.running(ground, login, login))
            found.append(Ours(running, stack.enter_context(running.line()), login))
        yield found
