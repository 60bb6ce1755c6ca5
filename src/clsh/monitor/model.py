"""The values of monitoring: metrics, what a node told, what is stored.

Sizes are bytes, times Unix seconds, shares per cent; only Ganglia's wire has other units.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = float | str

ValueType = Literal[
    "string", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float", "double", "timestamp"
]
Slope = Literal["zero", "positive", "negative", "both", "unspecified", "derivative"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is, in Ganglia's terms; `tmax_s` is how often it is told at least.

    `dmax_s` is after how long without word it is forgotten, 0 never.
    """

    name: str
    type: ValueType = "double"
    units: str = ""
    slope: Slope = "both"
    tmax_s: int = 60
    dmax_s: int = 0
    title: str = ""
    group: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one node told at one moment.

    `metrics` defines what the catalogue (`clsh.monitor.catalogue`) does not know. `age_s` is
    how old the word was when it came to us, `ages` the same for single metrics. The node is
    lost after 4 * `tmax_s` without word and forgotten after `dmax_s` (0: never).
    """

    cluster: str
    node: str
    at: float
    values: Mapping[str, Value]
    metrics: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    age_s: float = 0.0
    ages: Mapping[str, float] = field(default_factory=dict[str, float])
    address: str = ""
    tmax_s: float = 20.0
    dmax_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Silent:
    """A node that could not be heard; `lost` when that is certain (its session died).

    Without `lost` the node stays up until 4 * TMAX have passed.
    """

    cluster: str
    node: str
    at: float
    reason: str
    lost: bool = True


class Sum(NamedTuple):
    """A metric over several nodes; the mean is `sum / num`."""

    sum: float
    num: int


@dataclass(frozen=True, slots=True)
class Report:
    """The summary of a grid or cluster whose nodes somebody else watches (`authority`: a URL)."""

    name: str
    at: float
    up: int
    down: int
    sums: Mapping[str, Sum]
    metrics: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How a source fares as a whole; `reason` says in words why it does not."""

    source: str
    at: float
    ok: bool
    reason: str = ""


News = Sample | Silent | Report | Health


class Series(NamedTuple):
    """The name of a line on a chart.

    Without `node` it is the summary of the cluster, without `cluster` too that of the grid;
    summaries have a line for the sum (`load_one`) and one for how many nodes are in it
    (`load_one.num`), and the lines `nodes.up` and `nodes.lost`.
    """

    cluster: str
    node: str
    metric: str


@dataclass(frozen=True)
class Layout:
    """Which series the values of a tick belong to, in order. Shared by many ticks."""

    series: tuple[Series, ...]

    @cached_property
    def index(self) -> dict[Series, int]:
        """Where each series stands."""
        return {series: place for place, series in enumerate(self.series)}


@dataclass(frozen=True, slots=True)
class Tick:
    """The values of all series at one moment: array('d'), NaN where there is none."""

    at: float
    layout: Layout
    values: array[float]


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch of one series in equal steps; NaN where nothing was heard.

    Step `i` is the time from `start + i * step_s` on, `step_s` long. All three arrays are
    array('d') of one length.
    """

    start: float
    step_s: float
    average: array[float]
    low: array[float]
    high: array[float]


def no_line(start: float, step_s: float, count: int) -> Line:
    """Return a line of `count` steps in which nothing was heard."""
    nothing = array("d", [float("nan")]) * count
    return Line(start, step_s, nothing, nothing[:], nothing[:])
