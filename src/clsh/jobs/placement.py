"""Which nodes for which task: the lowest score of those that have room, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.base.units import as_size
from clsh.jobs.model import Place
from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from clsh.jobs.model import Metric
    from clsh.jobs.rooms import Need, Room
    from clsh.nodes.model import NodeLoad

POINT_S = 600.0
"""A point of priority is worth so many seconds of waiting: so whatever waits gets its turn."""

STALE_S = 60.0
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """Places and how they were chosen; without places, why the task waits."""

    places: tuple[Place, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What placement looks at besides room; `last` is the order of the node that had its turn."""

    loads: Mapping[str, NodeLoad]
    now: float
    last: int = -1


def rank(priority: int, submitted: float, job: int) -> tuple[float, int]:
    """Return the place of a job in the queue, the lowest first.

    All who wait grow older alike, so it never changes.
    """
    return (submitted - priority * POINT_S, job)


def choose(need: Need, rooms: Sequence[Room], moment: Moment) -> Choice:
    """Return where a task is to run now: all its ranks, or none."""
    wanted = _wanted(need, rooms)
    fitting = [(room, count) for room in wanted if (count := room.fits(need))]
    if sum(count for _, count in fitting) < need.ranks:
        return Choice((), _waits(need, wanted, fitting))
    if need.ranks == 1 and need.metric in _SCORES:
        best = min(fitting, key=lambda one: _key(need, one[0], moment))[0]
        return Choice((Place(best.has.node),), _why(need.metric, [best], len(fitting), moment))
    ordered = _ordered(need, fitting, moment)
    places: list[Place] = []
    left = need.ranks
    for room, count in ordered:
        taken = min(count, left)
        places.append(Place(room.has.node, taken))
        left -= taken
        if not left:
            break
    rooms_taken = [room for room, _ in ordered[: len(places)]]
    return Choice(tuple(places), _why(need.metric, rooms_taken, len(fitting), moment))


def never(need: Need, seen: Iterable[Room], others: Collection[str] = ()) -> tuple[str, str]:
    """Return which field of a request no node can ever meet, and why; two "" if some can.

    `others` are nodes that exist, of which it is not known what they have.
    """
    rooms = list(seen)
    known = {room.has.node for room in rooms} | set(others)
    if unknown := [node for node in need.nodes if known and node not in known]:
        return "nodes", tr("there is no node {node}", node=unknown[0])
    wanted = _wanted(need, rooms)
    if not rooms or any(not need.nodes or node in need.nodes for node in others):
        return "", ""
    where = tr("none of the named nodes has") if need.nodes else tr("no node has")
    for name, asked, has, words in (
        ("slots", need.slots, max(room.has.slots for room in wanted), _cores(need.slots)),
        ("memory", need.memory, _most_memory(wanted), as_size(need.memory)),
        ("gpus", need.gpus, max(room.has.gpus for room in wanted), _gpus(need.gpus)),
    ):
        if asked > has:
            return name, f"{where} {words}"
    count = sum(room.could(need) for room in wanted)
    if count < need.ranks:
        field = "tasks" if need.kind == "parallel" else "slots"
        return field, tr(
            "there is room for {count} of {ranks} tasks, even when nothing else runs",
            count=count,
            ranks=need.ranks,
        )
    return "", ""


def reserved(need: Need, rooms: Sequence[Room]) -> list[Room]:
    """Return the nodes that are kept free for a task that has waited too long."""
    return [room for room in _wanted(need, rooms) if room.could(need)]


def _wanted(need: Need, rooms: Iterable[Room]) -> list[Room]:
    if not need.nodes:
        return list(rooms)
    names = set(need.nodes)
    return [room for room in rooms if room.has.node in names]


def _most_memory(rooms: Iterable[Room]) -> float:
    return max(room.has.memory or float("inf") for room in rooms)


def _ordered(need: Need, fitting: list[tuple[Room, int]], moment: Moment) -> list[tuple[Room, int]]:
    """Return the nodes in the order in which they are filled."""
    if need.metric == "named":
        turn = {node: at for at, node in enumerate(need.nodes)}
        return sorted(fitting, key=lambda one: turn.get(one[0].has.node, len(turn)))
    if need.metric == "round-robin":
        by_order = sorted(fitting, key=lambda one: one[0].order)
        later = [one for one in by_order if one[0].order > moment.last]
        return later + by_order[: len(by_order) - len(later)]
    return sorted(fitting, key=lambda one: _key(need, one[0], moment))


