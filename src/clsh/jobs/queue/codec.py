"""Requests and places as text: JSON without what is not said, indexes as ranges. Pure."""

from __future__ import annotations

import functools
import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, cast

from clsh.jobs.model import Place, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_TUPLES = ("argv", "send", "nodes", "restart_argv", "notify")


def encode(request: Request) -> str:
    """Return a request as JSON; what is as it would be unsaid is left out."""
    said: dict[str, object] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(request, name)
        if value != default:
            said[name] = dict(value) if name == "environment" else value
    if request.array:
        said["array"] = ranges(request.array)
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


@functools.lru_cache(maxsize=32)
def decode(text: str) -> Request:
    """Return the request; fields that a newer version wrote are left out."""
    said: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in _DEFAULTS}
    for name in _TUPLES:
        if name in said:
            said[name] = tuple(said[name])
    if "after" in said:
        said["after"] = tuple((int(job), when) for job, when in said["after"])
    if "array" in said:
        said["array"] = tuple(numbers(said["array"]))
    return Request(**said)


def array_of(text: str) -> Sequence[int]:
    """Return the array of a request; one span is a range, which finds an index at once."""
    said = str(json.loads(text).get("array", ""))
    parts = said.split(",")
    if len(parts) == 1 and "-" in parts[0]:
        return _span(parts[0])
    return tuple(numbers(said)) if said else ()


def ranges(indexes: Sequence[int]) -> str:
    """Return indexes in their order: `0-9,20-40:5,7`."""
    parts: list[str] = []
    at = 0
    while at < len(indexes):
        step = indexes[at + 1] - indexes[at] if at + 1 < len(indexes) else 1
        end = at
        while step > 0 and end + 1 < len(indexes) and indexes[end + 1] - indexes[end] == step:
            end += 1
        if end - at < 2:
            parts.append(str(indexes[at]))
            at += 1
            continue
        parts.append(f"{indexes[at]}-{indexes[end]}" + (f":{step}" if step > 1 else ""))
        at = end + 1
    return ",".join(parts)


def numbers(text: str) -> Iterable[int]:
    """Yield what `ranges` wrote."""
    for part in text.split(","):
        if "-" in part:
            yield from _span(part)
        else:
            yield int(part)


def _span(part: str) -> range:
    span, _, step = part.partition(":")
    first, _, last = span.partition("-")
    return range(int(first), int(last) + 1, int(step or 1))


def encode_places(places: Iterable[Place]) -> str:
    """Return places as text: `node1 node2*4`."""
    return " ".join(p.node if p.ranks == 1 else f"{p.node}*{p.ranks}" for p in places)


@functools.lru_cache(maxsize=1024)
def decode_places(text: str) -> tuple[Place, ...]:
    """Return what `encode_places` wrote."""
    found: list[Place] = []
    for word in text.split():
        node, _, ranks = word.partition("*")
        found.append(Place(node, int(ranks or 1)))
    return tuple(found)


def _default(factory: Callable[[], object] | object, value: object) -> object:
    return cast("Callable[[], object]", factory)() if factory is not MISSING else value


_DEFAULTS: dict[str, object] = {
    f.name: _default(f.default_factory, f.default) for f in fields(Request)
}
