"""One cluster: its nodes, counted and summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor import summary
from clsh.monitor.grid.node import NodeState
from clsh.monitor.grid.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.grid.history import Shape
    from clsh.monitor.grid.node import State
    from clsh.monitor.grid.world import World
    from clsh.monitor.model import Sum


class Cluster:
    """Nodes under one name."""

    def __init__(self, world: World, name: str, *, configured: bool) -> None:
        self._world = world
        self.name = name
        self.configured = configured
        self.nodes: dict[str, NodeState] = {}
        self.counts: dict[State, int] = {"new": 0, "up": 0, "lost": 0}
        self.totals = Totals(world, name)
        self.changes = 0
        self._summed = (-1, dict[str, "Sum"]())

    @property
    def up(self) -> int:
        """How many nodes are up."""
        return self.counts["up"]

    @property
    def lost(self) -> int:
        """How many nodes are lost."""
        return self.counts["lost"]

    @property
    def new(self) -> int:
        """How many nodes have not been heard yet."""
        return self.counts["new"]

    @property
    def heard_at(self) -> float | None:
        """When any of them was last heard, in Unix seconds."""
        heard = [node for node in self.nodes.values() if node.heard_at is not None]
        return max(heard, key=lambda node: node.heard_steady).heard_at if heard else None

    @property
    def sums(self) -> Mapping[str, Sum]:
        """The numbers of the nodes that are up; counted when asked for after a change."""
        if self._summed[0] != self.changes:
            self._summed = self.changes, self._sum()
        return self._summed[1]

    def add(self, name: str, *, configured: bool) -> NodeState:
        """Add a node that is not there yet."""
        node = self.nodes[name] = NodeState(self._world, self, name, configured=configured)
        self.counts["new"] += 1
        return node

    def forget(self) -> int:
        """Drop the nodes and metrics whose time is over; returns how many nodes."""
        gone = [name for name, node in self.nodes.items() if node.is_forgotten()]
        for name in gone:
            self.nodes.pop(name).leave()
        for node in self.nodes.values():
            node.forget_metrics()
        self.changes += 1
        return len(gone)

    def _sum(self) -> dict[str, Sum]:
        alike: dict[Shape, list[NodeState]] = {}
        for node in self.nodes.values():
            if node.state == "up":
                alike.setdefault(node.shape, []).append(node)
        return summary.together(
            summary.columns(shape.names, (node.numbers for node in nodes))
            for shape, nodes in alike.items()
        )