def _key(need: Need, room: Room, moment: Moment) -> tuple[bool, float, float, int]:
    """Return what nodes are compared by; those without figures come last."""
    score = _SCORES[need.metric](room, moment)
    return (score is None, score or 0.0, _held(room), room.order)


def _held(room: Room) -> float:
    return room.slots / max(1, room.has.slots)


def _load(room: Room, moment: Moment) -> float | None:
    load = _figures(room, moment)
    if load is None:
        return None
    return (load.load_one + room.fresh(moment.now)) / max(1.0, load.cores)


def _queue(room: Room, moment: Moment) -> float | None:
    load = _figures(room, moment)
    if load is None:
        return None
    return (load.runnable + room.fresh(moment.now)) / max(1.0, load.cores)


def _load_and_memory(room: Room, moment: Moment) -> float | None:
    load = _figures(room, moment)
    busy = _load(room, moment)
    if load is None or busy is None:
        return None
    used = 1 - load.mem_available / load.mem_total if load.mem_total else 0.0
    held = room.memory / room.has.memory if room.has.memory else 0.0
    return busy + max(used, held)


def _free(room: Room, _: Moment) -> float | None:
    return _held(room)


def _figures(room: Room, moment: Moment) -> NodeLoad | None:
    load = moment.loads.get(room.has.node)
    return load if load is not None and load.age_s <= STALE_S else None


_SCORES: dict[Metric, Callable[[Room, Moment], float | None]] = {
    "load": _load,
    "queue": _queue,
    "load+memory": _load_and_memory,
    "free": _free,
}


def _why(metric: Metric, rooms: Sequence[Room], of: int, moment: Moment) -> str:
    if metric == "named":
        return tr("{nodes}: named in the request", nodes=_names(rooms))
    if metric == "round-robin":
        return tr("{nodes}: next in turn of {of}", nodes=_names(rooms), of=of)
    scored = ", ".join(_scored(metric, room, moment) for room in rooms[:_SHOWN])
    more = f", ... ({len(rooms)})" if len(rooms) > _SHOWN else ""
    return tr("{scored}, the lowest of {of}", scored=f"{scored}{more}", of=of)


def _scored(metric: Metric, room: Room, moment: Moment) -> str:
    score = _SCORES[metric](room, moment)
    if score is None:
        return tr(
            "{node}: no load figures, {held} of {has} cores taken",
            node=room.has.node,
            held=room.slots,
            has=room.has.slots,
        )
    return tr("{node}: score {score}", node=room.has.node, score=f"{score:.2f}")


def _waits(need: Need, wanted: Sequence[Room], fitting: Sequence[tuple[Room, int]]) -> str:
    if not wanted:
        named = tr("{nodes} cannot be used now", nodes=_folded(need.nodes))
        return named if need.nodes else tr("no node can be used now")
    could = [room for room in wanted if room.could(need)]
    asked = _asked(need)
    if not could:
        return tr("needs {asked}: no node that can be used now has it", asked=asked)
    if need.kind == "parallel":
        found = sum(count for _, count in fitting)
        return tr(
            "needs {ranks} x {asked} at once: there is room for {found}",
            ranks=need.ranks,
            asked=asked,
            found=found,
        )
    if len(could) == 1:
        return tr("needs {asked}: {nodes} is busy", asked=asked, nodes=_names(could))
    return tr("needs {asked}: {nodes} are busy", asked=asked, nodes=_names(could))


def _asked(need: Need) -> str:
    parts = [_cores(need.slots)]
    if need.memory:
        parts.append(as_size(need.memory))
    if need.gpus:
        parts.append(_gpus(need.gpus))
    return ", ".join(parts)


def _cores(count: int) -> str:
    return tr("1 core") if count == 1 else tr("{count} cores", count=count)


def _gpus(count: int) -> str:
    return tr("1 GPU") if count == 1 else tr("{count} GPUs", count=count)


def _names(rooms: Sequence[Room]) -> str:
    return _folded([room.has.node for room in rooms])


def _folded(nodes: Sequence[str]) -> str:
    return ", ".join(nodes) if len(nodes) <= _SHOWN else fold(nodes)
