"""What the elements of Ganglia's XML mean: collects hosts and places, and refuses too many. Pure.

Order of attributes and elements never matters. Values stay text here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from clsh.base.errors import ClshError

Attributes = dict[str, str]


class XmlError(ClshError):
    """This is not XML of Ganglia that can be read."""


class RefusedError(XmlError):
    """The XML looks like an attack: nothing more of it is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused: more bytes, a longer tag, deeper elements, more of each kind.

    `junk` is how many bytes may pass without an element of Ganglia.
    """

    size: int = 64 << 20
    token: int = 16 << 10
    junk: int = 1 << 20
    depth: int = 12
    places: int = 1000
    hosts: int = 20_000
    metrics: int = 2000
    extras: int = 64
    mended: int = 10_000


LIMITS = Limits()


class MetricRead(NamedTuple):
    """A METRIC or METRICS element, and its EXTRA_DATA by name."""

    attributes: Attributes
    extra: Attributes


@dataclass(slots=True, eq=False)
class Place:
    """A GRID or CLUSTER; hosts in no cluster are in a place of kind `none`.

    `hosts` is what its own HOSTS element says and `sums` its METRICS; complete when the
    place is given out.
    """

    kind: Literal["GRID", "CLUSTER", "none"]
    attributes: Attributes
    outer: Place | None = None
    inner: int = 0
    hosts: Attributes | None = None
    sums: list[MetricRead] = field(default_factory=list[MetricRead])

    @property
    def name(self) -> str:
        """Its NAME as it is written."""
        return self.attributes.get("NAME", "")


@dataclass(slots=True, eq=False)
class HostRead:
    """A HOST with its metrics. It is given out before its place is complete."""

    place: Place
    attributes: Attributes
    metrics: list[MetricRead] = field(default_factory=list[MetricRead])


Read = HostRead | Place


class Content:
    """Collects hosts and places; `stack` names the open elements, `begun` is after the first."""

    def __init__(self, limits: Limits) -> None:
        self.stack: list[str] = []
        self.begun = False
        self.count = 0  # of places, hosts and metrics
        self._limits = limits
        self._ready: list[Read] = []
        self._place: Place | None = None
        self._host: HostRead | None = None
        self._metric: MetricRead | None = None
        self._hosts = self._places = self._extras = 0
        self._starts = {
            "GRID": self._open_grid,
            "CLUSTER": self._open_cluster,
            "HOST": self._open_host,
            "METRIC": self._open_metric,
            "METRICS": self._open_sum,
            "HOSTS": self._open_hosts,
            "EXTRA_ELEMENT": self._open_extra,
        }

    def take(self) -> list[Read]:
        """Return what became complete since the last time."""
        ready, self._ready = self._ready, []
        return ready

    def where(self) -> str:
        """Return in words what is open, for a trouble's text."""
        names = [f"cluster {self._place.name!r}"] if self._place else []
        if self._host:
            names.append(f"host {self._host.attributes.get('NAME', '')!r}")
        return ", ".join(names) + ": " if names else ""

    def start(self, tag: str, attributes: Attributes) -> None:
        """Take the beginning of an element; raises XmlError."""
        if not self.begun:
            if tag != "GANGLIA_XML":
                raise XmlError(f"this is XML, but not of Ganglia: it begins with {tag[:40]!r}")
            self.begun = True
        self.stack.append(tag)
        if len(self.stack) > self._limits.depth:
            raise RefusedError(f"elements more than {self._limits.depth} deep")
        if handle := self._starts.get(tag):
            handle(attributes)

    def end(self, tag: str) -> None:
        """Take the end of the element that was begun last."""
        self.stack.pop()
        if tag in {"METRIC", "METRICS"}:
            self._metric = None
        elif tag == "HOST":
            self._end_host()
        elif tag in {"CLUSTER", "GRID"} and self._place:
            self._ready.append(self._place)
            self._place = self._place.outer

    def _end_host(self) -> None:
        if self._host:
            self._ready.append(self._host)
            self._host = None

    def _open_grid(self, attributes: Attributes) -> None:
        self._open("GRID", attributes)

    def _open_cluster(self, attributes: Attributes) -> None:
        self._open("CLUSTER", attributes)

    def _open(self, kind: Literal["GRID", "CLUSTER", "none"], attributes: Attributes) -> Place:
        self.count += 1
        self._places += 1
        if self._places > self._limits.places:
            raise RefusedError(f"more than {self._limits.places} clusters")
        if self._place:
            self._place.inner += 1
        place = Place(kind, attributes, self._place)
        if kind != "none":
            self._place = place
        return place

    def _open_host(self, attributes: Attributes) -> None:
        self.count += 1
        self._hosts += 1
        if self._hosts > self._limits.hosts:
            raise RefusedError(f"more than {self._limits.hosts} hosts")
        self._end_host()  # of one whose end is missing
        place = self._place or self._open("none", {})
        place.inner += 1
        self._host = HostRead(place, attributes)

    def _open_metric(self, attributes: Attributes) -> None:
        if self._host:
            self._add(self._host.metrics, attributes)

    def _open_sum(self, attributes: Attributes) -> None:
        if self._place:
            self._add(self._place.sums, attributes)

    def _add(self, metrics: list[MetricRead], attributes: Attributes) -> None:
        if len(metrics) >= self._limits.metrics:
            raise RefusedError(f"more than {self._limits.metrics} metrics in one place")
        self.count += 1
        self._extras = 0
        self._metric = MetricRead(attributes, {})
        metrics.append(self._metric)

    def _open_hosts(self, attributes: Attributes) -> None:
        if self._place:
            self._place.hosts = attributes

    def _open_extra(self, attributes: Attributes) -> None:
        if self._metric:
            self._extras += 1
            if self._extras > self._limits.extras:
                raise RefusedError(f"more than {self._limits.extras} EXTRA_ELEMENT in a metric")
            self._metric.extra[attributes.get("NAME", "").upper()] = attributes.get("VAL", "")
