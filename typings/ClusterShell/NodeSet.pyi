"""The types of what clsh uses of ClusterShell, which has none of its own."""

from collections.abc import Iterable, Iterator

RESOLVER_NOGROUP: object

class NodeSetException(Exception): ...

class NodeSet:
    fold_axis: tuple[int, ...] | None
    def __init__(self, nodes: str | None = None, *, resolver: object = None) -> None: ...
    @classmethod
    def fromlist(cls, nodelist: Iterable[str], *, resolver: object = None) -> NodeSet: ...
    def __iter__(self) -> Iterator[str]: ...
