"""The command `clsh`: from the words of its command line to a run, and to an exit status.

Only what a command line needs is imported: `clsh --version` must not wait for asyncio.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, UsageError
from clsh.cli import options as command_line
from clsh.cli import render

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from clsh.base.config import Config
    from clsh.cli.options import Options
    from clsh.cli.running import Ended
    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node
    from clsh.remote.transport import Stream

_CLOSED = 141
_INTERRUPTED = 130


def entry() -> int:
    """Run `clsh` with the words of this process; return its exit status."""
    _open_closed_streams()
    try:
        return main(sys.argv[1:])
    except ClshError as error:
        return render.fail(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is flushed at exit finds a place
        return _CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def main(argv: Sequence[str]) -> int:
    """Do what the words after `clsh` ask for; raises ClshError."""
    options = command_line.parse(argv)
    if options.version:
        from clsh import __version__

        render.say(f"clsh {__version__}")
        return 0
    if options.help:
        render.say(command_line.parser().format_help().rstrip())
        return 0
    from clsh.base import config
    from clsh.nodes import inventory

    settings = config.load(os.environ)
    book = inventory.load(settings)
    nodes = choose(options, book)
    if options.dry_run:
        from clsh.cli import prepare

        render.say(prepare.dry_run(options, settings, nodes))
        return 0
    if options.interactive:
        return _interactive(options, settings, nodes, book)
    return _run(options, settings, nodes)


def choose(options: Options, book: Inventory | None) -> Sequence[Node]:
    """Return the nodes that are meant, and say where they come from when that was not said."""
    from clsh.nodes import choose as choosing

    if options.failed:
        return _failed_before(options, book)
    asked = choosing.Asked(
        hosts=options.hosts,
        exclude=options.exclude,
        all=options.all,
        groups=options.group,
        hostfile=options.hostfile,
        user=options.user,
    )
    choice = choosing.choose(asked, os.environ, book, Path.cwd())
    if choice.note:
        render.talk(choice.note)
    return choice.nodes


def _failed_before(options: Options, book: Inventory | None) -> Sequence[Node]:
    from clsh.base import paths
    from clsh.cli import last_run
    from clsh.nodes import entry

    away = {
        node.name
        for text in options.exclude
        for node in entry.parse(text, book.group if book else None)
    }
    nodes = [node for node in last_run.load(paths.state_dir()) if node.name not in away]
    if not nodes:
        raise UsageError("no node is left", hint="-x takes all away that failed")
    return nodes


def _run(options: Options, settings: Config, nodes: Sequence[Node]) -> int:
    from clsh.base import paths
    from clsh.cli import prepare
    from clsh.cli.output.out_files import OutFiles
    from clsh.cli.running import Run, carry_out
    from clsh.cli.work import command, copying

    run = Run(
        nodes=nodes,
        doing=copying(options) if options.copy or options.rcopy else command(options),
        plan=prepare.plan(options, settings),
        look=prepare.look(options),
        state=paths.state_dir(),
        transport=prepare.transport(options, settings),
        files=OutFiles(_redirected(options), [n.name for n in nodes], append=options.append),
        stdin=_stdin(options),
        colour=prepare.colour(options, settings, os.environ),
        largest=options.status,
    )
    return _in_loop(carry_out(run))


def _interactive(
    options: Options, settings: Config, nodes: Sequence[Node], book: Inventory | None
) -> int:
    from clsh.base import paths
    from clsh.cli import prepare
    from clsh.cli.interactive import Interaction, interact
    from clsh.remote.quoting import quote

    asked = Interaction(
        nodes=nodes,
        plan=prepare.plan(options, settings),
        transport=prepare.transport(options, settings),
        state=paths.state_dir(),
        lookup=book.group if book else None,
        folds=options.gather,
        setup=quote(["export", *options.env]) if options.env else "",
        redirected=bool(_redirected(options)),
        colour=prepare.colour(options, settings, os.environ),
    )
    return _in_loop(interact(asked))


def _in_loop(work: Coroutine[Any, Any, Ended]) -> int:
    import asyncio

    with asyncio.Runner() as runner:
        ended = runner.run(work)
        if ended.at_once:  # a thread may still stand in a write that nobody reads
            os._exit(ended.code)
    return ended.code


def _redirected(options: Options) -> dict[Stream, str]:
    paths: dict[Stream, str | None] = {"stdout": options.out, "stderr": options.err}
    return {stream: path for stream, path in paths.items() if path is not None}


def _stdin(options: Options) -> int | None:
    """Return the descriptor of the standard input that the nodes are given, if any."""
    if options.no_input or options.copy or options.rcopy or os.isatty(0):
        return None
    return 0


def _open_closed_streams() -> None:
    """Put /dev/null in the place of a closed stdin, stdout or stderr.

    Otherwise the next file or connection would get its number, and what is meant for a
    reader would be written there.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)
