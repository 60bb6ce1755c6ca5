"""`cl status`: how the manager fares, its nodes, sources and store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from clsh.base.messages import tr
from clsh.cli.render import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

HELP = "show how the manager fares: its nodes, sources and store"

_PATH = "/api/v1/status"
_NONE = 1
_STORE = "store"  # also told as a source; it has a line of its own


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the answer."""
    parser.add_argument("--json", action="store_true", help=tr("one JSON object"))


def run(args: argparse.Namespace) -> int:
    """Print it; 1 when no manager runs."""
    from clsh.cli import client

    try:
        told = cast("dict[str, Any]", client.get(_PATH))
    except client.NoManagerError:
        if not args.json:
            raise
        told = None
    if args.json:
        import json

        say(json.dumps({"running": told is not None, **(told or {})}))
        return 0 if told else _NONE
    from clsh.cli.monitoring.table import plain

    rows = list(_rows(told or {}))
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        say(f"{label:<{width}}  {plain(text)}")
    return 0


def _rows(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    facts: dict[str, str] = told["facts"]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told["started"]))
    yield tr("manager"), tr("pid {pid}, since {since}", pid=told["pid"], since=since)
    yield tr("page"), facts.get("address") or f"http://{told['listen']}/"
    if fingerprint := facts.get("fingerprint"):
        yield tr("certificate"), fingerprint
    if ways := facts.get("login"):
        yield tr("login"), ways
    yield (
        tr("nodes"),
        tr(
            "{up} up, {lost} lost, {new} not heard yet",
            up=told["up"],
            lost=told["lost"],
            new=told["new"],
        ),
    )
    if told["lost"]:
        yield from ((tr("lost"), text) for text in _lost())
        yield "", tr("`cl doctor` says what mends it")
    yield tr("alerts"), str(told["alerts"])
    yield tr("viewers"), str(told["viewers"])
    for source in told["sources"]:
        if source["source"] == _STORE:
            continue
        name, reason = source["source"], source["reason"]
        yield tr("source"), f"{name}: {tr('well') if source['ok'] else reason}"
    trouble = told["store"]["trouble"]
    size = f"{told['store']['size'] / 1e6:.1f} MB"
    yield tr("store"), f"{facts.get('store', '')}, {size}: {trouble or tr('well')}"
    yield tr("state"), facts.get("state", "")
    if ports := facts.get("ganglia"):
        yield tr("ports"), ports
    if trouble := facts.get("jobs"):
        yield tr("jobs"), trouble


def _lost() -> list[str]:
    """Return the nodes that are lost, those with the same reason together."""
    from clsh.cli import client
    from clsh.nodes.nodeset import fold

    told = cast("dict[str, list[dict[str, str]]]", client.get("/api/v1/nodes?state=lost"))
    names: dict[str, list[str]] = {}
    for row in told["nodes"]:
        # What stands in brackets, such as a key's fingerprint, is each node's own.
        names.setdefault(row["reason"].partition(" (")[0], []).append(row["name"])
    return [f"{fold(some)}: {reason}" for reason, some in names.items()]
