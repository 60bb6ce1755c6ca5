"""What the person at `cl top` looks at, and what each key makes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from clsh.cli.monitoring.columns import NODES, PROCESSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsh.cli.monitoring.columns import NodeRow

Mode = Literal["nodes", "processes"]
_LONGEST = 64


class Place(NamedTuple):
    """A node of a cluster."""

    cluster: str
    node: str


@dataclass(frozen=True, slots=True)
class Sorting:
    """By which column rows are sorted, and whether the other way round."""

    column: int
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """Nodes or processes, how they are sorted, and the row that is marked.

    `of` is the node whose processes are shown, None being all. `search` narrows the rows
    down, while `typing` keys go into it.
    """

    mode: Mode = "nodes"
    of: Place | None = None
    nodes_by: Sorting = Sorting(2)
    processes_by: Sorting = Sorting(4)
    at: int = 0
    search: str = ""
    typing: bool = False

    @property
    def sorting(self) -> Sorting:
        """How the rows that are shown are sorted."""
        return self.nodes_by if self.mode == "nodes" else self.processes_by


def press(view: View, key: str, rows: Sequence[NodeRow] | int, page: int) -> View | None:
    """Return what a key leads to, None being the end.

    `rows` are the nodes as they are shown, or how many processes there are, `page` is how
    many rows the screen has.
    """
    if view.typing:
        return _typed(view, key)
    if key == "q":
        return None
    count = rows if isinstance(rows, int) else len(rows)
    at = _moved(min(view.at, max(0, count - 1)), key, count, page)
    if at is not None:
        return replace(view, at=at)
    if (sorting := _sorted(view, key)) is not None:
        if view.mode == "nodes":
            return replace(view, at=0, nodes_by=sorting)
        return replace(view, at=0, processes_by=sorting)
    return _elsewhere(view, key, rows)


def _typed(view: View, key: str) -> View:
    match key:
        case "enter":
            return replace(view, typing=False)
        case "escape":
            return replace(view, typing=False, search="")
        case "backspace":
            return replace(view, search=view.search[:-1], at=0)
        case _ if len(key) == 1 and len(view.search) < _LONGEST:
            return replace(view, search=view.search + key, at=0)
        case _:
            return view


def _moved(at: int, key: str, count: int, page: int) -> int | None:
    steps = {
        "up": -1,
        "k": -1,
        "down": 1,
        "j": 1,
        "page-up": -page,
        "page-down": page,
        " ": page,
        "home": -count,
        "end": count,
    }
    return max(0, min(at + steps[key], count - 1)) if key in steps else None


def _sorted(view: View, key: str) -> Sorting | None:
    count = len(NODES) if view.mode == "nodes" else len(PROCESSES)
    old = view.sorting
    match key:
        case "left" | "<":
            return Sorting((old.column - 1) % count)
        case "right" | ">":
            return Sorting((old.column + 1) % count)
        case "r":
            return replace(old, reverse=not old.reverse)
        case _ if len(key) == 1 and key in "123456789"[:count]:
            return Sorting(int(key) - 1)
        case _:
            return None


def _elsewhere(view: View, key: str, rows: Sequence[NodeRow] | int) -> View:
    match key:
        case "enter" if not isinstance(rows, int) and rows:
            row = rows[min(view.at, len(rows) - 1)]
            return replace(view, mode="processes", of=Place(row.cluster, row.node), at=0, search="")
        case "p":
            return replace(view, mode="processes", of=None, at=0, search="")
        case "tab" if view.mode == "nodes":
            return replace(view, mode="processes", of=None, at=0, search="")
        case "/":
            return replace(view, typing=True)
        case "escape" if view.search:
            return replace(view, search="", at=0)
        case "n" | "escape" | "backspace" | "tab":
            return replace(view, mode="nodes", of=None, at=0, search="")
        case _:
            return view
