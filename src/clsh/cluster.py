"""clsh as a library: run commands on many nodes from Python, async or not.

results = clsh.run("node[1-4]", "uname -r")
print(results["node1"].text, results.failed)

async with clsh.Cluster("node[1-4]") as cluster:
    await cluster.run("make -j", timeout_s=600)
    async for event in cluster.stream("tail -n 100 /var/log/syslog"):
        ...
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from clsh import assembly
from clsh.base.errors import (
    ClshError,
    DeadlineError,
    NodeError,
    NodeLostError,
    SomeFailedError,
    UnreachableError,
    UsageError,
)
from clsh.nodes.model import Node
from clsh.remote.fanout import FanOut, Plan
from clsh.remote.pool import Pool
from clsh.remote.quoting import quote, with_environment
from clsh.remote.stdin_spool import chained
from clsh.remote.sudo import Sudo
from clsh.remote.transport import Command, TransportOptions

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        Awaitable,
        Coroutine,
        Iterable,
        Iterator,
        Sequence,
    )
    from typing import Any, Self, Unpack

    from clsh.remote.fanout import Observer, Outcome, State, Work
    from clsh.remote.transport import Exit, Session, Sink, Stream, Transport

MOST_OUTPUT = 64 * 1024 * 1024
"""How many bytes of one node `run` keeps; more fails the node."""
_QUEUED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a command on one node.

    `status` is the exit status as a shell gives it (128 + N for signal N), None when the
    command's end is not known; then `state` tells what happened and `reason` says why.
    `seconds` include connecting. The output is as the node wrote it.
    """

    node: str
    state: State
    status: int | None
    seconds: float
    stdout: bytes = b""
    stderr: bytes = b""
    reason: str = ""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether the command ran and its status is 0."""
        return self.state == "done" and self.status == 0

    @property
    def text(self) -> str:
        """Standard output as UTF-8 text without the newlines at its end, as `$(...)` has it."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    def check(self) -> Self:
        """Return itself when `ok`.

        Raises UnreachableError, NodeLostError, DeadlineError or, for a status that is not 0
        and all else, NodeError.
        """
        if self.ok:
            return self
        kind = _ERRORS.get(self.state, NodeError)
        reason = self.reason or (self.state if self.status is None else f"exit {self.status}")
        raise kind(self.node, reason, hint=self.hint)


_ERRORS: dict[State, type[NodeError]] = {
    "lost": NodeLostError,
    "unreachable": UnreachableError,
    "timeout": DeadlineError,
}


class Results(Mapping[str, Result]):
    """Results by node name, in the order in which the nodes were given."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = {result.node: result for result in results}

    def __getitem__(self, node: str) -> Result:
        return self._results[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Results({list(self._results.values())!r})"

    @property
    def ok(self) -> bool:
        """Whether all nodes are."""
        return not self.failed

    @property
    def failed(self) -> list[str]:
        """The names of the nodes that are not `ok`."""
        return [name for name, result in self.items() if not result.ok]

    def check(self) -> Self:
        """Return itself when all are `ok`; raises SomeFailedError naming the nodes."""
        if self.ok:
            return self
        from clsh.nodes.nodeset import fold

        raise SomeFailedError(f"{len(self.failed)} of {len(self)} failed: {fold(self.failed)}")


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a node wrote, as they were read: not lines."""

    node: str
    stream: Stream
    data: bytes


class How(TypedDict, total=False):
    """How one command is run.

    `timeout_s` is from the command's start, none by default. `env` sets variables, `stdin`
    is given to each node. `sudo` is the user to run as, by `sudo_password` where sudo asks
    for one. With `on_lost="stop"` a lost connection ends the command on all nodes.
    `most_output` is what `run` keeps of a node, in bytes, 64 MiB by default; more fails it.
    """

    timeout_s: float | None
    env: Mapping[str, str]
    stdin: bytes
    sudo: str | None
    sudo_password: str | None
    on_lost: Literal["continue", "stop"]
    most_output: int


