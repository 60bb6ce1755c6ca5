"""What each node is told to do, made from the options: a command, a script, a copy.

A Doing makes the work of a run for a fan-out. It is given standard input, when the nodes are
to have it, and `settle`, which is awaited when the command of a node has ended: it raises
when output of that node could not be stored.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.remote.quoting import script_line, with_environment
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clsh.cli.options import Options
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Work
    from clsh.remote.stdin_spool import StdinSpool
    from clsh.remote.transport import Exit, Session, Sink

    Settle = Callable[[Node], Awaitable[None]]
    Doing = Callable[[StdinSpool | None, Settle], Work]


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

    def doing(stdin: StdinSpool | None, settle: Settle) -> Work:
        async def work(session: Session, sink: Sink) -> Exit:
            given = stdin.reader(session.node.name) if stdin else None
            if first:
                from clsh.remote.stdin_spool import chained

                ended = await session.run(told, sink, chained(first, given))
            else:
                ended = await session.run(told, sink, given)
            await settle(session.node)
            return ended

        return work

    return doing


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read script '{name}': {error.strerror}", hint="it is a file of this machine"
        ) from error
