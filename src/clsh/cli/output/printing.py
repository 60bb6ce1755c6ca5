"""What becomes of the output of each node: shown, kept for a report, written to files.

The Printer watches a fan-out. It gives each node a sink that passes each stream on to
wherever it was asked to go, says at once what went wrong, and makes the report at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clsh.cli.outcome import error_line, is_well
from clsh.cli.output.progress import Counts
from clsh.cli.output.report import Kept, Report
from clsh.remote.gather import Gather

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from clsh.cli.output.console import Console
    from clsh.cli.output.out_files import OutFiles
    from clsh.cli.output.report import View
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Outcome
    from clsh.remote.gather import Spool
    from clsh.remote.transport import Sink, Stream

_STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class Look:
    """How output is shown: which report there is at the end, and what is shown before it.

    `live`: lines as they arrive, also when there is a report. `only_failed`: the report
    leaves out nodes that did well. `largest_first` orders groups, otherwise by node. A node
    whose command wrote nothing is shown as `node:` when `names_silent`.
    """

    view: View | None = None
    live: bool = True
    json: bool = False
    only_failed: bool = False
    largest_first: bool = True
    names_silent: bool = True


class _Feed(Protocol):
    def write(self, data: bytes) -> Awaitable[None] | None: ...
    def end(self) -> object: ...


class _NodeSink:
    """The two streams of one node."""

    def __init__(self, feeds: dict[Stream, _Feed], spools: dict[Stream, Spool]) -> None:
        self.feeds = feeds
        self.spools = spools
        self._lines = 0
        self._begun: dict[Stream, bool] = {}

    @property
    def lines(self) -> int:
        """How many lines came; one without its newline counts."""
        return self._lines + sum(self._begun.values())

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        self._lines += data.count(b"\n")
        if data:
            self._begun[stream] = not data.endswith(b"\n")
        spool, feed = self.spools.get(stream), self.feeds.get(stream)
        kept = spool.write(data) if spool else None
        shown = feed.write(data) if feed else None
        return _both(kept, shown) if kept and shown else kept or shown


async def _both(one: Awaitable[None], other: Awaitable[None]) -> None:
    await one
    await other


class Printer:
    """Shows one run on `nodes`; an Observer of FanOut."""

    def __init__(
        self,
        console: Console,
        look: Look,
        nodes: Sequence[Node],
        files: OutFiles | None = None,
    ) -> None:
        self.counts = Counts(len(nodes))
        self._console = console
        self._look = look
        self._files = files
        self._gather = Gather() if look.view else None
        self._index: dict[str, int] = {node.name: index for index, node in enumerate(nodes)}
        self._sinks: dict[str, _NodeSink] = {}
        self._ended: dict[str, Outcome] = {}

    def opened(self, node: Node) -> Sink:
        """Return the sink of a node; raises ClshError when its files cannot be written."""
        if self._files and (problem := self._files.problem(node.name)):
            raise problem
        self.counts.running += 1
        sink = _NodeSink({}, {})
        for stream in _STREAMS:
            if self._files and self._files.takes(stream):
                sink.feeds[stream] = self._files.sink(node.name, stream)
                continue
            if self._gather:
                sink.spools[stream] = self._gather.spool()
            if self._look.json or self._look.live:
                sink.feeds[stream] = self._feed(node.name, stream)
        self._sinks[node.name] = sink
        return sink

    def ended(self, outcome: Outcome) -> None:
        """Write what a node has left, and say what went wrong."""
        node = outcome.node.name
        sink = self._sinks.get(node)
        if sink:
            self.counts.running -= 1
            for feed in sink.feeds.values():
                feed.end()
        self.counts.done += 1
        self.counts.failed += not is_well(outcome)
        self._ended[node] = outcome
        if self._look.json:
            from clsh.cli.output.json_lines import ended

            self._console.text("stdout", ended(outcome))
        elif outcome.state == "done" and sink and self._shows_nothing(sink):
            label = self._console.label("stdout", node, self._index[node])
            self._console.text("stdout", label + b"\n")
        if told := error_line(outcome, sink.lines if sink else 0):
            self._console.talk(told)

    def moved(self, _: Node, count: int) -> None:
        """Take note that a copy has got on by so many bytes."""
        self.counts.moved += count

    async def settle(self, node: Node) -> None:
        """Wait for what a node wrote to be in its files; raises ClshError when it is not."""
        if self._files:
            for stream, feed in self._sinks[node.name].feeds.items():
                if self._files.takes(stream):
                    feed.end()
            await self._files.flush()
            if problem := self._files.problem(node.name):
                raise problem

    async def report(self) -> bool:
        """Show what was kept; returns False when some output was too much to be kept."""
        if not self._look.view:
            return True
        kept = [
            Kept(outcome, sink.spools, index)
            for node, index in self._index.items()
            if (outcome := self._ended.get(node)) and (sink := self._sinks.get(node))
            if not (self._look.only_failed and is_well(outcome))
        ]
        return await Report(self._console, largest_first=self._look.largest_first).show(
            self._look.view, kept
        )

    def over(self, code: int, failed: int) -> None:
        """Write the last object of `--json`."""
        if self._look.json:
            from clsh.cli.output.json_lines import over

            self._console.text("stdout", over(code, self.counts.all, failed))

    def close(self) -> None:
        """Give back what was kept."""
        if self._gather:
            self._gather.close()

    def _feed(self, node: str, stream: Stream) -> _Feed:
        if self._look.json:
            from clsh.cli.output.json_lines import JsonFeed

            return JsonFeed(lambda data: self._console.text("stdout", data), node, stream)
        label = self._console.label(stream, node, self._index[node])
        return self._console.feed(stream, label + b" ")

    def _shows_nothing(self, sink: _NodeSink) -> bool:
        """Tell whether a live node has shown no line although its stdout is shown."""
        redirected = self._files and self._files.takes("stdout")
        shown = self._look.live and self._look.names_silent
        return shown and not sink.lines and not redirected
