"""A table as text: the first column to the left, the others to the right."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def lines(title: str, head: Row, rows: Sequence[Row], *notes: str) -> list[str]:
    """Return the lines of a table with its title above and its notes below."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Row) -> str:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()

    table = [line(head), line(["-" * width for width in widths]), *map(line, rows)]
    return [f"## {title}", "", *table, *notes, ""]


def seconds(value: float) -> str:
    """Three digits that count: 0.0123 s as `12.3 ms`."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def ratio(value: float, to: float) -> str:
    """How many times `to`."""
    return f"{value / to:.2f}" if to else "-"
