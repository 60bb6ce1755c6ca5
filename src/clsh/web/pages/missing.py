"""The page for a cluster or node that is not there: what there is instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from clsh.web.pages.asked import Page
from clsh.web.views import clusters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsh.monitor.service import Monitor
    from clsh.web.pages.asked import Asked

_COMPARED = 2000  # names; more would take long


def is_missing(monitor: Monitor, names: Mapping[str, str]) -> bool:
    """Tell whether a path names a cluster or node that the grid does not have."""
    if "cluster" not in names:
        return False
    cluster = monitor.grid.clusters.get(names["cluster"])
    return cluster is None or ("node" in names and names["node"] not in cluster.nodes)


async def page(monitor: Monitor, asked: Asked) -> Page:
    """Return the page."""
    words = asked.words
    known = monitor.grid.clusters.get(asked.names["cluster"])
    if known is None:
        say = words.tr("There is no cluster {name}.", name=asked.names["cluster"][:100])
        links = [(one.name, asked.to_cluster(one.name)) for one in clusters(monitor.grid)]
    else:
        say = words.tr(
            "There is no node {name} in {cluster}.",
            name=asked.names["node"][:100],
            cluster=known.name,
        )
        like = get_close_matches(asked.names["node"][:100], list(known.nodes)[:_COMPARED], n=5)
        links = [(name, asked.to_node(known.name, name)) for name in like]
        links.append((known.name, asked.to_cluster(known.name)))
    return Page("missing.html", {"say": say, "links": links[:50]}, "monitor")
