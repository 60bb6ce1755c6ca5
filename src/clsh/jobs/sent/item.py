"""A file that is sent along, as `send` of a request has it: `SHA256:NAME`. Pure.

The content was handed in before and is known by its digest; a path never reaches the manager,
who might read what the asking user may not. `SHA256+x:NAME` is a program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 100
"""How many files one job may have."""

LONGEST_NAME = 255
_ITEM = re.compile(r"([0-9a-f]{64})(\+x)?:([^/]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """A file: the digest of what is in it, its name in the directory, whether it is run."""

    digest: str
    name: str
    executable: bool = False

    def __str__(self) -> str:
        return f"{self.digest}{'+x' * self.executable}:{self.name}"


def read(text: str) -> Item:
    """Return what one entry of `send` says; raises ValueError."""
    found = _ITEM.fullmatch(text)
    if found is None or not is_name(found[3]):
        raise ValueError("no file that was handed in")
    return Item(found[1], found[3], found[2] is not None)


def all_of(send: Iterable[str]) -> tuple[Item, ...]:
    """Return all files of a request that was checked."""
    return tuple(map(read, send))


def names(send: Iterable[str]) -> list[str]:
    """Return how files are called, for people; what cannot be read is shown as it is."""
    return [text.partition(":")[2] or text for text in send]


def folder(spool: str, attempt: str) -> str:
    """Return the directory on a node in which an attempt finds its files."""
    return f"{spool}/sent/{attempt}"


def is_name(name: str) -> bool:
    """Tell whether a file may be called so in the directory of an attempt."""
    plain = name.isprintable() and "/" not in name and "," not in name and name == name.strip()
    # What is printable is UTF-8, too.
    return plain and name not in {"", ".", ".."} and len(name.encode()) <= LONGEST_NAME
