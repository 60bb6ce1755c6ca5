"""What each node is told to do, made from the options: a command, a script, a copy.

A Doing makes the work of a run for a fan-out. It is given standard input, when the nodes are
to have it, and the printer. What it needs from the disk is read before, where that may block.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.remote.quoting import script_line, with_environment
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.cli.options import Options
    from clsh.cli.output.printing import Printer
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Work
    from clsh.remote.stdin_spool import StdinSpool
    from clsh.remote.transport import Exit, Session, Sink

    Doing = Callable[[StdinSpool | None, Printer], Work]


def command(options: Options, columns: int | None = None) -> Doing:
    """Return the work for a command or `--script`; raises UsageError for a bad script."""
    first = b""
    line = " ".join(options.words)
    if options.script is not None:
        first = _read(options.script)
        line = script_line(first, *options.words)
    pairs = (pair.partition("=") for pair in options.env)
    line = with_environment(line, {name: value for name, _, value in pairs})
    size = shutil.get_terminal_size()
    told = Command(line, options.tty, columns or size.columns, size.lines)

    def doing(stdin: StdinSpool | None, printer: Printer) -> Work:
        async def work(session: Session, sink: Sink) -> Exit:
            given = stdin.reader(session.node.name) if stdin else None
            if first:
                from clsh.remote.stdin_spool import chained

                ended = await session.run(told, sink, chained(first, given))
            else:
                ended = await session.run(told, sink, given)
            await printer.settle(session.node)
            return ended

        return work

    return doing


def copying(options: Options) -> Doing:
    """Return the work for `--copy` or `--rcopy`; raises UsageError for files that cannot be."""
    from clsh.remote.copy import get, put

    *sources, target = options.words
    told: list[Callable[[Node, int], None]] = []

    def progress(node: Node, count: int) -> None:
        told[0](node, count)

    if options.copy:
        copy = put([Path(source) for source in sources], target, progress)
    else:
        copy = get(sources, Path(target), progress)

    def doing(_: StdinSpool | None, printer: Printer) -> Work:
        told.append(printer.moved)
        return copy

    return doing


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read script '{name}': {error.strerror}", hint="it is a file of this machine"
        ) from error
