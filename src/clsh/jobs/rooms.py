"""What nodes have for jobs, and what our own tasks hold of it. Pure.

A load average lags: of a task that was placed t seconds ago it shows 1 - e^(-t/60). The rest
is kept here as `fresh`, so that a node that just got work is not taken for an idle one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.jobs.model import Slots

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.jobs.model import Kind, Metric, Place, Request

LAG_S = 60.0


@dataclass(frozen=True, slots=True)
class Need:
    """What decides where a task may run; tasks with the same need are placed alike.

    `slots`, `memory` and `gpus` are for each rank, of which a parallel job has `ranks`.
    """

    kind: Kind
    slots: int
    memory: int
    gpus: int
    ranks: int
    per_node: int
    metric: Metric
    nodes: tuple[str, ...]


def has_room(need: Need, rooms: Iterable[Room]) -> bool:
    """Tell whether all ranks find room now."""
    left = need.ranks
    for room in rooms:
        if not need.nodes or room.has.node in need.nodes:
            left -= room.fits(need)
            if left <= 0:
                return True
    return False


def need_of(request: Request) -> Need:
    """Return the need of each task of a job."""
    parallel = request.kind == "parallel"
    return Need(
        request.kind,
        request.slots,
        request.memory,
        request.gpus,
        request.tasks if parallel else 1,
        request.tasks_per_node if parallel else 1,
        request.metric,
        request.nodes,
    )


@dataclass(slots=True)
class Room:
    """One node: what it has, what our tasks hold, and how much of that is fresh."""

    has: Slots
    order: int
    slots: int = 0
    memory: int = 0
    gpus: int = 0
    _fresh: float = 0.0
    _fresh_at: float = 0.0

    def fits(self, need: Need) -> int:
        """Return how many ranks find room now."""
        return self._count(need, self.slots, self.memory, self.gpus)

    def could(self, need: Need) -> int:
        """Return how many ranks would find room if nothing else ran."""
        return self._count(need, 0, 0, 0)

    def fresh(self, now: float) -> float:
        """Return the slots that the load average does not show yet."""
        return self._fresh * math.exp(min(0.0, (self._fresh_at - now) / LAG_S))

    def hold(self, need: Need, ranks: int, now: float) -> None:
        """Take room for some ranks."""
        self._fresh = self.fresh(now) + need.slots * ranks
        self._fresh_at = now
        self._add(need, ranks)

    def free(self, need: Need, ranks: int) -> None:
        """Give room back."""
        self._add(need, -ranks)

    def _add(self, need: Need, ranks: int) -> None:
        self.slots += need.slots * ranks
        self.memory += need.memory * ranks
        self.gpus += need.gpus * ranks

    def _count(self, need: Need, slots: int, memory: int, gpus: int) -> int:
        count = (self.has.slots - slots) // need.slots
        if need.memory and self.has.memory:  # 0 bytes: nobody knows
            count = min(count, (self.has.memory - memory) // need.memory)
        if need.gpus:
            count = min(count, (self.has.gpus - gpus) // need.gpus)
        return max(0, min(count, need.per_node) if need.per_node else count)


class Rooms:
    """All nodes that were ever seen; `open` are those that can be used now."""

    def __init__(self) -> None:
        self._all: dict[str, Room] = {}
        self.open: list[Room] = []

    def see(self, nodes: Sequence[Slots], overrides: Mapping[str, int]) -> bool:
        """Take what nodes have now; `overrides` says slots of some. Tell what changed."""
        before = [(room.has, room.order) for room in self.open]
        self.open = []
        for order, has in enumerate(nodes):
            slots = overrides.get(has.node, has.slots)
            room = self._room(has.node)
            room.has = Slots(has.node, slots, has.memory, has.gpus)
            room.order = order
            self.open.append(room)
        return before != [(room.has, room.order) for room in self.open]

    def seen(self) -> Iterable[Room]:
        """Return the nodes of which it was ever said what they have."""
        return [room for room in self._all.values() if room.has.slots]

    def hold(self, places: Iterable[Place], need: Need, now: float) -> None:
        """Take room on nodes, those that cannot be used now included."""
        for place in places:
            self._room(place.node).hold(need, place.ranks, now)

    def free(self, places: Iterable[Place], need: Need) -> None:
        """Give back what `hold` took."""
        for place in places:
            self._room(place.node).free(need, place.ranks)

    def _room(self, node: str) -> Room:
        return self._all.setdefault(node, Room(Slots(node, 0), len(self._all)))
