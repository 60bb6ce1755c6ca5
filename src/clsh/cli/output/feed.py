"""One stream of one node on its way to a reader: whole lines, cleaned if need be, labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.cli.output.lines import Lines, labelled
from clsh.cli.output.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Feed:
    """Takes one stream of one node and writes its lines with a label."""

    def __init__(
        self, put: Callable[[bytes], Awaitable[None] | None], label: bytes, *, safe: bool
    ) -> None:
        self._put = put
        self._label = label
        self._safe = safe
        self._lines = Lines()

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take bytes as they come; returns what to wait for when the reader is slow."""
        return self._give(self._lines.push(data))

    def end(self) -> Awaitable[None] | None:
        """Write the last line although it has no newline; it is given one."""
        return self._give(self._lines.rest())

    def _give(self, lines: bytes) -> Awaitable[None] | None:
        if not lines:
            return None
        return self._put(labelled(clean(lines) if self._safe else lines, self._label))
