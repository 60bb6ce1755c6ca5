"""The interactive mode: a prompt, and one shell kept open on each node.

A line goes to all nodes at once, and its answers come back between two rules. Lines that
begin with `!`, `@` or `:` are for this machine, for some of the nodes, and for this mode.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, UsageError
from clsh.base.messages import tr
from clsh.cli.outcome import error_line, exit_code, summary
from clsh.cli.output.console import Console
from clsh.cli.output.feed import Feed
from clsh.cli.output.printing import Look, Printer
from clsh.cli.prompt import PlainPrompt, terminal_prompt
from clsh.cli.running import CLOSED, Ended, raise_file_limit
from clsh.nodes.model import Node, node_name
from clsh.nodes.nodeset import expand, fold
from clsh.remote.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
    from pathlib import Path
    from typing import Any

    from clsh.cli.prompt import Prompt
    from clsh.remote.fanout import Outcome, Plan
    from clsh.remote.transport import Exit, Sink, Stream, Transport

PROMPT = "clsh> "
_RULE = b"-----\n"
_FEW = 16
"""So many nodes are named one by one."""
_AT_ONCE_S = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
_WORD = re.compile(r":([a-z]+)(?:\s+(.*))?")
_INTERRUPTED = 128 + signal.SIGINT
_LOCAL = node_name("LOCAL")


@dataclass(frozen=True, slots=True)
class Interaction:
    """Everything that is decided before the event loop starts.

    `lookup` gives the nodes of a group. `setup` is a line that each shell runs first.
    """

    nodes: Sequence[Node]
    plan: Plan
    transport: Callable[[], Transport]
    state: Path
    lookup: Callable[[str], Sequence[Node]] | None = None
    folds: bool = False
    setup: str = ""
    redirected: bool = False
    colour: bool | None = None
    stdin: int = 0
    stdout: int = 1
    stderr: int = 2


async def interact(asked: Interaction) -> Ended:
    """Talk with the user to the end; return the exit status.

    It is 12 when a node was lost, 13 when one could not be reached (and neither is back),
    128 and its number for the signal that ended the mode, else 0.
    """
    raise_file_limit()
    return await _Mode(asked).run()


class _Mode:
    def __init__(self, asked: Interaction) -> None:
        self._asked = asked
        self._console = Console(
            self._on_closed, colour=asked.colour, stdout=asked.stdout, stderr=asked.stderr
        )
        self._ending: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._transport = asked.transport()
        self._crew = Crew(
            self._transport,
            asked.nodes,
            _Watcher(self, self._console, asked.nodes),
            window=asked.plan.window,
            connect_timeout_s=asked.plan.connect_timeout_s,
            setup=asked.setup,
        )
        self._local: Crew | None = None
        self._types = os.isatty(asked.stdin)
        self._prompt = self._make_prompt()
        self._only: Collection[str] | None = None
        self._folds = asked.folds
        self._last: list[Outcome] = []
        self._gone: dict[str, Outcome] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._at_work: Crew | None = None
        self._interrupts = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._words: dict[str, Callable[[str], object]] = {
            "help": self._help,
            "nodes": self._nodes,
            "only": self._choose,
            "all": self._choose_all,
            "fold": self._fold,
            "status": self._status,
            "reconnect": self._reconnect,
        }

    # The frame: from the first connection to the last.

    async def run(self) -> Ended:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._end, 128 + signum)
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.wait([talking, self._ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.done():
                self._ending.set_result(await talking)
        finally:
            talking.cancel()
            await asyncio.wait([talking])
            await self._close()
            for signum in (signal.SIGINT, *_SIGNALS):
                loop.remove_signal_handler(signum)
            gc.unfreeze()
        code = self._ending.result()
        at_once = not await self._console.aclose(_AT_ONCE_S if code >= 128 else None)
        return Ended(code, at_once=at_once)

    def _end(self, code: int) -> None:
        if not self._ending.done():
            self._ending.set_result(code)

    def _on_closed(self, error: ClshError | None) -> None:
        self._end(error.exit_code if error else CLOSED)

    async def _close(self) -> None:
        crews = [self._crew] if self._local is None else [self._crew, self._local]
        await asyncio.gather(*(crew.aclose() for crew in crews))
        await self._transport.aclose()
        for task in self._tasks:
            task.cancel()

    async def _talk(self) -> int:
        if self._asked.redirected:
            self._console.talk(tr("Note: --out and --err are not used in interactive mode"))
        self._say(tr("Enter 'quit' to leave this interactive mode"))
        interrupted = await self._connect()
        connected = self._crew.connected
        if not connected:
            return _INTERRUPTED if interrupted else exit_code(list(self._gone.values()))
        self._say(tr("Working with nodes: {nodes}", nodes=_names(connected)))
        while True:
            await self._console.flush()
            line = await self._prompt.read(PROMPT)
            if line is None or line.strip() in {"quit", "exit"}:
                return exit_code(list(self._gone.values()))
            try:
                await self._obey(line)
            except ClshError as error:
                self._complain(error)

    async def _connect(self) -> bool:
        """Connect to all; return True when an interrupt cut it short."""
        self._connecting = connecting = asyncio.create_task(self._crew.open())
        try:
            await asyncio.wait([connecting])
        finally:
            self._connecting = None
            connecting.cancel()
            await asyncio.wait([connecting])
        gc.freeze()  # 1,000 connections stay: looking through them would double a line's cost
        for name in self._crew.connected:
            self._gone.pop(name, None)
        if not connecting.cancelled():
            connecting.result()
        return connecting.cancelled()

    def _interrupt(self) -> None:
        """Do what Ctrl-C means now; a second one for the same line kills what it runs."""
        if self._connecting is not None:
            self._connecting.cancel()
        elif self._at_work is not None:
            self._interrupts += 1
            if self._types:
                self._console.talk("")  # the terminal has echoed ^C
            self._begin(self._at_work.interrupt(now=self._interrupts > 1))
        elif self._types:
            self._prompt.interrupt()
        else:
            self._end(_INTERRUPTED)

    # What a line may be.

    async def _obey(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        if found := _WORD.fullmatch(text):
            word = self._words.get(found[1])
            if word is None:
                raise UsageError(
                    tr("there is no ':{word}'", word=found[1]),
                    hint=" ".join(f":{word}" for word in self._words),
                )
            doing = word((found[2] or "").strip())
            if asyncio.iscoroutine(doing):
                await doing
        elif text.startswith("!"):
            await self._run_here(text[1:].strip())
        elif text.startswith("@"):
            names, _, command = text[1:].partition(" ")
            if not names or not command.strip():
                raise UsageError(tr("no command was given"), hint="@node[1-3] uptime")
            await self._run(self._crew, command, self._known(names))
        else:
            await self._run(self._crew, line, self._chosen())

    async def _run_here(self, line: str) -> None:
        if not line:
            raise UsageError(tr("no command was given"), hint="!uname")
        if self._local is None:
            from clsh.base import plugins
            from clsh.remote.transport import TransportOptions

            transport = plugins.find("clsh.remote.transports", "local")(TransportOptions())
            here = Node(_LOCAL, "localhost", transport="local")
            self._local = Crew(transport, [here], _Watcher(self, self._console, [here]))
        if not self._local.connected:
            await self._local.open()
        await self._run(self._local, line, [_LOCAL])

    async def _run(self, crew: Crew, line: str, names: Collection[str]) -> None:
        """Run a line and show its answers as they come, or folded."""
        if not set(names).intersection(crew.connected):
            raise ClshError(tr("none of these nodes is connected"), hint=":nodes, :reconnect")
        look = Look(view="groups" if self._folds else None, live=not self._folds)
        nodes = self._asked.nodes if crew is self._crew else [Node(_LOCAL, "localhost")]
        printer = Printer(self._console, look, nodes)
        self._console.text("stdout", _RULE)
        self._at_work, self._interrupts = crew, 0
        try:
            self._last = await crew.run(
                line, frozenset(names), _Observer(self, printer), self._asked.plan.timeout_s
            )
        finally:
            self._at_work = None
        await printer.report()
        printer.close()
        self._console.text("stdout", _RULE)
        if told := summary(self._last):
            self._console.talk(told)

    # The words of this mode.

    def _help(self, _: str) -> None:
        for shown in (
            tr("COMMAND          run it on the nodes; cd and variables last"),
            tr("!COMMAND         run it on this machine"),
            tr("@SET COMMAND     run it on some nodes: @node[1-3] uptime"),
            tr(":only SET        work with these nodes only; :all with all again"),
            tr(":nodes           show the nodes"),
            tr(":status          show how the last line ended"),
            tr(":fold on|off     show equal answers as one, or each as it comes"),
            tr(":reconnect       try again to reach the nodes that are missing"),
            tr("quit, exit       leave; so does Ctrl-D. Ctrl-C interrupts what runs"),
        ):
            self._say(shown)

    def _nodes(self, _: str) -> None:
        connected = self._crew.connected
        chosen = [name for name in connected if name in self._chosen()]
        self._say(tr("Working with nodes: {nodes}", nodes=_names(chosen)))
        resting = [name for name in connected if name not in chosen]
        missing = [node.name for node in self._asked.nodes if node.name not in connected]
        if resting:
            self._say(tr("Left out by :only: {nodes}", nodes=_names(resting)))
        if missing:
            self._say(tr("Not connected: {nodes}", nodes=_names(missing)))

    def _choose(self, names: str) -> None:
        if not names:
            raise UsageError(tr("no nodes were given"), hint=":only node[1-3]; :all")
        self._only = self._known(names)
        self._nodes("")

    def _choose_all(self, _: str) -> None:
        self._only = None
        self._nodes("")

    def _fold(self, how: str) -> None:
        if how not in {"on", "off"}:
            raise UsageError(tr("it is on or off"), hint=":fold on; :fold off")
        self._folds = how == "on"

    def _status(self, _: str) -> None:
        kinds: dict[str, list[str]] = {}
        for outcome in self._last:
            kind = tr("exit {status}", status=outcome.code)
            if outcome.state != "done":
                kind = tr(outcome.state)
            kinds.setdefault(kind, []).append(outcome.node.name)
        for kind, names in kinds.items():
            self._say(f"{_names(names)}: {kind}")

    async def _reconnect(self, _: str) -> None:
        await self._connect()
        self._nodes("")

    def _chosen(self) -> Collection[str]:
        return [node.name for node in self._asked.nodes] if self._only is None else self._only

    def _known(self, text: str) -> Collection[str]:
        """Return the nodes of ours that a node set or a group names."""
        ours = {node.name for node in self._asked.nodes}
        lookup = self._asked.lookup
        if lookup is not None and text.startswith("@"):
            names: list[str] = [node.name for node in lookup(text[1:])]
        else:
            names = expand(text)
            if lookup is not None and not ours.intersection(names):
                names = [node.name for node in lookup(text)]
        if unknown := [name for name in names if name not in ours]:
            raise UsageError(
                tr("not among the nodes: {nodes}", nodes=fold(unknown)), hint=":nodes shows them"
            )
        return names

    # What is shown.

    def _make_prompt(self) -> Prompt:
        asked = self._asked
        if self._types and os.isatty(asked.stdout):
            names = [node.name for node in asked.nodes]
            return terminal_prompt(asked.state / "history", lambda: names)
        return PlainPrompt(self._console, asked.stdin, echo=not self._types)

    def _say(self, text: str) -> None:
        self._console.text("stdout", text.encode("utf-8", "backslashreplace") + b"\n")

    def _complain(self, error: ClshError) -> None:
        self._console.talk(f"clsh: {tr(str(error))}")
        if error.hint:
            self._console.talk(f"  {tr(error.hint)}")

    def aside(self, stream: Stream, data: bytes) -> asyncio.Task[None]:
        """Write whole lines although the user may be typing one."""

        async def write() -> None:
            self._console.text(stream, data)
            await self._console.flush()

        return self._begin(self._prompt.show(write))

    def _begin(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def missing(self, outcome: Outcome) -> None:
        """Take note of a node that was lost or not reached."""
        self._gone[outcome.node.name] = outcome
        if outcome.state == "lost" and self._asked.plan.on_lost == "stop":
            self._end(outcome.code)


class _Observer:
    """Tells the printer and the mode how a line goes."""

    def __init__(self, mode: _Mode, printer: Printer) -> None:
        self._mode = mode
        self._printer = printer

    def opened(self, node: Node) -> Sink:
        return self._printer.opened(node)

    def ended(self, outcome: Outcome) -> None:
        self._printer.ended(outcome)
        if outcome.state == "lost":
            self._mode.missing(outcome)


class _Watcher:
    """Shows what happens between the lines."""

    def __init__(self, mode: _Mode, console: Console, nodes: Sequence[Node]) -> None:
        self._mode = mode
        self._console = console
        self._index: dict[str, int] = {node.name: index for index, node in enumerate(nodes)}

    def failed(self, outcome: Outcome) -> None:
        told = error_line(outcome)
        if outcome.state == "lost":
            node = outcome.node.name
            told = tr("ERROR: {node} connection lost {so_far}", node=node, so_far="").rstrip()
        self._tell(told or "")
        self._mode.missing(outcome)

    def restarted(self, node: Node, ended: Exit) -> None:
        text = tr(
            "{node}: its shell ended (exit {status}); a new one has been started",
            node=node.name,
            status=ended.code,
        )
        self._tell(text)

    def idle(self, node: Node) -> Sink:
        return _Idle(lambda stream: self._feed(stream, node.name))

    def _feed(self, stream: Stream, node: str) -> Feed:
        label = self._console.label(stream, node, self._index[node]) + b" "
        return Feed(lambda data: self._mode.aside(stream, data), label, safe=False)

    def _tell(self, text: str) -> None:
        self._mode.aside("stderr", text.encode("utf-8", "backslashreplace") + b"\n")


class _Idle:
    """The sink of what a node writes between the lines; most never do."""

    def __init__(self, feed: Callable[[Stream], Feed]) -> None:
        self._feed = feed
        self._feeds: dict[Stream, Feed] = {}

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        if stream not in self._feeds:
            self._feeds[stream] = self._feed(stream)
        return self._feeds[stream].write(data)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _FEW else fold(names)
