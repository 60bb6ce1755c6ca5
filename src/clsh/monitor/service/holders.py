"""Who wants which nodes heard every second: the union of all wishes, bounded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from collections.abc import Set as AbstractSet

    Names = tuple[str, str]  # of a cluster and of a node

MOST_HURRIED = 50


class Holders:
    """Calls `apply` with the union whenever it changes; who comes first is served first."""

    def __init__(self, apply: Callable[[AbstractSet[Names]], None]) -> None:
        self._apply = apply
        self._held: dict[object, tuple[Names, ...]] = {}
        self._now: frozenset[Names] = frozenset()

    @contextmanager
    def hold(self, nodes: Iterable[Names]) -> Generator[None]:
        """Add nodes to the union while this is held."""
        key = object()
        self._held[key] = tuple(nodes)
        self._update()
        try:
            yield
        finally:
            del self._held[key]
            self._update()

    def _update(self) -> None:
        union = dict.fromkeys(name for names in self._held.values() for name in names)
        now = frozenset(list(union)[:MOST_HURRIED])
        if now != self._now:
            self._now = now
            self._apply(now)
