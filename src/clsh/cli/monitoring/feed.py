"""Where the pictures of `cl top` come from: the manager; `over_ssh` has the other way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlencode

from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.cli import client
from clsh.cli.monitoring.columns import NodeRow
from clsh.cli.monitoring.frame import Picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.cli.monitoring.view import Place, View
    from clsh.monitor.processes import Process

_TIMEOUT_S = 10.0


class Feed(Protocol):
    """Gives a picture when asked for one."""

    async def look(self, view: View) -> Picture:
        """Return what is known now; with processes when the view shows them.

        What goes wrong is told in the picture. Raises ClshError only for the first picture.
        """
        ...


class FromManager:
    """The pictures that the manager has."""

    def __init__(self) -> None:
        self._last: Picture | None = None

    async def look(self, view: View) -> Picture:
        """Ask the manager; when it does not answer the last picture stays, and says so."""
        try:
            nodes = await asyncio.to_thread(nodes_of_manager)
            found: tuple[list[Process] | None, dict[str, str]] = None, {}
            if view.mode == "processes":
                found = await asyncio.to_thread(processes_of_manager, view.of)
        except ClshError as error:
            if self._last is None:
                raise
            told = [tr(text) for text in (str(error), error.hint) if text]
            return replace(self._last, trouble="; ".join(told))
        self._last = Picture(time.time(), nodes, *found)
        return self._last


def nodes_of_manager() -> list[NodeRow]:
    """Return the nodes that the manager knows; raises ClshError."""
    return [_node(row) for row in objects(client.get("/api/v1/nodes", _TIMEOUT_S), "nodes")]


def processes_of_manager(
    of: Place | None = None, **narrowed: str
) -> tuple[list[Process], dict[str, str]]:
    """Return the processes, and the nodes that gave no list of theirs with the reason."""
    from clsh.monitor.processes import Process

    asked = {"cluster": of.cluster, "node": of.node} if of else {}
    query = urlencode({**asked, **narrowed})
    answer = client.get(f"/api/v1/processes?{query}".rstrip("?"), 4 * _TIMEOUT_S)
    fields = Process.__dataclass_fields__
    found = [
        Process(**cast("dict[str, object]", {name: row.get(name) for name in fields}))  # type: ignore[arg-type]  # as the API describes them
        for row in objects(answer, "processes")
    ]
    silent = {str(row.get("node")): str(row.get("reason")) for row in objects(answer, "silent")}
    return found, silent


def objects(answer: object, key: str) -> list[dict[str, object]]:
    """Return the rows that an answer of the manager has under a key."""
    rows = cast("dict[str, object]", answer).get(key) if isinstance(answer, dict) else None
    return cast("list[dict[str, object]]", rows) if isinstance(rows, list) else []


def _node(row: Mapping[str, object]) -> NodeRow:
    """Return what the manager tells of a node; what a lost one did last is not told as now."""
    state = str(row.get("state") or "")

    def known(name: str) -> float | None:
        found = row.get(name)
        return float(found) if isinstance(found, int | float) and state != "lost" else None

    used, total = known("memory_used"), known("memory_total")
    free = known("disk_free_percent")
    return NodeRow(
        str(row.get("cluster") or ""),
        str(row.get("name") or ""),
        state,
        str(row.get("reason") or ""),
        load=known("load_one"),
        cores=known("cores"),
        cpu=known("cpu_busy"),
        memory=100 * used / total if used is not None and total else None,
        memory_used=used,
        memory_total=total,
        net_in=known("bytes_in"),
        net_out=known("bytes_out"),
        disk_read=known("disk_read"),
        disk_write=known("disk_write"),
        disk=None if free is None else 100 - free,
    )
