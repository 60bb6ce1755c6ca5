"""VictoriaMetrics as the store: ticks go to its import, lines come from its query_range.

A metric `load_one.num` of ours is `clsh_load_one:2enum` there, with the labels `cluster` and
`node`: `:` and two digits stand for a byte that may not be in a name. Start it with
`-dedup.minScrapeInterval=1ms`, else a tick that is sent twice counts twice.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import urllib.parse
from array import array
from typing import TYPE_CHECKING, Any, cast

from clsh.base.messages import tr
from clsh.monitor.chunks.steps import steps
from clsh.monitor.model import Layout, Line, Series, Tick, no_line
from clsh.monitor.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clsh.monitor.chunks.steps import Steps
    from clsh.monitor.store import Store, StoreContext

_PREFIX = "clsh_"
_OURS = '{__name__=~"clsh_.+"}'
_WRITE_S, _READ_S = 10, 30
_DAY_S, _YEAR_S = 86_400, 366 * 86_400
_NAMES = 6000  # characters of node names in one query, which may have 16,384
_LOOK_BACK = ("10m", "1h", "1d", "30d")


def build(context: StoreContext) -> Store:
    """Use the server at `context.url`; raises StoreError when that is no URL."""
    return VictoriaMetricsStore(context)


def metric_name(metric: str) -> str:
    """Return the name of a metric there; `our_name` turns it back."""
    return _PREFIX + "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte == 0x5F else f":{byte:02x}"
        for byte in metric.encode("utf-8", "surrogateescape")
    )


def our_name(name: str) -> str:
    """Return the metric that has a name there."""
    found = re.sub(
        rb":([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), name.removeprefix(_PREFIX).encode()
    )
    return found.decode("utf-8", "surrogateescape")


def quoted(text: str) -> str:
    """Return a label's value or a string in a query, quoted."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class VictoriaMetricsStore:
    """See `clsh.monitor.store.Store`; the server keeps as long as it was told to."""

    def __init__(self, context: StoreContext) -> None:
        self._url = context.url.rstrip("/")
        parts = urllib.parse.urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise StoreError(
                f"store_url is {context.url!r}, not a URL",
                hint='as in store_url = "http://127.0.0.1:8428"',
            )
        self._parts = parts
        self._clock = context.clock
        self._interval_ms = max(1, round(context.interval_s * 1000))
        self._layout: Layout | None = None
        self._heads: list[str] = []
        self._trouble = ""

    def append(self, tick: Tick) -> None:
        """See Store.append; a server that is away refuses the tick."""
        if tick.layout is not self._layout:
            self._heads = [_head(name) for name in tick.layout.series]
            self._layout = tick.layout
        moment = f" {round(tick.at * 1000)}\n"
        lines = [
            f"{head}{value!r}{moment}"
            for head, value in zip(self._heads, tick.values, strict=True)
            if math.isfinite(value)
        ]
        body = "".join(lines).encode("utf-8", "replace")
        self._ask("/api/v1/import/prometheus", body, _WRITE_S)

    def range(self, series: Sequence[Series], start: float, end: float, points: int) -> list[Line]:
        """See Store.range."""
        over = steps(start, end, points, self._interval_ms, self._interval_ms)
        lines = {name: _empty(over) for name in series}
        for query, function, place in self._queries(series, over):
            window = f"{function}_over_time({query}[{over.step}ms])"
            for result in self._matrix(window, over):
                line = lines.get(_series(result["metric"], query))
                for at, value in result["values"] if line else ():
                    step = (round(at * 1000) + 1 - over.first) // over.step - 1
                    if line and 0 <= step < over.points:
                        (line.average, line.low, line.high)[place][step] = float(value)
        return [lines[name] for name in series]

    def latest(self) -> Tick | None:
        """See Store.latest: the newest of the last 30 days."""
        for window in _LOOK_BACK:
            query = f"max(tlast_over_time({_OURS}[{window}]))"
            newest = self._vector(query, self._clock.unix())
            if newest:
                at = float(newest[0]["value"][1])
                found = self._vector(f"last_over_time({_OURS}[1ms])", at)
                values = {_series(one["metric"]): float(one["value"][1]) for one in found}
                return Tick(at, Layout(tuple(values)), array("d", values.values()))
        return None

    def known(self) -> list[Series]:
        """See Store.known: those of the last year."""
        now = self._clock.unix()
        span = {"start": f"{now - _YEAR_S:.0f}", "end": f"{now + _DAY_S:.0f}"}
        data = self._json("/api/v1/series", {"match[]": _OURS, **span})
        return [_series(labels) for labels in cast("list[dict[str, str]]", data)]

    def trouble(self) -> str:
        """See Store.trouble: why the last question failed."""
        return self._trouble

    def size(self) -> int:
        """See Store.size: the server's disk is not ours to know."""
        return 0

    def close(self) -> None:
        """See Store.close: each question has its own connection."""

    def _queries(self, series: Iterable[Series], over: Steps) -> Iterable[tuple[str, str, int]]:
        """Yield selectors that together match all series, each with the three functions."""
        wanted: dict[tuple[str, str], list[str]] = {}
        for cluster, node, metric in dict.fromkeys(series) if over.points else ():
            wanted.setdefault((metric, cluster), []).append(node)
        for (metric, cluster), nodes in wanted.items():
            head = f"__name__={quoted(metric_name(metric))},cluster={quoted(cluster)}"
            for some in _portions(nodes):
                pattern = quoted("|".join(map(re.escape, some)))
                for place, function in enumerate(("avg", "min", "max")):
                    yield f"{{{head},node=~{pattern}}}", function, place

    def _matrix(self, query: str, over: Steps) -> list[dict[str, Any]]:
        """Ask for one value a step, each of the time from its begin to 1 ms before the next."""
        first = over.first + over.step - 1
        asked = {
            "query": query,
            "start": f"{first / 1000:.3f}",
            "end": f"{(over.end - 1) / 1000:.3f}",
            "step": f"{over.step}ms",
            "nocache": "1",  # else it moves the steps
        }
        return _result(self._json("/api/v1/query_range", asked))

    def _vector(self, query: str, at: float) -> list[dict[str, Any]]:
        asked = {"query": query, "time": f"{at:.3f}", "nocache": "1"}
        return _result(self._json("/api/v1/query", asked))

    def _json(self, path: str, asked: dict[str, str]) -> object:
        body = urllib.parse.urlencode(asked).encode()
        answer = self._ask(path, body, _READ_S)
        try:
            return json.loads(answer)["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._failed(f"{path} answers {answer[:200]!r}") from error

    def _ask(self, path: str, body: bytes, timeout_s: float) -> bytes:
        """Return the answer to a POST; raises StoreError and remembers why."""
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        connection = kind[self._parts.scheme](
            cast("str", self._parts.hostname), self._parts.port, timeout=timeout_s
        )
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            connection.request("POST", self._parts.path + path, body, form)
            response = connection.getresponse()
            answer: bytes = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if response.status >= 300:
            text = answer[:200].decode("utf-8", "replace").strip()
            raise self._failed(f"{path}: {response.status} {text}")
        self._trouble = ""
        return answer

    def _failed(self, reason: str) -> StoreError:
        self._trouble = tr("the store at {url} fails: {reason}", url=self._url, reason=reason)
        return StoreError(self._trouble, hint="is VictoriaMetrics running there?")


def _head(name: Series) -> str:
    """Return how a line of the import begins."""
    labels = f"cluster={quoted(name.cluster)},node={quoted(name.node)}"
    return f"{metric_name(name.metric)}{{{labels}}} "


def _series(labels: dict[str, str], query: str = "") -> Series:
    """Return whose labels these are; avg_over_time leaves out the name, which the query has."""
    name = labels.get("__name__") or query.partition('"')[2].partition('"')[0]
    return Series(labels.get("cluster", ""), labels.get("node", ""), our_name(name))


def _result(data: object) -> list[dict[str, Any]]:
    return cast("dict[str, list[dict[str, Any]]]", data)["result"]


def _empty(over: Steps) -> Line:
    return no_line(over.first / 1000, over.step / 1000, over.points)


def _portions(nodes: list[str]) -> Iterable[list[str]]:
    """Yield the nodes in portions that a query may name."""
    some: list[str] = []
    size = 0
    for node in nodes:
        if some and size + len(node) > _NAMES:
            yield some
            some, size = [], 0
        some.append(node)
        size += len(re.escape(node)) + 1
    if some:
        yield some
