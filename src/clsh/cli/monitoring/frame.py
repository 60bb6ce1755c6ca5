"""One picture of `cl top` as the lines of a screen: summary, rows, what the keys do. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from clsh.base.messages import tr
from clsh.cli.monitoring import figures
from clsh.cli.monitoring.columns import NODES, PROCESSES
from clsh.cli.monitoring.table import cut, fit, ordered, plain, styled, width, within, without_style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.cli.monitoring.columns import NodeRow
    from clsh.cli.monitoring.table import Column
    from clsh.cli.monitoring.view import Sorting, View
    from clsh.monitor.processes import Process

Row = TypeVar("Row")
_AROUND = 5
"""Lines that are no rows: two of summary, an empty one, the head and the keys."""
_NAMING = 2
"""Columns that say which node, and its state; the numbers follow."""
_REVERSE, _BOLD, _RED = "7", "1", "31"


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known at one moment (`at`, Unix seconds).

    `processes` is None when nobody asked for them; `silent` are the nodes that gave no list
    of theirs, with the reason. `trouble` says why the picture is old.
    """

    at: float
    nodes: Sequence[NodeRow]
    processes: Sequence[Process] | None = None
    silent: Mapping[str, str] = field(default_factory=dict[str, str])
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Shown(Generic[Row]):
    """The columns that fit into a width, how wide each is, and the gap between them."""

    columns: Sequence[Column[Row]]
    widths: Sequence[int]
    gap: int


def page(lines: int) -> int:
    """Return how many rows a screen of so many lines has; one line says what is left out."""
    return max(1, lines - _AROUND - 1)


def nodes(picture: Picture, view: View) -> list[NodeRow]:
    """Return the nodes as they are shown, the whole list."""
    return _chosen(picture.nodes, NODES, view.nodes_by, view.search, lambda row: row.node)


def processes(picture: Picture, view: View) -> list[Process]:
    """Return the processes as they are shown, the whole list."""
    return _chosen(
        picture.processes or (),
        PROCESSES,
        view.processes_by,
        view.search,
        lambda row: f"{row.node} {row.user} {row.command}",
    )


def draw(
    picture: Picture, view: View, size: tuple[int, int], *, colour: bool, interval_s: float = 0
) -> list[str]:
    """Return exactly as many lines as the screen has, none wider than it is."""
    places, count = size
    if view.mode == "nodes":
        body = _body(nodes(picture, view), NODES, view, size, colour=colour, instead=_reason)
    else:
        body = _body(processes(picture, view), PROCESSES, view, size, colour=colour)
    shown = [*_summary(picture, view, places, interval_s, colour=colour), "", *body]
    shown = shown[: count - 1]
    shown += [""] * (count - 1 - len(shown))
    return [*shown, cut(_keys(view), places)] if count > 1 else [cut(_keys(view), places)]


def _chosen(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    sorting: Sorting,
    search: str,
    text: Callable[[Row], str],
) -> list[Row]:
    if search:
        wanted = search.casefold()
        rows = [row for row in rows if wanted in text(row).casefold()]
    return ordered(rows, columns[sorting.column], reverse=sorting.reverse)


def _summary(
    picture: Picture, view: View, places: int, interval_s: float, *, colour: bool
) -> list[str]:
    rows = picture.nodes
    up = [row for row in rows if row.state == "up"]
    lost = sum(row.state == "lost" for row in rows)
    told = [
        "cl top",
        time.strftime("%H:%M:%S", time.localtime(picture.at)),
        tr("{up} of {all} nodes up", up=len(up), all=len(rows)),
    ]
    if lost:
        told.append(styled(tr("{count} lost", count=lost), _RED if colour else ""))
    if view.mode == "processes":
        told += _whose(picture, view)
    if interval_s:
        told.append(tr("every {seconds} s", seconds=f"{interval_s:g}"))
    trouble = cut(plain(picture.trouble), places)
    if trouble:
        second = styled(trouble, _RED if colour else "")
    else:
        second = _joined(_totals(up), places) if up else ""
    return [_joined(told, places), second]


def _joined(parts: Sequence[str], places: int) -> str:
    """Return the parts in one line, without those at the end that do not fit as a whole."""
    line = within(parts[0], places)
    for part in parts[1:]:
        longer = f"{line}  {part}"
        if width(without_style(longer)) > places:
            break
        line = longer
    return line


def _whose(picture: Picture, view: View) -> list[str]:
    told = [
        tr("processes of {node}", node=plain(view.of.node))
        if view.of
        else tr("processes of all nodes")
    ]
    if picture.silent:
        told.append(tr("without: {nodes}", nodes=plain(", ".join(picture.silent))))
    return told


