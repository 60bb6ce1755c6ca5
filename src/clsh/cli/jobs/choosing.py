"""Jobs by their numbers: `12`, `12.3` for a task of an array, ranges `12-20` and `12.0-5`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 10_000
_ONE = re.compile(r"(\d{1,11})(?:-(\d{1,11})|\.(\d{1,10})(?:-(\d{1,10}))?)?", re.ASCII)


def jobs(words: Iterable[str]) -> list[tuple[int, int | None]]:
    """Return the jobs, or tasks of jobs, in their order, each once; raises UsageError."""
    found: dict[tuple[int, int | None], None] = {}
    for word in ",".join(words).split(","):
        one = _ONE.fullmatch(word.strip())
        if one is None or not int(one[1]):
            raise _wrong(word)
        first, last = int(one[1]), int(one[2] or one[1])
        task = int(one[3]) if one[3] else None
        end = int(one[4]) if one[4] else task
        many = max(last - first, (end or 0) - (task or 0)) + 1
        if last < first or (task is not None and end is not None and end < task):
            raise _wrong(word)
        if len(found) + many > MOST:
            raise UsageError(f"more than {MOST:,} jobs at once", hint="name fewer")
        if task is None or end is None:
            found.update(dict.fromkeys((number, None) for number in range(first, last + 1)))
        else:
            found.update(dict.fromkeys((first, index) for index in range(task, end + 1)))
    return list(found)


def one(word: str) -> tuple[int, int | None]:
    """Return one job, or one task of it; raises UsageError."""
    found = jobs([word])
    if len(found) > 1:
        raise UsageError(f"{word!r} is more than one job", hint="name one: 12, or a task: 12.3")
    return found[0]


def _wrong(word: str) -> UsageError:
    return UsageError(
        f"{word[:40]!r} is no job",
        hint="a job is a number such as 12, 12.3 a task of it, 12-20 or 12.0-5 several",
    )
