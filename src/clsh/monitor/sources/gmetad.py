"""Hear what a gmetad knows of its grid: its XML over TCP, port 8651."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.ganglia.poll import Poller

if TYPE_CHECKING:
    from clsh.monitor.source import Source, SourceContext

PORT = 8651


def build(context: SourceContext) -> Source:
    """Return the source; raises ConfigError for addresses that are none."""
    return Poller(context, PORT)
