"""What a source of news promises.

A source pushes: the agentless one hears each node at its own moment, gmetric whenever
somebody sends. So there is no `read`, and one slow node never delays the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from clsh.base.clock import Clock
    from clsh.monitor.model import News
    from clsh.monitor.settings import SourceSettings
    from clsh.nodes.model import Node
    from clsh.remote.transport import Transport


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What `build(context)` of a source is given; each source takes what it needs.

    `nodes` are the (cluster, node) pairs of the inventory that this source hears, over
    `transport`; `settings` is the `[[monitor.sources]]` that asks for it, None for the
    source of the inventory. `listen` is the address that packets come in at, `trusted`
    the addresses and networks that they may come from.
    """

    clock: Clock
    interval_s: float
    grid: str
    nodes: Sequence[tuple[str, Node]] = ()
    transport: Transport | None = None
    drop_dir: str = ""
    settings: SourceSettings | None = None
    listen: tuple[str, int] | None = None
    trusted: Sequence[str] = ()


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
