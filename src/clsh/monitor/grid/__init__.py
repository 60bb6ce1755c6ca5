"""The living picture: what each node told last, and the last hour of it in memory."""

from clsh.monitor.grid.cluster import Cluster
from clsh.monitor.grid.node import NodeState, State
from clsh.monitor.grid.picture import Grid

__all__ = ["Cluster", "Grid", "NodeState", "State"]
