"""Hear what a gmond knows of its cluster: its XML over TCP, port 8649."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.ganglia.poll import Poller

if TYPE_CHECKING:
    from clsh.monitor.source import Source, SourceContext

PORT = 8649


def build(context: SourceContext) -> Source:
    """Return the source; raises ConfigError for addresses that are none."""
    return Poller(context, PORT)