class Cluster:
    """Nodes with sessions that stay open from command to command.

    `nodes` is a list as `clsh -h` takes it (`node[1-3],admin@web:2222`, `@group` of the
    inventory), or several, or Nodes. At most `window` nodes run at a time. `transport` is a
    name (`auto`, `openssh`), or a Transport, which is closed with the cluster. `options`
    are passwords, keys and files for the transport.

    Use it as `async with`: leaving it ends what still runs and closes the sessions. Commands
    may run side by side; a lost node is connected to again by the next command.
    """

    def __init__(
        self,
        nodes: str | Node | Iterable[str | Node],
        *,
        user: str | None = None,
        window: int = 64,
        connect_timeout_s: float = 10,
        retries: int = 0,
        transport: str | Transport = "auto",
        options: TransportOptions | None = None,
    ) -> None:
        self.nodes: tuple[Node, ...] = ()
        self._asked = [nodes] if isinstance(nodes, str | Node) else list(nodes)
        self._user = user
        self._plan = Plan(window=window, connect_timeout_s=connect_timeout_s)
        self._retries = retries
        self._chosen = transport
        self._options = options or TransportOptions()
        self._transport: Transport | None = None
        self._running: dict[FanOut, asyncio.Task[list[Outcome]]] = {}

    async def __aenter__(self) -> Self:
        self.nodes = await asyncio.to_thread(_nodes, self._asked, self._user)
        way = self._chosen
        if isinstance(way, str):
            forced = None if way == "auto" else way
            way = assembly.transport(self._options, forced=forced, retries=self._retries)
        self._transport = Pool(way)
        return self

    async def __aexit__(self, *_: object) -> None:
        for fan in self._running:
            fan.stop("now")
        if self._running:
            await asyncio.wait(self._running.values())
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def run(self, command: str | Sequence[str], **how: Unpack[How]) -> Results:
        """Run a shell line, or an argv, on all nodes and return what came of it.

        Nothing that happens to a node is raised; see `Result.check`. A cancel ends the
        command on all nodes.
        """
        gathered = _Gathered(how.get("most_output", MOST_OUTPUT))
        _, task = self._start(command, gathered, how)
        await task
        return Results(gathered.results[node.name] for node in self.nodes)

    async def stream(
        self, command: str | Sequence[str], **how: Unpack[How]
    ) -> AsyncGenerator[Output | Result, None]:
        """Run as `run` does, yielding output as it comes and each node's Result as it ends.

        The Results hold no output. Who reads slowly slows the nodes down: at most 1 MiB
        waits. To leave early, leave a `contextlib.aclosing` of it: that ends the command.
        """
        queue = _Queue()
        fan, task = self._start(command, queue, how)
        task.add_done_callback(lambda _: queue.wake())
        try:
            while not task.done() or queue.events:
                while queue.events:
                    yield queue.take()
                if not task.done():
                    await queue.wait()
            await task
        finally:
            if not task.done():
                fan.stop("now")
                await asyncio.wait([task])

    def _start(
        self, command: str | Sequence[str], observer: Observer, how: How
    ) -> tuple[FanOut, asyncio.Task[list[Outcome]]]:
        if self._transport is None:
            raise UsageError("the cluster is not open", hint="use it within `async with`")
        line = command if isinstance(command, str) else quote(command)
        line = with_environment(line, how.get("env", {}))
        plan = replace(
            self._plan,
            timeout_s=how.get("timeout_s"),
            on_lost=how.get("on_lost", "continue"),
        )
        way, user = self._transport, how.get("sudo")
        if user is not None:
            way = Sudo(way, how.get("sudo_password"), user)
        fan = FanOut(way, plan, observer)
        task = asyncio.create_task(fan.run(self.nodes, _work(Command(line), how.get("stdin"))))
        self._running[fan] = task
        task.add_done_callback(lambda _: self._running.pop(fan))
        return fan, task


class Everything(How, total=False):
    """What `run` takes: how the command is run, and what Cluster takes."""

    user: str | None
    window: int
    connect_timeout_s: float
    retries: int
    transport: str | Transport
    options: TransportOptions | None


