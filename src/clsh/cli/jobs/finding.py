"""Which jobs a sub-command is for: asked of the manager, page by page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from clsh.base.errors import UsageError
from clsh.base.users import of_uid
from clsh.jobs.forms import asking

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

Row = dict[str, Any]
_PAGE = 1000
_MOST = 100_000


def me() -> str:
    """Return who asks, as the manager will know them."""
    user = of_uid(os.getuid())
    if user is None:
        raise UsageError(
            f"your user number {os.getuid()} has no name", hint="ask as a user with a name"
        )
    return user.name


def listed(args: argparse.Namespace) -> tuple[list[Row], int]:
    """Return the jobs that `cl jobs` shows, and how many there are in all.

    By number or time the newest are taken, and stand last.
    """
    if not 0 < args.limit <= _MOST:
        raise UsageError(f"-n cannot be {args.limit}", hint=f"it is a number from 1 to {_MOST}")
    newest = args.sort in {"id", "submitted"}
    states = list(asking.OPEN) if args.open else args.state
    rows, total = pages(
        args.limit,
        sort=f"-{args.sort}" if newest or args.reverse else args.sort,
        owner=args.owner or ("" if args.all else me()),
        state=states or [],
        q=args.name or "",
        node=args.node or "",
    )
    return (rows[::-1] if newest and not args.reverse else rows), total


def pages(most: int, **asked: str | Sequence[str]) -> tuple[list[Row], int]:
    """Return at most so many jobs of a list, and how many there are in all."""
    rows: list[Row] = []
    total = 0
    while len(rows) < most:
        page = asking.listing(limit=min(_PAGE, most - len(rows)), offset=len(rows), **asked)
        rows += page["jobs"]
        total = page["total"]
        if not page["jobs"] or len(rows) >= total:
            break
    return rows, total


def tasks(number: int, **asked: str | Sequence[str]) -> Iterator[Row]:
    """Yield the tasks of a job."""
    offset = 0
    while True:
        page = asking.job(number, offset=offset, limit=_PAGE, **asked)
        yield from page["tasks"]
        offset += len(page["tasks"])
        if not page["tasks"] or offset >= page["total"]:
            return
