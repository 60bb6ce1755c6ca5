"""`cl metrics`: what a node measures now, and one metric over time as a chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from clsh.base.errors import ClshError, UsageError
from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

    from clsh.cli.monitoring.chart import Stretch
    from clsh.cli.monitoring.table import Column

HELP = "what a node measures, now or over time as a chart"

_AGO = re.compile(r"-?(\d{1,9}[smhdwy])", re.ASCII)
_HIGHEST, _LOWEST = 16, 6
_JSON_POINTS = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a node, a metric and a time."""
    parser.add_argument("node", metavar="NODE", help=tr("a node, or CLUSTER/NODE"))
    parser.add_argument(
        "metric", metavar="METRIC", nargs="?", help=tr("draw this metric (default: list all)")
    )
    parser.add_argument(
        "--since", metavar="TIME", default="1h", help=tr("30m, 6h, 1d, 2w, 1y, a date (1h)")
    )
    parser.add_argument("--until", metavar="TIME", default="now", help=tr("likewise (now)"))
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Print values or a chart; raises ClshError when the manager knows no such node or metric."""
    since, until = _moment("--since", args.since), _moment("--until", args.until)
    cluster, node = _found(args.node)
    if args.metric is None:
        return _values(cluster, node, json=args.json)
    return _chart(args, {"cluster": cluster, "node": node, "start": since, "end": until})


def _moment(option: str, text: str) -> str:
    """Return a time as the API takes it: how long ago, or in Unix seconds."""
    from datetime import datetime

    if text == "now" or re.fullmatch(r"\d{9,11}", text, re.ASCII):
        return text
    if ago := _AGO.fullmatch(text):
        return f"-{ago[1]}"
    try:
        return f"{datetime.fromisoformat(text).astimezone().timestamp():.0f}"
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} cannot be {text!r}", hint="such as 30m, 6h, 1d, 2w, 1y or 2026-01-31T12:00"
        ) from None


def _found(text: str) -> tuple[str, str]:
    """Return cluster and name of the node that is meant."""
    from clsh.cli.monitoring.feed import nodes_of_manager

    cluster, slash, node = text.rpartition("/")
    known = nodes_of_manager()
    places = [
        row.cluster for row in known if row.node == node and (not slash or row.cluster == cluster)
    ]
    if not places:
        from clsh.base.config import nearest

        raise ClshError(
            f"the manager knows no node {text!r}", hint=nearest(node, [row.node for row in known])
        )
    if len(places) > 1:
        choice = ", ".join(f"{place}/{node}" for place in places)
        raise UsageError(f"several clusters have a node {node!r}", hint=f"write one of: {choice}")
    return places[0], node


def _values(cluster: str, node: str, *, json: bool) -> int:
    from clsh.cli import client
    from clsh.cli.monitoring import table, telling
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say

    path = f"/api/v1/clusters/{quote(cluster, safe='')}/nodes/{quote(node, safe='')}"
    rows = objects(client.get(path), "metrics")
    if json:
        from json import dumps

        for row in rows:
            say(dumps(row))
        return 0
    group, places = "", telling.places()
    for line, row in zip(
        table.lines(_columns(), rows, places and places - 2)[1:], rows, strict=True
    ):
        if row.get("group") != group:
            group = str(row.get("group") or "")
            say(table.plain(group) or "-")
        say(f"  {line}")
    return 0


def _columns() -> list[Column[dict[str, object]]]:
    from clsh.cli.monitoring.figures import value
    from clsh.cli.monitoring.table import Column

    def shown(row: dict[str, object]) -> str:
        return value(cast("float | str | None", row.get("value")), str(row.get("units") or ""))

    return [
        Column("name", "METRIC", lambda row: str(row.get("name")), number=False),
        Column("value", "VALUE", shown, number=False),
        Column("title", "TITLE", lambda row: str(row.get("title") or ""), number=False),
    ]


def _chart(args: argparse.Namespace, asked: dict[str, str]) -> int:
    import shutil

    from clsh.cli import client
    from clsh.cli.monitoring import chart
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say

    columns, lines = shutil.get_terminal_size()
    ascii_only = _is_ascii()
    points = _JSON_POINTS if args.json else chart.columns(columns, ascii_only=ascii_only)
    query = urlencode({"metric": args.metric, **asked, "points": points})
    answer = client.get(f"/api/v1/range?{query}")
    for series in objects(answer, "series"):
        head = cast("dict[str, object]", answer)
        if args.json:
            import json

            say(json.dumps({"start": head["start"], "step": head["step"], **series}))
            return 0
        stretch = _stretch(head, series)
        height = max(_LOWEST, min(_HIGHEST, lines - 4))
        for line in _drawn(args, series, stretch, (columns, height), ascii_only=ascii_only):
            say(line)
        return 0
    raise ClshError(f"the manager knows no metric {args.metric!r} of {asked['node']}")


def _drawn(
    args: argparse.Namespace,
    series: dict[str, object],
    stretch: Stretch,
    size: tuple[int, int],
    *,
    ascii_only: bool,
) -> list[str]:
    from clsh.cli.monitoring import chart
    from clsh.cli.monitoring.figures import moment, value
    from clsh.cli.monitoring.table import cut, plain

    units = plain(str(series.get("units") or ""))
    bytewise = units.startswith("bytes")
    drawn = chart.draw(
        stretch,
        size,
        lambda number: value(number, "" if units == "s" else units),
        ascii_only=ascii_only,
        step=1024 if bytewise else 1000,
    )
    told = chart.summary(stretch.average)
    if not drawn or told is None:
        raise ClshError(
            f"nothing is known of {args.metric!r} of {args.node!r} in that time",
            hint=f"cl metrics {args.node} lists what it measures",
        )
    head = f"{args.metric}  {args.node}  {moment(stretch.start)} - {moment(stretch.end)}"
    lowest = min(one for one in stretch.low if one is not None)
    highest = max(one for one in stretch.high if one is not None)
    foot = tr(
        "last {last}   average {average}   lowest {lowest}   highest {highest}",
        last=value(told[0], units),
        average=value(told[1], units),
        lowest=value(lowest, units),
        highest=value(highest, units),
    )
    return [cut(plain(head), size[0]), *drawn, cut(foot, size[0])]


def _stretch(head: dict[str, object], series: dict[str, object]) -> Stretch:
    from clsh.cli.monitoring.chart import Stretch

    def points(name: str) -> list[float | None]:
        return cast("list[float | None]", series[name])

    start, step = cast("float", head["start"]), cast("float", head["step"])
    average = points("average")
    return Stretch(start, start + step * len(average), average, points("low"), points("high"))


def _is_ascii() -> bool:
    """Tell whether the terminal has no braille: another encoding, or the console of Linux."""
    import os
    import sys

    utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    return not utf8 or os.environ.get("TERM") in {"linux", "dumb"}
