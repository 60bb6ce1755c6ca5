"""`cl` with a fault in its engine: `python -m tests.support.faulty FAULT,... WORDS`.

The faults stand around what an Engine promises, so they know nothing of how it reaches nodes.
`unclaimed`: a node is not told the name of an attempt, so it claims nothing, and what it runs
is known to this process alone. `dies`: killed as soon as a start is acknowledged, so before
that is stored.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from clsh.cli.main import entry
from clsh.jobs.engine import Report
from clsh.jobs.engines import remote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clsh.jobs.engine import Engine, EngineContext, Launch


class Unclaimed(remote.Remote):
    """Starts under names that nobody else knows."""

    def __init__(self, context: EngineContext) -> None:
        super().__init__(context)
        self._names: dict[str, str] = {}
        self._secrets: dict[str, str] = {}

    async def run(self, tell: Callable[[Report], None]) -> None:
        await super().run(lambda report: tell(self._named(report)))

    async def start(self, launch: Launch) -> Report:
        secret = f"{launch.id}-{secrets.token_hex(4)}"
        self._secrets[launch.id], self._names[secret] = secret, launch.id
        return self._named(await super().start(replace(launch, id=secret)))

    async def ask(self, launches: Sequence[Launch]) -> Sequence[Report]:
        mine = [
            replace(one, id=self._secrets[one.id]) for one in launches if one.id in self._secrets
        ]
        told = {one.id: one for one in map(self._named, await super().ask(mine))}
        return [told.get(one.id) or Report(one.id, "absent", time.time()) for one in launches]

    def _named(self, report: Report) -> Report:
        return replace(report, id=self._names[report.id])


def dying(engine: remote.Remote) -> remote.Remote:
    """Let an engine take its process with it when a start is acknowledged."""
    start = engine.start

    async def start_and_die(launch: Launch) -> Report:
        await start(launch)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    engine.start = start_and_die  # type: ignore[method-assign]  # for this life alone
    return engine


def build(context: EngineContext, faults: Sequence[str]) -> Engine:
    engine = Unclaimed(context) if "unclaimed" in faults else remote.Remote(context)
    return dying(engine) if "dies" in faults else engine


if __name__ == "__main__":
    given = sys.argv.pop(1).split(",")
    remote.build = lambda context: build(context, given)
    sys.exit(entry())
