"""What the web page knows of the process that serves it, and how it asks it to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Control:
    """The manager as `/api/v1/status` shows it.

    `started` is in Unix seconds; `listen` is `host:port`; `names` are further Host names that
    browsers may use. Only `owner_uid` and root may `stop` it, which must return at once.
    `facts` are words for people: which store, where the state is, how nodes are reached.
    """

    version: str
    pid: int
    started: float
    listen: str
    owner_uid: int
    stop: Callable[[], None]
    names: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
