"""Who wants to hear what of a job: the texts of `notify`, `[EVENT+EVENT...:]WHO`. Pure.

WHO is a mail address, or the name of a channel that the administrator has opened to jobs. A
user never names a URL or a command: the manager would ask or run it with its own rights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Wish = Literal["begin", "end", "fail"]
"""begin: it runs on a node. end: it has ended, however. fail: it has failed or was lost."""

HOW = (
    "a mail address or the name of a channel, and before it what is told, `end` if nothing is:"
    " begin+end:me@example.org, fail:NAME, all:NAME; with `tasks` of each task: tasks+fail:NAME"
)
_ALL: frozenset[Wish] = frozenset({"begin", "end", "fail"})
_WORDS: dict[str, frozenset[Wish]] = {
    "begin": frozenset({"begin"}),
    "end": frozenset({"end"}),
    "fail": frozenset({"fail"}),
    "all": _ALL,
    "tasks": frozenset(),
}
_BAD = frozenset({"failed", "lost"})
_MAILBOX = re.compile(r"[A-Za-z0-9_.+=-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one receiver wants to hear: of the job as a whole, or of each of its tasks."""

    who: str
    events: frozenset[Wish]
    each: bool = False

    def hears_end(self, state: str) -> bool:
        """Tell whether it wants to hear of an end in this state of a job or task."""
        return "end" in self.events or ("fail" in self.events and state in _BAD)


def read(text: str) -> Wanted:
    """Return what one entry of `notify` says; raises ValueError."""
    said, colon, who = text.rpartition(":")
    words = said.split("+") if colon else ["end"]
    if not set(words) <= _WORDS.keys():
        raise ValueError(HOW)
    if not _MAILBOX.fullmatch(who) and not _CHANNEL.fullmatch(who):
        raise ValueError(HOW)
    events = frozenset[Wish]().union(*(_WORDS[word] for word in words))
    return Wanted(who, events or frozenset({"end"}), "tasks" in words)


def all_of(notify: Iterable[str]) -> tuple[Wanted, ...]:
    """Return what is wanted, but for what cannot be read: a newer version may have stored it."""
    found: list[Wanted] = []
    for text in notify:
        try:
            found.append(read(text))
        except ValueError:
            continue
    return tuple(found)


def is_address(who: str) -> bool:
    """Tell whether a receiver is a mail address."""
    return "@" in who
