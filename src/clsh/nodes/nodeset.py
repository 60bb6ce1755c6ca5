"""Node sets: `web[01-16,20]` to names and back.

ClusterShell does the work, zero padding and several brackets included; it is asked only
when there is a bracket to expand or something to fold. Its operators (`!`, `&`, `^`) and
its own groups are refused here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 100_000
_FOLDABLE_PIECES = 64  # folding in several dimensions is quadratic: 0.3 s here, 4 s for 1,000

_PLAIN = re.compile(r"[A-Za-z0-9._:%-]+", re.ASCII)
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"([0-9]{1,32})(?:-([0-9]{1,32})(?:/([0-9]{1,9}))?)?", re.ASCII)
_LAST_NUMBER = re.compile(r"(.*?)([0-9]*[^0-9]*)")
# Digits that ClusterShell shall leave alone are written as these while it folds.
_HIDE = {ord("0") + digit: 0xE000 + digit for digit in range(10)}
_SHOW = {hidden: shown for shown, hidden in _HIDE.items()}


def split(text: str, separator: str = ",") -> list[str]:
    """Split `text` at each `separator` outside brackets; raises UsageError for a lone bracket."""
    pieces: list[str] = []
    depth = start = 0
    for at, character in enumerate(text):
        if character == separator and depth == 0:
            pieces.append(text[start:at])
            start = at + 1
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
    if depth:
        raise _bad(text, "a bracket without its partner")
    return [*pieces, text[start:]]


def is_range(text: str) -> bool:
    """Tell whether `text` is what stands in the brackets of a node set: `01-16,20`."""
    return all(_RANGE.fullmatch(part) for part in text.split(","))


def expand(text: str) -> list[str]:
    """Return the names in `text`, in its order, ascending in one bracket, each once.

    Raises UsageError when it is no node set or has more than LIMIT names.
    """
    items = [piece.strip(" \t") for piece in split(text)]
    if sum(map(_count, items)) > LIMIT:
        raise UsageError(f"{_shown(text)} has more than {LIMIT:,} nodes", hint="name a smaller set")
    names: dict[str, None] = {}
    for item in items:
        names.update(dict.fromkeys(_expanded(item) if "[" in item else [item]))
    return list(names)


def fold(names: Iterable[str]) -> str:
    """Return a node set with exactly these names (`node[1-3],web01`), sorted.

    The names are those of nodes. Numbers before the last one are folded as well when the
    result is short; `expand` gives the same names back.
    """
    some = list(dict.fromkeys(names))
    if len(some) < 2:
        return "".join(some)
    parts = (_LAST_NUMBER.fullmatch(name) for name in some)
    folded = _folded(part[1].translate(_HIDE) + part[2] for part in parts if part)
    if len(folded) > 1:
        folded = [piece.translate(_SHOW) for piece in folded]
        if len(folded) <= _FOLDABLE_PIECES:
            folded = _folded(folded)
    return ",".join(folded).translate(_SHOW)


def _folded(pieces: Iterable[str]) -> list[str]:
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet

    nodes = NodeSet.fromlist(pieces, resolver=RESOLVER_NOGROUP)
    nodes.fold_axis = None  # not as the user's ClusterShell settings say
    return split(str(nodes))


def _expanded(item: str) -> list[str]:
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException

    try:
        return list(NodeSet(item, resolver=RESOLVER_NOGROUP))
    except NodeSetException as error:
        raise _bad(item, str(error)) from error


def _count(item: str) -> int:
    """Return how many names `item` has, without making them; raises UsageError."""
    count = 1
    for bracket in _BRACKET.findall(item):
        count *= sum(_count_range(item, part) for part in bracket.split(","))
    if not item:
        raise UsageError("an empty name in the list", hint="one comma between two names")
    rest = _BRACKET.sub("", item)
    if rest and not _PLAIN.fullmatch(rest):
        raise _bad(item, "a character that no name has")
    return count


def _count_range(item: str, part: str) -> int:
    found = _RANGE.fullmatch(part)
    if not found:
        raise _bad(item, f"{_shown(part)} is not a range")
    first, last, step = found[1], found[2] or found[1], int(found[3] or 1)
    if step == 0 or int(first) > int(last):
        raise _bad(item, f"the range {part} is empty")
    padded = any(len(bound) > 1 and bound[0] == "0" for bound in (first, last))
    if padded and len(first) != len(last):
        width = max(len(first), len(last))
        raise _bad(item, f"write {first:0>{width}}-{last:0>{width}} for {part}")
    return (int(last) - int(first)) // step + 1


def _bad(text: str, why: str) -> UsageError:
    kind = "node set" if "[" in text or "]" in text else "host name"
    return UsageError(
        f"bad {kind} {_shown(text)}: {why}",
        hint="a node set is written web[01-16,20] or node[1-9/2]; commas separate names",
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