def _totals(up: Sequence[NodeRow]) -> list[str]:
    load, cores = _sum(up, "load"), _sum(up, "cores")
    busy = sum((row.cpu or 0) * (row.cores or 1) for row in up)
    used, total = _sum(up, "memory_used"), _sum(up, "memory_total")
    parts = [
        tr("load {load} of {cores} cores", load=f"{load:.2f}", cores=f"{cores:.0f}"),
        f"cpu {figures.percent(busy / cores)}" if cores else "",
        tr("mem {used} of {total}", used=figures.size(used), total=figures.size(total)),
        tr(
            "in {read}/s out {write}/s",
            read=figures.size(_sum(up, "net_in")),
            write=figures.size(_sum(up, "net_out")),
        ),
    ]
    return list(filter(None, parts))


def _sum(rows: Sequence[NodeRow], name: str) -> float:
    return sum(getattr(row, name) or 0 for row in rows)


def _body(
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    view: View,
    size: tuple[int, int],
    *,
    colour: bool,
    instead: Callable[[Row], str] = lambda _: "",
) -> list[str]:
    """Return head and rows around the marked one, and how many more there are.

    `instead` gives what stands in place of a row's numbers, "" being nothing.
    """
    places, count = size
    room = page(count)
    at = min(view.at, max(0, len(rows) - 1))
    first = max(0, min(at - room // 2, len(rows) - room))
    seen = rows[first : first + room]
    cells = [[column.text(row) for column in columns] for row in seen]
    shown = _layout(columns, cells, places)
    lines = [_head(shown, columns[view.sorting.column], places)]
    for place, (row, line) in enumerate(zip(seen, cells, strict=True), start=first):
        marked = place == at
        text = _line(shown, row, line, instead(row), colour=colour and not marked)
        lines.append(styled(fit(text, places), _REVERSE) if marked else text)
    more = len(rows) - len(seen)
    if more:
        lines.append(tr("... and {count} more", count=f"{more:,}"))
    elif not rows:
        lines.append(tr("nothing to show") if view.search else tr("nothing heard yet"))
    return [within(line, places) for line in lines]


def _layout(
    columns: Sequence[Column[Row]], cells: Sequence[Sequence[str]], places: int
) -> _Shown[Row]:
    """Return the columns that fit: those at the end are left out first, but not the last text.

    The last column of processes is the command, which takes what is left.
    """
    widths = [
        min(column.most, max(column.width, len(column.title), *(width(c[at]) for c in cells), 0))
        for at, column in enumerate(columns)
    ]
    open_end = not columns[-1].number and columns[-1].name == "command"
    if open_end:
        widths[-1] = columns[-1].width
    for gap in (2, 1):
        if sum(widths) + gap * (len(widths) - 1) <= places:
            break
    else:
        gap = 1
    count = len(columns)
    while not open_end and count > 1 and sum(widths[:count]) + gap * (count - 1) > places:
        count -= 1
    used = sum(widths[:count]) + gap * (count - 1)
    if open_end:
        widths[-1] = max(1, widths[-1] + places - used)
    return _Shown(columns[:count], widths[:count], gap)


def _head(shown: _Shown[Row], by: Column[Row], places: int) -> str:
    parts = [
        styled(fit(column.title, wide, right=column.number), _BOLD if column is by else "4")
        for column, wide in zip(shown.columns, shown.widths, strict=True)
    ]
    return within((" " * shown.gap).join(parts), places)


def _reason(row: NodeRow) -> str:
    return plain(row.reason) if row.state == "lost" else ""


def _line(shown: _Shown[Row], row: Row, cells: Sequence[str], instead: str, *, colour: bool) -> str:
    parts = [
        styled(fit(text, wide, right=column.number), column.style(row) if colour else "")
        for column, wide, text in zip(shown.columns, shown.widths, cells, strict=False)
    ]
    if instead:
        rest = sum(shown.widths[_NAMING:]) + shown.gap * (len(shown.widths) - _NAMING - 1)
        parts[_NAMING:] = [cut(instead, rest)]
    return (" " * shown.gap).join(parts).rstrip()


def _keys(view: View) -> str:
    if view.typing:
        return tr("show only: {text}_   Enter: done   Esc: all", text=plain(view.search))
    search = tr("only {text}   ", text=plain(view.search)) if view.search else ""
    if view.mode == "nodes":
        return search + tr("q quit  < > or 1-9 sort  r reverse  Enter its processes  p all  / find")
    return search + tr("q quit  < > or 1-8 sort  r reverse  n nodes  p all  / find")
