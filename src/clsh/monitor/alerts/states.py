"""The life of an alert as a table: (phase, event) -> (phase, order). Pure.

Events: `over`, the rule is broken; `due`, it has been for long enough; `under`, it is not;
`unknown`, nobody can say; `gone`, there is no such node any more. An alert ends when its
rule held for two ticks on end, so that a value on the edge does not send mail after mail.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Phase = Literal["idle", "pending", "firing", "clearing"]
Event = Literal["over", "due", "under", "unknown", "gone"]
Order = Literal["", "fire", "resolve"]

TABLE: Mapping[tuple[Phase, Event], tuple[Phase, Order]] = MappingProxyType({
    ("idle", "over"): ("pending", ""),
    ("idle", "due"): ("firing", "fire"),
    ("idle", "under"): ("idle", ""),
    ("idle", "unknown"): ("idle", ""),
    ("idle", "gone"): ("idle", ""),
    ("pending", "over"): ("pending", ""),
    ("pending", "due"): ("firing", "fire"),
    ("pending", "under"): ("idle", ""),
    ("pending", "unknown"): ("idle", ""),  # the time counts on end
    ("pending", "gone"): ("idle", ""),
    ("firing", "over"): ("firing", ""),
    ("firing", "due"): ("firing", ""),
    ("firing", "under"): ("clearing", ""),
    ("firing", "unknown"): ("firing", ""),  # a silent node has not been mended
    ("firing", "gone"): ("idle", "resolve"),
    ("clearing", "over"): ("firing", ""),
    ("clearing", "due"): ("firing", ""),
    ("clearing", "under"): ("idle", "resolve"),
    ("clearing", "unknown"): ("firing", ""),
    ("clearing", "gone"): ("idle", "resolve"),
})  # fmt: skip
