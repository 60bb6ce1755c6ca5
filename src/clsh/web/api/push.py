"""Metrics that come in by HTTP: the token, the bounds, and the two ways to write them."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from typing import TYPE_CHECKING, cast, get_args

from clsh.base.errors import UsageError
from clsh.monitor.model import Metric, Sample, ValueType
from clsh.nodes.model import node_name
from clsh.web.asking import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clsh.base.clock import Clock
    from clsh.monitor.model import Value
    from clsh.web.api.entry import Site
    from clsh.web.asking import Asked

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_TYPES: tuple[str, ...] = get_args(ValueType)
_LONGEST_TEXT = 1024
_LONGEST_UNITS = 32
_MOST_IN_ONE = 500
_MOST_OF_A_NODE = 2000
_MOST_CLUSTERS = 64
_MOST_NODES = 10_000
_PER_SECOND = 500
_FORGOTTEN_S = 86400  # a metric that is pushed no longer goes after a day
_HINT = 'send {"metrics": {"NAME": 1.5}} or lines of NAME VALUE [UNITS]'


class Rate:
    """How many pushes there may be in a second, over all clients."""

    def __init__(self, clock: Clock, per_second: int = _PER_SECOND) -> None:
        self._clock = clock
        self._per_second = per_second
        self._second = -1
        self._count = 0

    def take(self) -> None:
        """Count one; raises RefusedError (429) when this second has had its share."""
        second = int(self._clock.steady())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > self._per_second:
            raise RefusedError(
                429,
                f"more than {self._per_second} pushes in a second",
                hint="send all metrics of a node at once",
                headers={"retry-after": "1"},
            )


def check_token(header: str, tokens: Iterable[str]) -> None:
    """Raise RefusedError (401) unless an Authorization header has one of `sha256:HEX`."""
    scheme, _, token = header.partition(" ")
    digest = "sha256:" + hashlib.sha256(token.strip().encode()).hexdigest()
    # All are compared, each in constant time, so that time tells nothing.
    matches = [hmac.compare_digest(digest.encode(), one.lower().encode()) for one in tokens]
    if scheme.lower() != "bearer" or not any(matches):
        raise RefusedError(
            401,
            "this needs a token",
            hint="send Authorization: Bearer TOKEN; push_tokens in [monitor] has its sha256",
            headers={"www-authenticate": "Bearer"},
        )


async def push(site: Site, asked: Asked) -> object:
    """Take the metrics of one node."""
    site.rate.take()
    cluster, node = _checked_names(asked.text("cluster"), asked.text("node"))
    values, metrics = parse(asked.body)
    _check_room(site, cluster, node, values)
    clock = site.monitor.clock
    site.monitor.push(Sample(cluster, node, clock.unix(), values, metrics))
    site.answers.forget()
    return {"taken": len(values)}


def _checked_names(cluster: str, node: str) -> tuple[str, str]:
    try:
        return node_name(cluster), node_name(node)
    except UsageError as error:
        raise RefusedError(400, str(error), hint=error.hint) from error


def _check_room(site: Site, cluster: str, node: str, values: Mapping[str, Value]) -> None:
    """Refuse what would let pushes make the grid grow without end."""
    clusters = site.monitor.grid.clusters
    found = clusters.get(cluster)
    if found is None and len(clusters) >= _MOST_CLUSTERS:
        raise RefusedError(403, f"there are {_MOST_CLUSTERS} clusters, no more are made by a push")
    known = found.nodes.get(node) if found else None
    if known is None and sum(len(one.nodes) for one in clusters.values()) >= _MOST_NODES:
        raise RefusedError(403, f"there are {_MOST_NODES} nodes, no more are made by a push")
    if known and len(known.values.keys() | values.keys()) > _MOST_OF_A_NODE:
        raise RefusedError(403, f"{node} would have more than {_MOST_OF_A_NODE} metrics")


def parse(body: bytes) -> tuple[dict[str, Value], dict[str, Metric]]:
    """Return the values in a body and what is said of them; raises RefusedError (400)."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(400, "the body is not UTF-8", hint=_HINT) from error
    found = _of_json(text) if text.lstrip().startswith("{") else _of_lines(text)
    if not found:
        raise RefusedError(400, "there is no metric in the body", hint=_HINT)
    if len(found) > _MOST_IN_ONE:
        raise RefusedError(400, f"more than {_MOST_IN_ONE} metrics in one push")
    metrics = [_metric(name, *said) for name, said in found.items()]
    values = {name: cast("Value", value) for name, (value, _, _) in found.items()}
    return values, {metric.name: metric for metric in metrics}


_Said = tuple[object, object, object]  # value, units, type


def _of_json(text: str) -> dict[str, _Said]:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is no JSON: {error}", hint=_HINT) from error
    given = cast("dict[str, object]", parsed).get("metrics")
    if not isinstance(given, dict):
        raise RefusedError(400, "the body has no object 'metrics'", hint=_HINT)
    found: dict[str, _Said] = {}
    for name, one in cast("dict[str, object]", given).items():
        if isinstance(one, dict):
            said = cast("dict[str, object]", one)
            if set(said) - {"value", "units", "type"}:
                raise _bad(name, "has only value, units and type")
            found[name] = (said.get("value"), said.get("units", ""), said.get("type"))
        else:
            found[name] = (one, "", None)
    return found


def _of_lines(text: str) -> dict[str, _Said]:
    found: dict[str, _Said] = {}
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 1:
            raise _bad(words[0], "has no value")
        found[words[0]] = (_number_or_text(words[1]), words[2] if words[2:] else "", None)
    return found


def _number_or_text(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _metric(name: str, value: object, units: object, kind: object) -> Metric:
    """Return what a metric is; raises RefusedError for a name, value or word that cannot be."""
    if not _NAME.fullmatch(name):
        raise _bad(name, "must begin with a letter, then letters, digits and _ . : -, at most 128")
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT or not value.isprintable():
            raise _bad(name, f"must be a printable text of at most {_LONGEST_TEXT} characters")
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not _finite(value):
        raise _bad(name, "must be a finite number or a text")
    if not isinstance(units, str) or len(units) > _LONGEST_UNITS or not units.isprintable():
        raise _bad(name, f"must have printable units of at most {_LONGEST_UNITS} characters")
    usual = "string" if isinstance(value, str) else "double"
    if kind is not None and (kind not in _TYPES or (kind == "string") != (usual == "string")):
        raise _bad(name, f"cannot be of the type {str(kind)[:20]!r}")
    return Metric(
        name,
        type=cast("ValueType", kind or usual),
        units=units,
        dmax_s=_FORGOTTEN_S,
        group="custom",
    )


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _bad(name: str, must: str) -> RefusedError:
    return RefusedError(400, f"the metric {name[:40]!r} {must}", hint=_HINT, parameter=name[:40])
