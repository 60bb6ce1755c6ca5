"""Tables on a terminal: cells that cannot act on it, columns by display width. Pure.

What a node sent may hold anything: a cell is one line of printable text, whatever came in.
A Korean or Chinese character is two places wide.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from clsh.base.errors import UsageError
from clsh.cli.output.terminal import RESET, clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Row = TypeVar("Row")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_DIGITS = re.compile(r"(\d+)")
CUT = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: how it is called, what a row has in it and how that is shown.

    `width` is what it takes at least, `most` what it may grow to. Numbers stand at the
    right, and are first sorted from the largest. `style` gives SGR digits ("31") or "".
    """

    name: str
    title: str
    value: Callable[[Row], float | str | None]
    show: Callable[[float], str] = str
    width: int = 1
    most: int = 1000
    number: bool = True
    style: Callable[[Row], str] = lambda _: ""

    def text(self, row: Row) -> str:
        """Return what is shown of a row, `-` where nothing is known."""
        found = self.value(row)
        if isinstance(found, str):
            return plain(found) or "-"
        return "-" if found is None else self.show(found)


def plain(text: str) -> str:
    """Return text from outside as one line without anything that a terminal acts upon."""
    if text.isprintable():
        return text
    safe = clean(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    safe = _SGR.sub("", safe)
    return "".join(letter if letter.isprintable() else " " for letter in safe).strip()


def width(text: str) -> int:
    """Return how many places a printable text takes."""
    return len(text) if text.isascii() else sum(map(_places, text))


@functools.lru_cache(4096)
def _places(letter: str) -> int:
    from wcwidth import wcwidth  # 10 ms that plain text does not need

    return max(0, wcwidth(letter))


def fit(text: str, places: int, *, right: bool = False) -> str:
    """Return the text in exactly so many places: cut with an ellipsis, or filled up."""
    space = places - width(text)
    if space < 0:
        text = cut(text, places)
        space = places - width(text)
    return " " * space + text if right else text + " " * space


def cut(text: str, places: int) -> str:
    """Return the text, its end replaced by an ellipsis when it takes more than `places`."""
    if width(text) <= places:
        return text
    kept, left = "", places - 1
    for letter in text:
        left -= _places(letter)
        if left < 0:
            break
        kept += letter
    return kept + CUT if places > 0 else ""


def styled(text: str, style: str) -> str:
    """Return the text in a style, "" being none."""
    return f"\x1b[{style}m{text}{RESET}" if style else text


def ordered(rows: Iterable[Row], column: Column[Row], *, reverse: bool = False) -> list[Row]:
    """Return the rows sorted by a column, those that have nothing in it last.

    Numbers begin with the largest, names with the first, node2 before node10; `reverse`
    turns that round.
    """
    known: list[tuple[tuple[float | str, ...], Row]] = []
    unknown: list[Row] = []
    for row in rows:
        found = column.value(row)
        if found is None:
            unknown.append(row)
        else:
            key = natural(found) if isinstance(found, str) else (found,)
            known.append((key, row))
    known.sort(key=lambda pair: pair[0], reverse=column.number != reverse)
    return [row for _, row in known] + unknown


def column_named(columns: Sequence[Column[Row]], name: str) -> int:
    """Return where the column with this name or head is; raises UsageError."""
    known = [column.name for column in columns]
    for at, column in enumerate(columns):
        if name.casefold() in {column.name, column.title.casefold()}:
            return at
    raise UsageError(f"there is no column {name!r}", hint=f"one of: {', '.join(known)}")


def natural(text: str) -> tuple[float | str, ...]:
    """Return the key by which node2 comes before node10."""
    parts = _DIGITS.split(text)
    return tuple(float(part) if at % 2 else part for at, part in enumerate(parts))


def lines(
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    places: int | None = None,
    *,
    colour: bool = False,
) -> list[str]:
    """Return a head and a line for each row.

    With `places` nothing is wider: columns of numbers that have no room are left out, those
    at the right first, and the last column is cut. Without it nothing is left out.
    """
    cells = [[column.text(row) for column in columns] for row in rows]
    widths = [
        max(len(column.title), *(width(line[at]) for line in cells), 0)
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if places is not None:
        kept, widths[-1] = _fitting(columns, widths, places)
    head = [fit(columns[at].title, widths[at], right=columns[at].number) for at in kept]
    shown = [within("  ".join(head).rstrip(), places)]
    for row, line in zip(rows, cells, strict=True):
        parts = [
            styled(
                fit(line[at], widths[at], right=columns[at].number),
                columns[at].style(row) if colour else "",
            )
            for at in kept
        ]
        shown.append(within("  ".join(parts).rstrip(), places))
    return shown


def _fitting(
    columns: Sequence[Column[Row]], widths: Sequence[int], places: int
) -> tuple[list[int], int]:
    """Return which columns have room, and how wide the last one may be."""
    last = len(columns) - 1
    kept = list(range(last))

    def room() -> int:
        return places - sum(widths[at] + 2 for at in kept)

    needed = min(widths[last], max(columns[last].width, len(columns[last].title)))
    for at in reversed(range(last)):
        if room() >= needed:
            break
        if columns[at].number:
            kept.remove(at)
    return [*kept, last], max(1, room())


def within(line: str, places: int | None) -> str:
    """Return a line cut to the width; one that is too long loses its styles."""
    if places is None:
        return line
    bare = without_style(line)
    return line if width(bare) <= places else cut(bare, places)


def without_style(text: str) -> str:
    """Return the text without colours."""
    return _SGR.sub("", text) if "\x1b" in text else text
