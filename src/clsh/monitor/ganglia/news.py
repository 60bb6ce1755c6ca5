"""Turn what a gmond's or gmetad's XML says into news of our own: units, ages, who is down.

One bad name, number or host is left out and told as trouble; the rest goes on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from clsh.monitor.ganglia import names, units
from clsh.monitor.ganglia.content import HostRead
from clsh.monitor.model import Metric, Report, Sample, Silent, Slope, Sum, ValueType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.ganglia.content import MetricRead, Place, Read
    from clsh.monitor.model import Value

LONGEST_TEXT = 2000  # of a string metric

_TMAX_S, _METRIC_TMAX_S = 20.0, 60
_TOLD = 20
_MOST = 1e9  # seconds or hosts
_FULLEST = "part_max_used"  # gmond's per cent of the fullest disk


class Translator:
    """Makes news of one answer: `at` is now, `name` stands in for a cluster without name.

    `known` is the catalogue: metrics in it need no definition. `stale_s` is how old a
    LOCALTIME may be: inside of a gmetad's answer it is compared with the gmetad's own, so
    that no two machines' clocks are. `troubles` says in words what is wrong.
    """

    def __init__(self, name: str, at: float, known: Mapping[str, Metric], stale_s: float) -> None:
        self.troubles: list[str] = []
        self._name = name
        self._at = at
        self._known = known
        self._stale_s = stale_s
        self._metrics: dict[tuple[object, ...], Metric] = {}

    def news(self, read: Read) -> Sample | Silent | Report | None:
        """Return what one host or place says; None for a place whose parts say it all."""
        return self._host(read) if isinstance(read, HostRead) else self._place(read)

    def _trouble(self, text: str) -> None:
        if text not in self.troubles and len(self.troubles) < _TOLD:
            self.troubles.append(text)

    def _host(self, host: HostRead) -> Sample | Silent | None:
        told = host.attributes.get("NAME", "")
        node, cluster = names.node(told), host.place.name or self._name
        if node is None:
            self._trouble(f"a host with the bad name {names.shown(told)} was left out")
            return None
        if not names.usable(cluster):
            self._trouble(f"a cluster with the bad name {names.shown(cluster)} was left out")
            return None
        age_s = max(0.0, _number(host.attributes, "TN", 0.0))
        tmax_s = max(1.0, _number(host.attributes, "TMAX", _TMAX_S))
        if age_s >= 4 * tmax_s:
            return Silent(cluster, node, self._at, f"nothing heard for {age_s:.0f} s")
        values: dict[str, Value] = {}
        metrics: dict[str, Metric] = {}
        ages: dict[str, float] = {}
        for metric in host.metrics:
            self._value(metric, f"{cluster} {node}", values, metrics)
            if (name := metric.attributes.get("NAME", "")) in values:
                ages[name] = max(0.0, _number(metric.attributes, "TN", 0.0))
        fullest = values.get(_FULLEST)
        if isinstance(fullest, float):
            values["disk_free_percent"], ages["disk_free_percent"] = 100 - fullest, ages[_FULLEST]
        return Sample(
            cluster,
            node,
            self._at,
            values,
            metrics,
            age_s,
            ages,
            host.attributes.get("IP", "")[:50],
            tmax_s,
            max(0.0, _number(host.attributes, "DMAX", 0.0)),
        )

    def _value(
        self,
        read: MetricRead,
        where: str,
        values: dict[str, Value],
        metrics: dict[str, Metric],
    ) -> None:
        attributes = read.attributes
        name, text = attributes.get("NAME", ""), attributes.get("VAL")
        if not names.usable(name) or text is None:
            self._trouble(f"{where}: the metric {names.shown(name)} was left out")
            return
        if attributes.get("TYPE") == "string":
            values[name] = text[:LONGEST_TEXT]
        else:
            number = _finite(text)
            if number is None:
                self._trouble(f"{where}: {names.shown(name)} is no number: {names.shown(text)}")
                return
            values[name] = number * (units.factor(name, attributes.get("UNITS", "")) or 1.0)
        if name not in self._known:
            metrics[name] = self._metric(read)

    def _metric(self, read: MetricRead) -> Metric:
        """Return the definition of a metric; hosts that define it the same share one."""
        attributes, extra = read.attributes, read.extra
        key = (*attributes.items(), *extra.items())
        key = tuple(pair for pair in key if pair[0] not in {"VAL", "SUM", "NUM", "TN"})
        if found := self._metrics.get(key):
            return found
        name, told = attributes.get("NAME", ""), attributes.get("UNITS", "")
        type_, slope = attributes.get("TYPE", "double"), attributes.get("SLOPE", "both")
        made = self._metrics[key] = Metric(
            name,
            next((known for known in get_args(ValueType) if known == type_), "double"),
            told.strip() if units.factor(name, told) is None else units.BYTES,
            next((known for known in get_args(Slope) if known == slope), "both"),
            int(max(1.0, _number(attributes, "TMAX", _METRIC_TMAX_S))),
            int(max(0.0, _number(attributes, "DMAX", 0))),
            extra.get("TITLE", "")[:LONGEST_TEXT],
            extra.get("GROUP", "")[:LONGEST_TEXT],
            extra.get("DESC", "")[:LONGEST_TEXT],
        )
        return made

    def _place(self, place: Place) -> Report | None:
        self._check_age(place)
        if place.hosts is None or place.inner:
            return None  # its hosts or clusters were told
        name = place.name or self._name
        if not names.usable(name):
            self._trouble(f"a grid with the bad name {names.shown(name)} was left out")
            return None
        sums: dict[str, Sum] = {}
        metrics: dict[str, Metric] = {}
        for read in place.sums:
            metric = read.attributes.get("NAME", "")
            total = _finite(read.attributes.get("SUM", ""))
            if not names.usable(metric) or total is None:
                self._trouble(f"{name}: the summary of {names.shown(metric)} was left out")
                continue
            factor = units.factor(metric, read.attributes.get("UNITS", "")) or 1.0
            sums[metric] = Sum(total * factor, int(max(0.0, _number(read.attributes, "NUM", 0))))
            if metric not in self._known:
                metrics[metric] = self._metric(read)
        up, down = (int(max(0.0, _number(place.hosts, key, 0))) for key in ("UP", "DOWN"))
        authority = place.attributes.get("AUTHORITY", "")[:LONGEST_TEXT]
        return Report(name, self._at, up, down, sums, metrics, authority)

    def _check_age(self, place: Place) -> None:
        """Tell of a LOCALTIME that is old: the only sign that what is behind it died."""
        told = _finite(place.attributes.get("LOCALTIME", ""))
        if told is None:
            return
        outer = place.outer.attributes.get("LOCALTIME", "") if place.outer else ""
        now = _finite(outer)
        age_s = (self._at if now is None else now) - told
        if age_s <= self._stale_s:
            return
        kind = f"{place.kind.lower()} {names.shown(place.name)}"
        if not place.outer:
            self._trouble(f"{kind} is {age_s:.0f} s old, or its clock is behind")
        elif told <= 0:
            self._trouble(f"{kind} was never read")
        else:
            self._trouble(f"{kind} was last read {age_s:.0f} s ago: its source died")


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _number(attributes: Mapping[str, str], key: str, default: float) -> float:
    found = _finite(attributes.get(key, ""))
    return default if found is None else min(found, _MOST)
