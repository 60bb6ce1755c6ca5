"""Hear each node over a session of its own that is kept open; nothing is installed there.

Every node has its own moment in the interval, given by its name, so that neither they nor we
all work at once. A node that cannot be heard, for whatever reason, is Silent, and is tried
again after 1, 2, 4 and then every 6 s: it is back 15 s after it has returned at the latest.
Where that is hopeless (a changed host key, no /proc) the pause grows to a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Never

from clsh.base.errors import ClshError, ConfigError, NodeError, NodeLostError, UnreachableError
from clsh.base.places import Places
from clsh.monitor.model import Sample, Silent
from clsh.monitor.pace import Pace
from clsh.monitor.proc.parse import FieldError
from clsh.monitor.sampling import Sampler
from clsh.remote.retrying import is_worth_a_retry

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from clsh.monitor.model import News
    from clsh.monitor.source import Source, SourceContext
    from clsh.nodes.model import Node
    from clsh.remote.transport import Transport

_OPENING = 50
_OPEN_S = 20.0
_AGAIN_S = 6.0
_HOPELESS_S = 60.0
_MISSED = 3
_SPREAD_S = 0.01
_TMAX_S = 20.0

_log = logging.getLogger(__name__)


def build(context: SourceContext) -> Source:
    """Return the source; raises ConfigError when there is no way to reach nodes."""
    if context.transport is None:
        raise ConfigError(
            "the source 'procfs' hears the nodes of the inventory, and no others",
            hint='choose another kind in [[monitor.sources]], or set source = "procfs"',
        )
    return Procfs(context, context.transport)


class Procfs:
    """All nodes of the inventory, each followed by a task of its own."""

    def __init__(self, context: SourceContext, transport: Transport) -> None:
        opening = Places(_OPENING)
        self._interval_s = context.interval_s
        self._followed = {
            (cluster, node.name): _Followed(context, transport, opening, cluster, node)
            for cluster, node in context.nodes
        }

    async def run(self, tell: Callable[[News], None]) -> None:
        """Follow every node; see Source."""
        spread_s = len(self._followed) * _SPREAD_S
        async with asyncio.TaskGroup() as group:
            for followed in self._followed.values():
                group.create_task(followed.run(tell, spread_s))
            while True:
                await asyncio.sleep(self._interval_s / 4)
                for followed in self._followed.values():
                    followed.remind(tell)

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """Hear these nodes every second; see Source."""
        for key, followed in self._followed.items():
            followed.pace.hurry(key in nodes)


class _Followed:
    """One node, and what was last told of it."""

    def __init__(
        self,
        context: SourceContext,
        transport: Transport,
        opening: Places,
        cluster: str,
        node: Node,
    ) -> None:
        self._context = context
        self._transport = transport
        self._opening = opening
        self._cluster = cluster
        self._node = node
        self.pace = Pace(cluster, node.name, context.interval_s)
        self._told_at = float("-inf")
        self._is_heard = False
        self._failures = 0
        # what is said of a node that says nothing, and whether that is certain
        self._reason, self._is_lost = "connecting", False

    async def run(self, tell: Callable[[News], None], spread_s: float) -> None:
        """Hear the node until cancelled, whatever happens to it."""
        self._told_at = asyncio.get_running_loop().time()
        self._is_heard, self._failures = False, 0
        self._reason, self._is_lost = "connecting", False
        await asyncio.sleep(self.pace.share * spread_s)
        while True:
            longest_s = _AGAIN_S
            try:
                await self._follow(tell)
            except (ClshError, OSError) as error:
                reason = error.reason if isinstance(error, NodeError) else str(error)
                if not self._is_heard and not _is_hopeful(error):
                    longest_s = _HOPELESS_S
            except Exception as error:  # noqa: BLE001 - a fault met by one node stays with it
                _log.exception("%s: a fault of the collector", self._node.name)
                reason = f"a fault of the collector: {error!r}"
                longest_s = _HOPELESS_S
            self._lose(tell, reason)
            # Between 3/4 and 5/4, so that many that were lost together do not come together.
            pause_s = min(2.0**self._failures, longest_s) * (0.75 + self.pace.share / 2)
            self._failures = min(self._failures + 1, 10)
            await asyncio.sleep(pause_s)

    def remind(self, tell: Callable[[News], None]) -> None:
        """Tell once in an interval that nothing was heard."""
        silent_s = asyncio.get_running_loop().time() - self._told_at
        usual_s = self._context.interval_s
        if silent_s >= (1.5 if self._is_heard else 1.0) * usual_s - usual_s / 8:
            self._is_heard = False
            self._tell_silent(tell)

    async def _follow(self, tell: Callable[[News], None]) -> Never:
        """Open a session and sample until it ends; raises why it did."""
        async with contextlib.AsyncExitStack() as stack:
            async with self._opening.one():
                session = await self._transport.open(self._node, _OPEN_S)
                stack.push_async_callback(session.aclose)
                sampler = Sampler(session, self._context.drop_dir)
                stack.push_async_callback(sampler.aclose)
                await self._sample(tell, sampler)
            self.pace.begin()
            sampler.running.add_done_callback(lambda _: self.pace.end())
            while True:
                await self.pace.wait()
                await self._sample(tell, sampler)

    async def _sample(self, tell: Callable[[News], None], sampler: Sampler) -> None:
        hung_s = self._context.interval_s * _MISSED
        try:
            async with asyncio.timeout(hung_s):
                values = await sampler.sample()
        except TimeoutError:
            raise NodeError(self._node.name, f"no answer for {hung_s:g} s") from None
        except FieldError as error:  # the next answer may be good
            self._reason, self._is_lost = str(error), False
            if self._is_heard:
                self._is_heard = False
                self._tell_silent(tell)
            return
        self._is_heard, self._failures = True, 0
        self._reason, self._is_lost = f"no answer for {self._context.interval_s:g} s", False
        self._told_at = asyncio.get_running_loop().time()
        tell(
            Sample(
                self._cluster,
                self._node.name,
                self._context.clock.unix(),
                values,
                sampler.metrics,
                address=self._node.host,
                tmax_s=max(_TMAX_S, self._context.interval_s * 4 / 3),
            )
        )

    def _lose(self, tell: Callable[[News], None], reason: str) -> None:
        """Tell at once when this is new, else when the next word is due."""
        was_lost = self._is_lost
        self._reason, self._is_lost = reason, True
        if self._is_heard or not was_lost:
            self._is_heard = False
            self._tell_silent(tell)

    def _tell_silent(self, tell: Callable[[News], None]) -> None:
        self._told_at = asyncio.get_running_loop().time()
        tell(
            Silent(
                self._cluster,
                self._node.name,
                self._context.clock.unix(),
                self._reason,
                lost=self._is_lost,
            )
        )


def _is_hopeful(error: Exception) -> bool:
    return isinstance(error, OSError | NodeLostError) or (
        isinstance(error, UnreachableError) and is_worth_a_retry(error.reason)
    )
