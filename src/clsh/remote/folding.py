"""Equal outputs as one group, and what differs between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

_Name = TypeVar("_Name")
_Key = TypeVar("_Key", bound="Hashable")

DIFF_BYTES = 1024 * 1024
_DIFF_LINES = 4000


def groups(items: Iterable[tuple[_Name, _Key]]) -> list[tuple[_Key, list[_Name]]]:
    """Group names by an equal key, the largest group first, then in order of appearance."""
    found: dict[_Key, list[_Name]] = {}
    for name, key in items:
        found.setdefault(key, []).append(name)
    return sorted(found.items(), key=lambda group: -len(group[1]))


def differences(one: bytes, other: bytes, one_name: str, other_name: str) -> bytes:
    """Return a unified diff of two texts as whole lines, b"" when they are equal.

    Comparing takes quadratic time at worst: beyond 4,000 lines that differ in one stretch,
    only the first line that differs is named.
    """
    old, new = one.splitlines(keepends=True), other.splitlines(keepends=True)
    head = next(
        (at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
        min(len(old), len(new)),
    )
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if max(len(old), len(new)) - head - tail > _DIFF_LINES:
        told = f"--- {one_name}\n+++ {other_name}\n@@ differ from line {head + 1} on @@\n"
        return told.encode()
    from difflib import diff_bytes, unified_diff

    context = 3
    start, end = max(0, head - context), max(0, tail - context)
    lines = list(
        diff_bytes(
            unified_diff,
            old[start : len(old) - end],
            new[start : len(new) - end],
            one_name.encode(),
            other_name.encode(),
            n=context,
        )
    )
    return b"".join(_shifted(lines, start))


def _shifted(lines: list[bytes], by: int) -> list[bytes]:
    """Count the lines of `@@ -1,3 +1,4 @@` from where the text began; end every line."""
    done: list[bytes] = []
    for line in lines:
        if line.startswith(b"@@ "):
            marks = [_shift(mark, by) for mark in line.split()[1:3]]
            done.append(b"@@ %b %b @@\n" % (marks[0], marks[1]))
        elif line.endswith(b"\n"):
            done.append(line)
        else:
            done.append(line + b"\n\\ No newline at end of output\n")
    return done


def _shift(mark: bytes, by: int) -> bytes:
    start, comma, count = mark[1:].partition(b",")
    return b"%b%d%b%b" % (mark[:1], int(start) + by, comma, count)
