"""What a source of news promises.

A source pushes: the agentless one hears each node at its own moment, gmetric whenever
somebody sends. So there is no `read`, and one slow node never delays the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from clsh.monitor.model import News


class Source(Protocol):
    """One way to hear of nodes. Made by the `build` of its file, see `clsh.monitor.sources`."""

    async def run(self, tell: Callable[[News], None]) -> None:
        """Tell what is heard until cancelled; `tell` never blocks and never raises.

        Of each of its nodes there is, in each interval, a Sample or exactly one Silent. What
        is wrong with one node is told of that node, what is wrong with the source is told
        as Health and tried again; an exception is a bug, after which the caller runs it anew.
        A cancel leaves no connection, process or task behind.
        """
        ...

    def hurry(self, nodes: AbstractSet[tuple[str, str]]) -> None:
        """Hear these nodes (cluster, node) every second, all others at the usual interval.

        Replaces the set given before. A source that cannot do so does nothing.
        """
        ...
