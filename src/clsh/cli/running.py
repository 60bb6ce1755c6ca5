"""One run from its first node to its exit status: signals, output, report, final line.

What may block for ever (a reader of stdout that does not read) is waited for only until a
signal comes. The signal that ends a run decides its exit status: 128 and its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from clsh.base.errors import ClshError
from clsh.cli import last_run, render
from clsh.cli.outcome import exit_code, is_well, summary
from clsh.cli.output import progress
from clsh.cli.output.console import Console
from clsh.cli.output.printing import Look, Printer
from clsh.remote.fanout import FanOut, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clsh.cli.output.out_files import OutFiles
    from clsh.cli.work import Doing
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Outcome
    from clsh.remote.stdin_spool import StdinSpool
    from clsh.remote.transport import Sink, Transport

CLOSED = 128 + signal.SIGPIPE
_GONE_S = 0.36
"""After INT, QUIT or a second TERM clsh is gone within 0.5 s; the rest is for the exit."""
_LEAST_S = 0.02
_MOST_S = 0.1
"""What a reader who does not read may cost then."""
_TERM_S = 1.0
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that is decided before the event loop starts."""

    nodes: Sequence[Node]
    doing: Doing
    plan: Plan
    look: Look
    state: Path
    transport: Callable[[], Transport]
    files: OutFiles | None = None
    stdin: int | None = None
    colour: bool | None = None
    largest: bool = False
    stdout: int = 1
    stderr: int = 2


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit status, and whether the process must go at once: something may still block."""

    code: int
    at_once: bool = False


def _nothing(_: Literal["finish", "now"]) -> None:
    """Nothing runs that could be stopped."""


class _Stopping:
    """What has asked this run to stop: signals, or a stdout that takes nothing any more."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.closed = False
        self.error: ClshError | None = None
        self.now = asyncio.Event()
        self._gone_at = 0.0
        self.killing: tuple[FanOut, Transport] | None = None
        self.stop: Callable[[Literal["finish", "now"]], None] = _nothing

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.signalled, signum)

    def remove(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(signum)

    def signalled(self, signum: int) -> None:
        gently = signum == signal.SIGTERM and self.signum is None and self.stop is not _nothing
        self.signum = self.signum or signum
        if not gently and not self.now.is_set():
            self.now.set()
            self._gone_at = asyncio.get_running_loop().time() + _GONE_S
        self.stop("finish" if gently else "now")

    async def wait_for(self, task: asyncio.Task[Any], limit_s: float | None) -> None:
        """Wait until `task` is done; after a signal to stop now, only a moment longer."""
        now = asyncio.create_task(self.now.wait())
        await asyncio.wait([task, now], timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        now.cancel()
        if not task.done():
            left_s = self._gone_at - asyncio.get_running_loop().time()
            await asyncio.wait([task], timeout=min(_MOST_S, max(_LEAST_S, left_s)))

    def stdout_closed(self, error: ClshError | None) -> None:
        self.closed = True
        self.error = error
        self.stop("now")

    async def leave(self, code: int) -> None:
        """End the process here when something is still being killed."""
        if self.killing is not None:
            from clsh.cli import lingering

            await lingering.leave(code, *self.killing)


class _Watch:
    """Tells the printer and the spool of standard input what the fan-out does."""

    def __init__(self, printer: Printer, stdin: StdinSpool | None) -> None:
        self._printer = printer
        self._stdin = stdin

    def opened(self, node: Node) -> Sink:
        return self._printer.opened(node)

    def ended(self, outcome: Outcome) -> None:
        if self._stdin:
            self._stdin.done(outcome.node.name)
        self._printer.ended(outcome)


async def carry_out(run: Run) -> Ended:
    """Run, show and sum up; the exit status is that of docs/reference/clsh.md."""
    raise_file_limit()
    stopping = _Stopping()
    stopping.install()
    console = Console(
        stopping.stdout_closed, colour=run.colour, stdout=run.stdout, stderr=run.stderr
    )
    printer = Printer(console, run.look, run.nodes, run.files)
    try:
        outcomes = await _fan_out(run, printer, console, stopping)
        ending = asyncio.create_task(_end(run, outcomes, printer, console, stopping))
        await stopping.wait_for(ending, None if stopping.signum is None else _TERM_S)
        if not ending.done():
            code = _code(outcomes, stopping, run)
            await stopping.leave(code)
            return Ended(code, at_once=True)
        at_once = stopping.signum is not None or not await console.aclose(_CLOSE_S)
        await stopping.leave(ending.result())
        return Ended(ending.result(), at_once=at_once)
    finally:
        printer.close()
        stopping.remove()


async def _fan_out(
    run: Run, printer: Printer, console: Console, stopping: _Stopping
) -> list[Outcome]:
    async with contextlib.AsyncExitStack() as stack:
        stdin = None
        if run.stdin is not None:
            from clsh.remote.stdin_spool import StdinSpool

            together = len(run.nodes) <= min(run.plan.window, run.plan.batch or len(run.nodes))
            names = [node.name for node in run.nodes]
            stdin = await stack.enter_async_context(StdinSpool(run.stdin, names, together=together))
        transport = run.transport()
        fan = FanOut(transport, run.plan, _Watch(printer, stdin), lingers=True)
        stopping.stop = fan.stop
        showing = asyncio.create_task(progress.show(console, printer.counts, run.stderr))
        try:
            return await fan.run(run.nodes, run.doing(stdin, printer))
        finally:
            stopping.stop = _nothing
            showing.cancel()
            if fan.unsettled:
                stopping.killing = fan, transport
            else:
                await stopping.wait_for(asyncio.create_task(transport.aclose()), _CLOSE_S)


async def _end(
    run: Run,
    outcomes: list[Outcome],
    printer: Printer,
    console: Console,
    stopping: _Stopping,
) -> int:
    """Write the report, what failed and all that still waits; return the exit status."""
    failed = [outcome.node for outcome in outcomes if not is_well(outcome)]
    try:
        await asyncio.to_thread(last_run.save, run.state, failed)
    except OSError as error:
        if failed:
            console.talk(f"clsh: --failed will not know this run: {error}")
    if run.files:
        await run.files.aclose()
    whole = stopping.closed or await printer.report()
    code = _code(outcomes, stopping, run, whole=whole)
    printer.over(code, len(failed))
    if not stopping.closed and (told := summary(outcomes)):
        console.talk(told)
    await console.flush()
    if stopping.error:
        render.fail(stopping.error)
    return _code(outcomes, stopping, run, whole=whole)  # stdout may have closed meanwhile


def _code(outcomes: Sequence[Outcome], stopping: _Stopping, run: Run, *, whole: bool = True) -> int:
    if stopping.signum is not None:
        return 128 + stopping.signum
    if stopping.closed:
        return stopping.error.exit_code if stopping.error else CLOSED
    return exit_code(outcomes, largest=run.largest) or int(not whole)


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each node takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
