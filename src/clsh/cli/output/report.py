"""The report at the end of a run: equal outputs folded, differences, a table, node by node.

Headers look like those of dshbak and clush, which scripts know how to read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from clsh.base.messages import tr
from clsh.cli.output.feed import Feed
from clsh.nodes.nodeset import fold
from clsh.remote.folding import DIFF_BYTES, differences, groups

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from clsh.cli.output.console import Console
    from clsh.remote.fanout import Outcome
    from clsh.remote.gather import Spool
    from clsh.remote.transport import Stream

View = Literal["lines", "groups", "diff", "table"]

_RULE = "-" * 15
_STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of one node; a stream that went elsewhere has no spool."""

    outcome: Outcome
    spools: dict[Stream, Spool]
    index: int

    @property
    def name(self) -> str:
        """The node's name."""
        return self.outcome.node.name


class Report:
    """Writes reports to a console, never faster than they are read."""

    def __init__(self, console: Console, *, largest_first: bool = True) -> None:
        self._console = console
        self._largest_first = largest_first

    async def show(self, view: View, kept: list[Kept]) -> bool:
        """Show a report; returns False when some output was too much to be kept."""
        match view:
            case "lines":
                for one in kept:
                    await self._lines(one)
            case "table":
                await self._table(kept)
            case "groups" | "diff":
                for stream in _STREAMS:
                    await self._groups(stream, kept, diff=view == "diff")
        return self._told_of_cut(kept)

    async def _lines(self, one: Kept) -> None:
        label = self._console.label("stdout", one.name, one.index)
        if one.outcome.state == "done" and not any(s.size for s in one.spools.values()):
            if "stdout" in one.spools:
                await _done(self._console.text("stdout", label + b"\n"))
            return
        for stream, spool in one.spools.items():
            label = self._console.label(stream, one.name, one.index)
            await self._copy(spool, self._console.feed(stream, label + b" "))

    async def _groups(self, stream: Stream, kept: list[Kept], *, diff: bool) -> None:
        """Show the groups of one stream.

        A node that wrote nothing at all is named among those of stdout; one that wrote
        only to the other stream is named there.
        """
        shown = [
            one
            for one in kept
            if stream in one.spools
            and (
                one.spools[stream].size
                or (stream == "stdout" and not any(s.size for s in one.spools.values()))
            )
        ]
        found = groups((one, (one.spools[stream].key, _note(one))) for one in shown)
        if not self._largest_first:
            found.sort(key=lambda group: group[1][0].index)
        model = max(found, key=lambda group: len(group[1]), default=None)
        if diff and model and model is not found[0]:
            found = [model, *(group for group in found if group is not model)]
        for key, members in found:
            names = fold([one.name for one in members])
            count = f" ({len(members)})" if len(members) > 1 else ""
            title = f"{names}{count}{key[1]}"
            await self._text(stream, f"{_RULE}\n{title}\n{_RULE}\n")
            spool = members[0].spools[stream]
            if diff and model and model[1] is not members:
                await self._diff(stream, model[1], members)
            else:
                await self._copy(spool, self._console.feed(stream, b""))

    async def _diff(self, stream: Stream, model: list[Kept], other: list[Kept]) -> None:
        found = await asyncio.to_thread(
            differences,
            await _beginning(model[0].spools[stream]),
            await _beginning(other[0].spools[stream]),
            fold([one.name for one in model]),
            fold([one.name for one in other]),
        )
        if any(members[0].spools[stream].size > DIFF_BYTES for members in (model, other)):
            found += tr("(only the first {size} KiB compared)", size=DIFF_BYTES // 1024).encode()
            found += b"\n"
        await _done(self._console.text(stream, found))

    async def _table(self, kept: list[Kept]) -> None:
        titles = tr("NODE"), tr("EXIT"), tr("SECONDS"), tr("OUTPUT")
        cells = [(one.name, _exit(one), f"{one.outcome.seconds:.1f}") for one in kept]
        widths = [max(map(len, column)) for column in zip(titles[:3], *cells, strict=True)]
        await self._text("stdout", _row(titles[:3], widths) + titles[3] + "\n")
        for one, row in zip(kept, cells, strict=True):
            head = _row(row, widths)
            if not any(spool.size for spool in one.spools.values()):
                await self._text("stdout", head.rstrip() + "\n")
                continue
            first = _First(self._console, head.encode())
            for spool in one.spools.values():
                feed = Feed(first.put, b" " * len(head), safe=False)
                await self._copy(spool, feed)

    async def _text(self, stream: Stream, text: str) -> None:
        await _done(self._console.text(stream, text.encode()))

    async def _copy(self, spool: Spool, feed: Feed) -> None:
        async for chunk in spool.chunks():
            await _done(feed.write(chunk))
        await _done(feed.end())

    def _told_of_cut(self, kept: list[Kept]) -> bool:
        cut = [
            (one.name, spool) for one in kept for spool in one.spools.values() if not spool.is_whole
        ]
        for name, spools in groupby(cut, key=lambda pair: pair[0]):
            lost = sum(spool.size - spool.kept for _, spool in spools)
            self._console.talk(
                tr(
                    "ERROR: {node} wrote too much to be kept: the last {size} MB are not shown; "
                    "--out keeps everything",
                    node=name,
                    size=f"{lost / 1e6:.1f}",
                )
            )
        return not cut


class _First:
    """Puts the head of a table row in the place of the first indent."""

    def __init__(self, console: Console, head: bytes) -> None:
        self._console = console
        self._head = head

    def put(self, lines: bytes) -> Awaitable[None] | None:
        if self._head:
            lines = self._head + lines[len(self._head) :]
            self._head = b""
        return self._console.text("stdout", lines)


async def _done(wait: Awaitable[None] | None) -> None:
    if wait is not None:
        await wait


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    return "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True))


def _exit(one: Kept) -> str:
    outcome = one.outcome
    return str(outcome.code) if outcome.state == "done" else tr(outcome.state)


def _note(one: Kept) -> str:
    """Return why the output of a node may not be all of it."""
    return "" if one.outcome.state == "done" else f" - {tr(one.outcome.state)}"


async def _beginning(spool: Spool) -> bytes:
    """Return at most DIFF_BYTES of what was kept."""
    text = bytearray()
    async for chunk in spool.chunks():
        text += chunk
        if len(text) >= DIFF_BYTES:
            break
    return bytes(text[:DIFF_BYTES])
