"""Ask nodes for their processes: many at once, each within its deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeError
from clsh.monitor.model import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.base.clock import Clock
    from clsh.monitor.processes import Process
    from clsh.nodes.model import Node
    from clsh.remote.transport import Transport

DEADLINE_S = 10.0
_AT_ONCE = 32


class Asking:
    """Uses the sessions of a transport that keeps them."""

    def __init__(
        self, transport: Transport | None, clock: Clock, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._deadline_s = deadline_s
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def processes(self, nodes: Iterable[tuple[str, Node]]) -> list[Process | Silent]:
        """Return the processes of each node, one Silent for each that does not say."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._of(cluster, node)) for cluster, node in nodes]
        return [one for task in tasks for one in task.result()]

    def silent(self, cluster: str, node: str, reason: str) -> Silent:
        """Return that a node does not say its processes."""
        return Silent(cluster, node, self._clock.unix(), reason, lost=False)

    async def _of(self, cluster: str, node: Node) -> list[Process | Silent]:
        try:
            async with self._free, asyncio.timeout(self._deadline_s):
                return list(await self._ask(node))
        except TimeoutError:
            reason = f"no answer within {self._deadline_s:g} s"
        except NodeError as error:
            reason = error.reason
        except (ClshError, ValueError) as error:
            reason = str(error)
        return [self.silent(cluster, node.name, reason)]

    async def _ask(self, node: Node) -> list[Process]:
        from clsh.monitor.processes import processes

        if self._transport is None:
            raise ClshError("there is no way to reach it")
        session = await self._transport.open(node, self._deadline_s)
        try:
            return await processes(session, node.name)
        finally:
            await session.aclose()
