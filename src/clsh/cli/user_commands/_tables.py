"""Tables of users, tokens and acts, as `cl` prints all of its tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.cli.monitoring import figures, table, telling
from clsh.cli.monitoring.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = dict[str, object]


def lines(columns: Sequence[Column[Row]], rows: Sequence[Row], *, as_json: bool) -> Iterator[str]:
    """Return what is printed."""
    if as_json:
        yield from map(json.dumps, rows)
    elif rows:
        yield from table.lines(columns, rows, telling.places(), colour=telling.colour())


def words(name: str) -> Column[Row]:
    """Return a column of text."""
    return Column(name, name.upper(), lambda row: str(row.get(name) or ""), number=False)


def flag(name: str) -> Column[Row]:
    """Return a column that says yes or nothing."""
    return Column(name, name.upper(), lambda row: tr("yes") if row.get(name) else "", number=False)


def number(name: str) -> Column[Row]:
    """Return a column of counts."""
    return Column(name, name.upper(), lambda row: _number(row, name), lambda value: f"{value:g}")


def moment(name: str) -> Column[Row]:
    """Return a column of moments, "-" for none."""
    return Column(name, name.upper(), lambda row: _number(row, name) or None, figures.moment)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
