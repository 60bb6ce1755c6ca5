"""The table of nodes: columns that sort by a link, cells with number, unit and bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.web.pages.figures.overview import memory_used, of_values
from clsh.web.pages.words import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.monitor.grid import NodeState
    from clsh.web.pages.asked import Asked
    from clsh.web.pages.words import Words

ROWS = 100  # on a page, unless all are asked for
USUAL = "state"  # lost, new, up: what needs a look comes first
_BAR = 64


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in addresses, its head, and whether it gives way on narrow screens."""

    key: str
    head: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column, with the address that sorts by it."""

    column: Column
    link: str
    sorted: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure; `bar` is its length in pixels of 64, None without one."""

    column: Column
    text: str
    bar: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A node: its state in words, why, and its figures."""

    name: str
    link: str
    state: str
    state_text: str
    since: str
    reason: str
    cells: Sequence[Cell]


def columns(words: Words) -> list[Column]:
    """Return the columns after name and state."""
    return [
        Column("load", words.said("Load")),
        Column("cpu", words.said("CPU")),
        Column("memory", words.said("Memory")),
        Column("processes", words.said("Processes"), wide=True),
        Column("in", words.said("In"), wide=True),
        Column("out", words.said("Out"), wide=True),
        Column("uptime", words.said("Up for"), wide=True),
    ]


def _figure(node: NodeState, key: str, now: float) -> float | None:
    find = of_values(node.values)
    match key:
        case "load":
            return find("load_one")
        case "cpu":
            idle = find("cpu_idle")
            return None if idle is None else 100 - idle
        case "memory":
            return memory_used(find, node.values)
        case "processes":
            return find("proc_total")
        case "in":
            return find("bytes_in")
        case "out":
            return find("bytes_out")
        case _:
            boot = find("boottime")
            return None if boot is None else max(0.0, now - boot)


def pick(nodes: Sequence[NodeState], asked: Asked) -> list[NodeState]:
    """Return the nodes that the address asks for, in the order that it asks for."""
    text = asked.query.get("q", "").casefold()
    state = asked.query.get("state", "")
    found = [
        node
        for node in nodes
        if (not state or node.state == state)
        and any(text in word.casefold() for word in (node.name, node.address, node.reason))
    ]
    sort = asked.query.get("sort", USUAL)
    key = sort.removeprefix("-")
    if key == "state":
        found.sort(key=lambda node: node.state)
    elif key in {column.key for column in columns(asked.words)}:
        figures = {node.name: _figure(node, key, asked.words.now) for node in found}
        known = [node for node in found if figures[node.name] is not None]
        known.sort(key=lambda node: figures[node.name] or 0.0)
        unknown = [node for node in found if figures[node.name] is None]
        return [*(reversed(known) if sort.startswith("-") else known), *unknown]
    return found[::-1] if sort.startswith("-") else found


def heads(asked: Asked) -> list[Head]:
    """Return the heads of all columns; figures sort downwards first, names upwards."""
    words = asked.words
    current = asked.query.get("sort", USUAL)
    first = [Column("name", words.said("Node")), Column("state", words.said("State"))]
    result: list[Head] = []
    for column in [*first, *columns(words)]:
        up, down = column.key, f"-{column.key}"
        usual, other = (up, down) if column.key in {"name", "state"} else (down, up)
        turned = other if current == usual else usual
        way = {up: "ascending", down: "descending"}.get(current, "")
        result.append(Head(column, asked.link(sort=turned), way))
    return result


def rows(nodes: Sequence[NodeState], asked: Asked) -> list[Row]:
    """Return a row for each node."""
    words = asked.words
    shown = columns(words)
    states: Mapping[str, str] = {
        "up": words.said("up"),
        "lost": words.said("lost"),
        "new": words.said("not heard yet"),
    }
    return [
        Row(
            node.name,
            asked.to_node(node.cluster, node.name),
            node.state,
            states[node.state],
            "" if node.state == "up" else words.moment(node.heard_at or node.since),
            "" if node.state == "up" else node.reason,
            [_cell(node, column, words) for column in shown],
        )
        for node in nodes
    ]


def _cell(node: NodeState, column: Column, words: Words) -> Cell:
    value = _figure(node, column.key, words.now)
    if value is None:
        return Cell(column, "-")
    match column.key:
        case "load":
            return Cell(column, f"{value:.2f}", _bar(value, node.cores))
        case "cpu":
            return Cell(column, f"{value:.0f} %", _bar(value, 100))
        case "memory":
            total = of_values(node.values)("mem_total")
            return Cell(column, " ".join(quantity(value, "bytes")), _bar(value, total))
        case "in" | "out":
            return Cell(column, " ".join(quantity(value, "bytes/s")))
        case "uptime":
            return Cell(column, words.duration(value))
        case _:
            return Cell(column, f"{value:,.0f}")


def _bar(value: float, whole: float | None) -> int | None:
    return round(min(max(value / whole, 0.0), 1.0) * _BAR) if whole else None