def run(
    nodes: str | Node | Iterable[str | Node],
    command: str | Sequence[str],
    **settings: Unpack[Everything],
) -> Results:
    """Run one command on nodes and return what came of it; for code that is not async.

    Also within a running event loop, which then stands still meanwhile. ^C ends the command
    on all nodes.
    """
    values: dict[str, Any] = dict(settings)
    how = {key: values.pop(key) for key in How.__annotations__ if key in values}

    async def once() -> Results:
        async with Cluster(nodes, **values) as cluster:
            return await cluster.run(command, **cast("How", how))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(once())
    return _in_a_thread(once())


def _in_a_thread(doing: Coroutine[Any, Any, Results]) -> Results:
    from concurrent.futures import ThreadPoolExecutor

    tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Results]]] = []

    async def main() -> Results:
        task = asyncio.create_task(doing)
        tasks.append((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(asyncio.run, main())
        try:
            return running.result()
        except KeyboardInterrupt:
            for loop, task in tasks:
                loop.call_soon_threadsafe(task.cancel)
            raise


def _nodes(asked: Sequence[str | Node], user: str | None) -> tuple[Node, ...]:
    """Return the nodes in their order, each once; reads the configuration for names."""
    if not any(isinstance(one, str) for one in asked):
        return tuple({one.name: one for one in asked if isinstance(one, Node)}.values())
    from clsh.base import config
    from clsh.nodes import choose, inventory

    known = inventory.load(config.load())
    found: dict[str, Node] = {}
    for one in asked:
        if isinstance(one, Node):
            found.setdefault(one.name, one)
            continue
        names = choose.Asked(hosts=[one], user=user)
        for node in choose.choose(names, {}, known, Path()).nodes:
            found.setdefault(node.name, node)
    return tuple(found.values())


def _work(command: Command, data: bytes | None) -> Work:
    async def work(session: Session, sink: Sink) -> Exit:
        return await session.run(command, sink, None if data is None else chained(data, None))

    return work


def _result(outcome: Outcome, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    status = None if outcome.exit is None else outcome.exit.code
    return Result(
        outcome.node.name,
        outcome.state,
        status,
        outcome.seconds,
        stdout,
        stderr,
        outcome.reason,
        outcome.hint,
    )


class _Gathered:
    """The observer of `run`."""

    def __init__(self, most: int) -> None:
        self.results: dict[str, Result] = {}
        self._most = most
        self._kept: dict[str, _Kept] = {}

    def opened(self, node: Node) -> Sink:
        kept = self._kept[node.name] = _Kept(self._most)
        return kept

    def ended(self, outcome: Outcome) -> None:
        kept = self._kept.pop(outcome.node.name, None) or _Kept(0)
        result = _result(outcome, bytes(kept.stdout), bytes(kept.stderr))
        self.results[outcome.node.name] = result


class _Kept:
    """The output of one node."""

    def __init__(self, most: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._most = most

    def write(self, stream: Stream, data: bytes) -> None:
        kept = self.stdout if stream == "stdout" else self.stderr
        kept += data
        if len(self.stdout) + len(self.stderr) > self._most:
            raise ClshError(
                f"more than {self._most:,} bytes of output",
                hint="read it by `stream`, or let `most_output` be larger",
            )


class _Queue:
    """The observer of `stream`; its events wait for the one who reads them."""

    def __init__(self) -> None:
        self.events: deque[Output | Result] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    def opened(self, node: Node) -> Sink:
        return _Tap(self, node.name)

    def ended(self, outcome: Outcome) -> None:
        self.events.append(_result(outcome))
        self.wake()

    def put(self, output: Output) -> Awaitable[None] | None:
        self.events.append(output)
        self._size += len(output.data)
        self.wake()
        if self._size < _QUEUED:
            return None
        self._room.clear()
        return self._until_room()

    def take(self) -> Output | Result:
        event = self.events.popleft()
        if isinstance(event, Output):
            self._size -= len(event.data)
            if self._size < _QUEUED:
                self._room.set()
        return event

    async def _until_room(self) -> None:
        await self._room.wait()

    def wake(self) -> None:
        self._news.set()

    async def wait(self) -> None:
        self._news.clear()
        await self._news.wait()


class _Tap:
    def __init__(self, queue: _Queue, node: str) -> None:
        self._queue = queue
        self._node = node

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        return self._queue.put(Output(self._node, stream, data))
