"""Nodes seen over SSH without a manager: sessions kept for `cl top`, one run for `cl ps`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeError
from clsh.cli.monitoring.columns import NodeRow, node_row
from clsh.cli.monitoring.frame import Picture
from clsh.remote.transport import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from clsh.cli.monitoring.reaching import Reach
    from clsh.cli.monitoring.view import Place, View
    from clsh.monitor.processes import Process
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Outcome
    from clsh.remote.transport import Session, Sink, Stream

_AGAIN_S = (2.0, 5.0, 15.0, 30.0)
"""How long after a failure a node is tried again; the last one for ever."""
_PATIENCE_S = 10.0
"""How long a node may take for one sample or one list."""
_RATES_S = 1.0
"""How long after the first sample the second is taken, which has the rates."""
_LISTS = 64
"""Nodes that are asked for their processes at the same time."""


class OverSsh:
    """Pictures from sessions of our own, kept open while in `async with`.

    Each node is sampled at its own moment in the interval, so that a slow one delays nobody.
    A node that cannot be heard is lost, with the reason, until it answers again. The first
    picture waits until each node has told its rates or failed, at most `patience_s`.
    """

    def __init__(self, reach: Reach, interval_s: float, patience_s: float | None = None) -> None:
        self._reach = reach
        self._patience_s = patience_s
        self._interval_s = interval_s
        self._transport = reach.transport()
        self._places = asyncio.Semaphore(reach.plan.window)
        self._lists = asyncio.Semaphore(_LISTS)
        self._rows: dict[tuple[str, str], NodeRow] = {
            (cluster, node.name): NodeRow(cluster, node.name) for cluster, node in reach.nodes
        }
        self._sessions: dict[tuple[str, str], Session] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._broken: BaseException | None = None
        self._settled = asyncio.Event()
        self._unsettled = set(self._rows)

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._watch(cluster, node)) for cluster, node in self._reach.nodes
        ]
        for task in self._tasks:
            task.add_done_callback(self._broke)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._transport.aclose()

    async def look(self, view: View) -> Picture:
        """Return what is known now; lists of processes are asked for at once."""
        if not self._settled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    await self._settled.wait()
            self._settled.set()
        if self._broken:
            raise self._broken
        if view.mode == "nodes":
            return Picture(time.time(), list(self._rows.values()))
        found, silent = await self._processes(view.of)
        return Picture(time.time(), list(self._rows.values()), found, silent)

    async def _watch(self, cluster: str, node: Node) -> None:
        """Hear one node until cancelled, whatever happens to it."""
        failures = 0
        while True:
            try:
                async with self._places:
                    session = await self._transport.open(node, self._reach.plan.connect_timeout_s)
                failures = 0
                await self._sample(cluster, session)
            except (ClshError, OSError, TimeoutError) as error:
                self._failed(cluster, node.name, error)
            await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
            failures += 1

    async def _sample(self, cluster: str, session: Session) -> None:
        from clsh.monitor.sampling import Sampler

        key = (cluster, session.node.name)
        sampler = Sampler(session, self._reach.drop_dir)
        self._sessions[key] = session
        loop = asyncio.get_running_loop()
        try:
            pause, first = min(_RATES_S, self._interval_s), True
            while True:
                due = loop.time() + pause
                async with asyncio.timeout(_PATIENCE_S):
                    values = await sampler.sample()
                self._rows[key] = node_row(*key, "up", "", values)
                if not first:
                    self._settle(key)
                    pause = self._interval_s
                first = False
                await asyncio.sleep(due - loop.time())
        finally:
            del self._sessions[key]
            await sampler.aclose()
            await session.aclose()

    def _broke(self, task: asyncio.Task[None]) -> None:
        """Let the next picture raise what no task should."""
        if not task.cancelled() and (error := task.exception()):
            self._broken = error
            self._settled.set()

    def _failed(self, cluster: str, node: str, error: Exception) -> None:
        reason = error.reason if isinstance(error, NodeError) else str(error)
        if isinstance(error, TimeoutError):
            reason = f"no answer within {_PATIENCE_S:g} s"
        self._rows[cluster, node] = NodeRow(cluster, node, "lost", reason)
        self._settle((cluster, node))

    def _settle(self, key: tuple[str, str]) -> None:
        self._unsettled.discard(key)
        if not self._unsettled:
            self._settled.set()

    async def _processes(self, of: Place | None) -> tuple[list[Process], dict[str, str]]:
        wanted = [key for key in self._rows if of is None or key == tuple(of)]
        silent = {name: row.reason or "not connected" for name, row in self._away(wanted)}
        asked = [
            (name, session) for (c, name), session in self._sessions.items() if (c, name) in wanted
        ]
        lists = await asyncio.gather(*(self._list(session) for _, session in asked))
        found: list[Process] = []
        for (name, _), one in zip(asked, lists, strict=True):
            if isinstance(one, str):
                silent[name] = one
            else:
                found += one
        return found, silent

    def _away(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, NodeRow]]:
        return [(key[1], self._rows[key]) for key in wanted if key not in self._sessions]

    async def _list(self, session: Session) -> list[Process] | str:
        """Return the processes of a node, or why there is no list."""
        from clsh.monitor.processes import processes

        try:
            async with self._lists, asyncio.timeout(_PATIENCE_S):
                return await processes(session, session.node.name)
        except TimeoutError:
            return f"no answer within {_PATIENCE_S:g} s"
        except NodeError as error:
            return error.reason
        except ClshError as error:
            return str(error)


class _Nowhere:
    def write(self, stream: Stream, data: bytes) -> None:
        """Nothing is written: the list is the result."""


class _Watch:
    """The observer of a run that gathers lists."""

    def opened(self, node: Node) -> Sink:  # noqa: ARG002 - an Observer is told the node
        return _Nowhere()

    def ended(self, outcome: Outcome) -> None:
        """What came of a node is told at the end."""


async def processes_over_ssh(reach: Reach) -> tuple[list[Process], list[Outcome]]:
    """Ask all nodes once, at most the window at a time; returns their lists and outcomes."""
    from clsh.monitor.processes import processes
    from clsh.remote.fanout import FanOut

    found: list[Process] = []

    async def work(session: Session, sink: Sink) -> Exit:  # noqa: ARG001 - Work has a sink
        found.extend(await processes(session, session.node.name))
        return Exit(0)

    transport = reach.transport()
    fan = FanOut(transport, reach.plan, _Watch())
    try:
        return found, await fan.run([node for _, node in reach.nodes], work)
    finally:
        await transport.aclose()
