"""One node: its state, what it told last, and the last hour of its numbers."""

from __future__ import annotations

import math
from array import array
from collections import deque
from typing import TYPE_CHECKING, Literal

from clsh.monitor import catalogue, summary
from clsh.monitor.grid.history import History
from clsh.monitor.model import Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.monitor.grid.cluster import Cluster
    from clsh.monitor.grid.history import Shape
    from clsh.monitor.grid.world import World
    from clsh.monitor.model import Metric, Sample, Silent, Value

State = Literal["new", "up", "lost"]

MOST_METRICS = 1000
LONGEST_TEXT = 4096
LOST_AFTER = 4  # times TMAX, as Ganglia does
DETAIL = 300  # rows of a node that is hurried: five minutes

_TMAX_S = 20.0
_NAN = math.nan


class NodeState:
    """What is known of a node.

    `since` is when its state began, `heard_at` when it was last heard (both Unix seconds),
    `reason` says why it is lost or not yet heard. Values of a node that is not up are old.
    """

    __slots__ = (
        "_cluster", "_defined", "_detail", "_expires", "_heard", "_history", "_is_heard",
        "_numbers", "_series", "_shape", "_source", "_told", "_world", "address", "configured",
        "dmax_s", "heard_at", "name", "reason", "since", "state", "tmax_s", "values",
    )  # fmt: skip

    def __init__(self, world: World, cluster: Cluster, name: str, *, configured: bool) -> None:
        self._world = world
        self._cluster = cluster
        self.name = name
        self.configured = configured
        self.address = ""
        self.state: State = "new"
        self.reason = ""
        self.since = world.clock.unix()
        self.heard_at: float | None = None
        self.tmax_s = _TMAX_S
        self.dmax_s = 0.0
        self.values: dict[str, Value] = {}
        self._heard = world.clock.steady()
        self._told: dict[str, float] = {}
        self._defined: dict[str, Metric] = {}
        self._expires: dict[str, int] = {}
        self._shape: Shape = world.shapes.of(())
        self._numbers = array("d")
        self._history: History | None = None
        self._series: tuple[Series, ...] = ()
        self._detail: deque[tuple[float, Shape, array[float]]] | None = None
        self._source = ""
        self._is_heard = False

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return self._cluster.name

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What each of its values is."""
        return {name: self._defined.get(name) or catalogue.known(name) for name in self.values}

    @property
    def cores(self) -> int | None:
        """How many CPUs it has."""
        number = self._number("cpu_num")
        return int(number) if number is not None and number >= 1 else None

    @property
    def load_share(self) -> float | None:
        """Its load of the last minute for each core: 1.0 is a node just busy."""
        load, cores = self._number("load_one"), self.cores
        return None if load is None or cores is None else load / cores

    @property
    def memory_used(self) -> float | None:
        """The bytes of memory that nothing else can have."""
        total, free = self._number("mem_total"), self._number("mem_available")
        if free is None:  # an old kernel, or Ganglia
            free = self._number("mem_free")
            for name in ("mem_buffers", "mem_cached"):
                free = None if free is None else free + (self._number(name) or 0.0)
        return None if total is None or free is None else max(0.0, total - free)

    @property
    def cpu_busy(self) -> float | None:
        """The share of its CPUs that did something, in per cent."""
        idle = self._number("cpu_idle")
        return None if idle is None else max(0.0, 100.0 - idle)

    def tn_s(self) -> float:
        """Return the seconds since it was heard, since it is known when it never was."""
        return max(0.0, self._world.clock.steady() - self._heard)

    def metric_tn_s(self, name: str) -> float:
        """Return the seconds since one of its metrics was told."""
        return max(0.0, self._world.clock.steady() - self._told.get(name, self._heard))

    def recent(self, metric: str) -> list[tuple[float, float]]:
        """Return moment and value of each tick of the last hour in memory; NaN is a gap."""
        column = self.column(metric)
        return [
            (at, _NAN if column is None else column[place])
            for place, at in self._world.moments.window()
        ]

    def detail(self, metric: str) -> list[tuple[float, float]]:
        """Return moment and value of each word of the last minutes, if the node is hurried."""
        return [
            (at, row[shape.index[metric]])
            for at, shape, row in self._detail or ()
            if metric in shape.index
        ]

    def column(self, metric: str) -> array[float] | None:
        """Return the values of a metric by the places of the ticks, None if it has none."""
        place = self._shape.index.get(metric)
        return None if place is None or self._history is None else self._history.column(place)

    # What follows is for the grid.

    @property
    def shape(self) -> Shape:
        """The names of its numbers."""
        return self._shape

    @property
    def heard_steady(self) -> float:
        """When it was last heard, on the steady clock."""
        return self._heard

    @property
    def numbers(self) -> array[float]:
        """Its numbers in the order of the shape; those of a node that is not up are old."""
        return self._numbers

    @property
    def series(self) -> tuple[Series, ...]:
        """Its lines, in the order of the shape."""
        return self._series

    def hear(self, sample: Sample, source: str) -> None:
        """Take what it told; whatever says so, it is heard."""
        age = _between(sample.age_s, 0.0, 1e9, otherwise=0.0)
        told = self._world.clock.steady() - age
        if not self._is_heard or told >= self._heard:
            self._is_heard = True
            self._heard = told
            self.heard_at = self._world.clock.unix() - age
            self._source = source
        self.tmax_s = _between(sample.tmax_s, 1.0, 86400.0, otherwise=_TMAX_S)
        self.dmax_s = _between(sample.dmax_s, 0.0, 1e9, otherwise=0.0)
        self.address = sample.address[:253] or self.address
        self._take(sample, told)
        for name, metric in sample.metrics.items():
            if name in self.values:
                self._define(name, metric)
        if self.tn_s() <= LOST_AFTER * self.tmax_s:
            self._become("up", "")
        else:
            self._become("lost", self._unheard())
        if self._detail is not None:
            row = self._world.clock.unix(), self._shape, array("f", self._numbers)
            self._detail.append(row)

    def miss(self, silent: Silent, source: str) -> None:
        """Take that it could not be heard, unless another source hears it."""
        if self.state == "up" and (self._source != source or not silent.lost):
            return
        if silent.lost:
            self._become("lost", silent.reason[:LONGEST_TEXT])
        self.reason = silent.reason[:LONGEST_TEXT]

    def check(self) -> None:
        """Be lost when there was no word for too long."""
        if self.state != "lost" and self.tn_s() > LOST_AFTER * self.tmax_s:
            self._become("lost", self.reason or self._unheard())

    def excuse(self, seconds: float) -> None:
        """Do not count a time in which we did not listen."""
        self._heard += seconds

    def is_forgotten(self) -> bool:
        """Tell whether its time is over: only of a node that nobody configured."""
        if self.configured:
            return False
        if not self._is_heard:  # it is known from before a restart, or as silent
            return self.tn_s() > LOST_AFTER * self.tmax_s
        return 0 < self.dmax_s < self.tn_s()

    def forget_metrics(self) -> None:
        """Drop the metrics whose DMAX is over."""
        gone = {name for name, dmax in self._expires.items() if self.metric_tn_s(name) > dmax}
        for name in gone:
            self._drop(name)
        if gone & self._shape.index.keys():
            self._reshape(name for name in self._shape.names if name not in gone)

    def remember(self, at: float, values: Mapping[str, float]) -> None:
        """Take values that it had before a restart; its state stays as it is."""
        age = max(0.0, self._world.clock.unix() - at)
        told = self._world.clock.steady() - age
        for name, value in values.items():
            self.values[name] = value
            self._told[name] = told
        self.heard_at = at
        self._reshape(values)

    def hurry(self, *, on: bool) -> None:
        """Keep every word of the last minutes, or no longer."""
        if not on:
            self._detail = None
        elif self._detail is None:
            self._detail = deque(maxlen=DETAIL)

    def write(self, place: int) -> array[float]:
        """Write its row of a tick and return it: its numbers, or NaN when it is not up."""
        row = self._numbers if self.state == "up" else self._shape.nothing
        if row:
            if self._history is None:
                self._history = History(self._world.moments.size, len(row))
            self._history.write(place, row)
        return row

    def leave(self) -> None:
        """Give back what it has of the grid's room."""
        self._world.series -= len(self._shape.names)
        self._cluster.counts[self.state] -= 1
        self._world.lay_out_anew()

    def _number(self, name: str) -> float | None:
        value = self.values.get(name)
        return value if isinstance(value, float) else None

    def _unheard(self) -> str:
        return f"not heard for more than {LOST_AFTER * self.tmax_s:g} s"

    def _become(self, state: State, reason: str) -> None:
        if state != self.state:
            self._cluster.counts[self.state] -= 1
            self._cluster.counts[state] += 1
            self.state = state
            self.since = self._world.clock.unix()
        self.reason = reason

    def _drop(self, name: str) -> None:
        for known in (self.values, self._told, self._defined, self._expires):
            known.pop(name, None)

    def _define(self, name: str, metric: Metric) -> None:
        if self._defined.get(name) != metric:
            self._defined[name] = metric
            self._expires.pop(name, None)
            if metric.dmax_s > 0:
                self._expires[name] = metric.dmax_s

    def _take(self, sample: Sample, told: float) -> None:
        """Keep what is told: text, numbers that can be summed; of other numbers nothing."""
        index, numbers = self._shape.index, self._numbers
        fresh: list[str] = []
        for name, value in self._newer(sample, told):
            number = summary.number(value)
            place = index.get(name)
            if number is None and not isinstance(value, str):
                self._drop(name)
            elif name in self.values or self._has_room(name):
                self.values[name] = str(value)[:LONGEST_TEXT] if number is None else number
                self._told[name] = told - self._age(sample, name)
                if place is None and number is not None:
                    fresh.append(name)
            if place is not None:
                numbers[place] = _NAN if number is None else number
        if fresh and (room := self._world.room(len(fresh), self.name)):
            self._reshape((*self._shape.names, *fresh[:room]))

    def _newer(self, sample: Sample, told: float) -> Iterable[tuple[str, Value]]:
        """Return the values that are not older than what is known of them."""
        if not sample.ages and not sample.age_s:
            return sample.values.items()
        return [
            (name, value)
            for name, value in sample.values.items()
            if told - self._age(sample, name) >= self._told.get(name, -math.inf) - self.tmax_s
        ]

    def _age(self, sample: Sample, name: str) -> float:
        if not sample.ages:
            return 0.0
        own = sample.ages.get(name, sample.age_s)
        return _between(own - sample.age_s, -1e9, 1e9, otherwise=0.0)

    def _has_room(self, name: str) -> bool:
        if max(len(self.values), len(self._shape.names)) >= MOST_METRICS:
            self._world.refuse(f"{self.name} tells more than {MOST_METRICS:,} metrics")
            return False
        if len(name) > 255 or not name.isprintable() or "/" in name or not name:
            self._world.refuse(f"{self.name} tells a metric with a bad name: {name[:80]!r}")
            return False
        return True

    def _reshape(self, names: Iterable[str]) -> None:
        """Give its row other columns; the hour in memory keeps those that stay."""
        old, self._shape = self._shape, self._world.shapes.of(names)
        new: Sequence[str] = self._shape.names
        self._world.series += len(new) - len(old.names)
        self._numbers = array("d", [_NAN if (v := self._number(n)) is None else v for n in new])
        self._series = tuple(Series(self.cluster, self.name, name) for name in new)
        if self._history is not None:
            self._history = self._history.reshaped(old.names, new)
        self._world.lay_out_anew()


def _between(value: float, low: float, high: float, *, otherwise: float) -> float:
    """Return a number that somebody told, if it is one of these."""
    return value if low <= value <= high else otherwise
