"""What is said of an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsh.monitor.model import Value
    from clsh.monitor.settings import Severity


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that is broken on a node since `since` (Unix seconds); `text` says it in words.

    A silent node has no metric, and no value.
    """

    rule: str
    cluster: str
    node: str
    metric: str
    value: Value | None
    since: float
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """An alert that began (`firing`) or ended, and the channels that are to know."""

    alert: Alert
    firing: bool
    channels: tuple[str, ...]
