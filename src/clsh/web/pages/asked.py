"""What one request for a page asks: the words, the span, and links that keep both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clsh.web.pages.figures.charts import Chart
    from clsh.web.pages.spans import Span
    from clsh.web.pages.words import Words


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood. `kept` are the parameters that every link hands on,
    `names` those of the path."""

    path: str
    query: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    words: Words
    span: Span
    kept: Mapping[str, str]
    names: Mapping[str, str]

    def link(self, path: str = "", /, **changes: str | Sequence[str] | None) -> str:
        """Return an address that keeps language and range, with parameters changed or added.

        Without `path` it is this page, and its other parameters are kept too; None drops one.
        """
        own = {} if path else {**self.query, **self.lists}
        for name in ("range", "start", "end", "lang", "as", "since", "sparks"):
            own.pop(name, None)
        if {"range", "start"} & changes.keys():
            kept = {name: value for name, value in self.kept.items() if name == "lang"}
        else:
            kept = dict(self.kept)
        pairs = {**own, **kept, **changes}
        given = {name: value for name, value in pairs.items() if value}
        query = urlencode(given, doseq=True)
        return (path or self.path) + (f"?{query}" if query else "")

    def fields(self, hide: Sequence[str]) -> list[tuple[str, str]]:
        """Return what a form hands on, but for its own fields and `hide`."""
        pairs = {**self.query, **self.lists, **self.kept}
        own = {"as", "since", "sparks", *hide}
        return [
            (name, value)
            for name, given in pairs.items()
            if name not in own
            for value in ([given] if isinstance(given, str) else given)
        ]

    def to_cluster(self, cluster: str, **changes: str | None) -> str:
        """Return the address of a cluster's page."""
        return self.link(f"/c/{quote(cluster, safe='')}", **changes)

    def to_node(self, cluster: str, node: str) -> str:
        """Return the address of a node's page."""
        return self.link(f"/c/{quote(cluster, safe='')}/{quote(node, safe='')}")

    def to_metric(self, cluster: str, metric: str) -> str:
        """Return the address of the page that shows one metric on all nodes."""
        return self.link(f"/m/{quote(cluster, safe='')}/{quote(metric, safe='')}")


MOST_HURRIED = 50  # nodes that an open page may have heard every second
_SLOW_S = 5.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What the live updates are told: a page of theirs, and how often ours may be drawn anew.

    Of many nodes the news of the grid, a few figures, say that there is something new. A page
    that `polls` is none of theirs: it asks by itself at its pace.
    """

    wish: Mapping[str, str]
    pace_s: float
    polls: bool = False

    @classmethod
    def of(cls, nodes: int, **wish: str) -> Watch:
        """Return how a page about so many nodes is watched."""
        few = nodes <= MOST_HURRIED
        return cls(wish if few else {"page": "grid"}, 1.0 if few else _SLOW_S)


@dataclass(frozen=True, slots=True)
class Part:
    """An element that is drawn anew while the page is open: its id, the block inside it."""

    id: str
    block: str = ""
    values: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Page:
    """A page before it is drawn.

    `here` is its place in the navigation, `heat` has the bytes of the cells by cluster, `news`
    is what its own script is told with its parts. Without `watch` it does not change by itself.
    """

    template: str
    values: Mapping[str, object]
    here: str
    watch: Watch | None = None
    parts: Sequence[Part] = ()
    charts: Sequence[Chart] = ()
    heat: Mapping[str, str] = field(default_factory=dict[str, str])
    news: Mapping[str, object] = field(default_factory=dict[str, object])
