"""The tables of the embedded store; docs/design/store.md says what is in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from clsh.monitor.chunks.records import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "metrics.db"
PART = 1024
GROUPS = PART // GROUP
HOUR_MS = 3_600_000

MIGRATIONS = (
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, cluster TEXT NOT NULL, node TEXT NOT NULL, metric TEXT NOT NULL,
        UNIQUE (cluster, node, metric)
    );
    CREATE TABLE layouts (id INTEGER PRIMARY KEY, ids BLOB NOT NULL);
    CREATE TABLE ticks (number INTEGER PRIMARY KEY, ms INTEGER UNIQUE, layout INTEGER NOT NULL);
    CREATE TABLE journal (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE flushed (hour INTEGER PRIMARY KEY, ticks INTEGER NOT NULL);
    CREATE TABLE raw (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE minutes (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE tens (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE hours (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    """,
)


def row_id(period: int, group: int) -> int:
    """Return the id of a chunk of a group: of an hour, a day or a span."""
    return period << 16 | group


def numbers(values: Iterable[int]) -> str:
    """Return whole numbers as a parameter for `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))
