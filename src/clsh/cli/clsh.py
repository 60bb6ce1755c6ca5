"""The command `clsh`: from the words of its command line to a run, and to an exit status.

Only what a command line needs is imported: `clsh --version` must not wait for asyncio.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, UsageError
from clsh.base.messages import tr
from clsh.cli import options as command_line
from clsh.cli import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.base.config import Config
    from clsh.cli.options import Options
    from clsh.cli.output.printing import Look
    from clsh.cli.output.report import View
    from clsh.nodes.inventory import Inventory
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Plan
    from clsh.remote.transport import Stream, Transport

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

    settings = config.load(os.environ)
    nodes = choose(options, settings)
    if options.dry_run:
        render.say(dry_run(options, settings, nodes))
        return 0
    if options.interactive:
        return _interactive(options, settings, nodes)
    return _run(options, settings, nodes)


def choose(options: Options, settings: Config) -> Sequence[Node]:
    """Return the nodes that are meant, and say where they come from when that was not said."""
    from clsh.nodes import choose as choosing
    from clsh.nodes import inventory

    book = inventory.load(settings)
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
    import asyncio

    from clsh.base import paths
    from clsh.cli.output.out_files import OutFiles
    from clsh.cli.running import Run, carry_out
    from clsh.cli.work import command

    run = Run(
        nodes=nodes,
        doing=command(options),
        plan=plan(options, settings),
        look=look(options),
        state=paths.state_dir(),
        transport=_transport(options, settings),
        files=OutFiles(_redirected(options), [n.name for n in nodes], append=options.append),
        stdin=_stdin(options),
        colour=colour(options, settings, os.environ),
        largest=options.status,
    )
    with asyncio.Runner() as runner:
        ended = runner.run(carry_out(run))
        if ended.at_once:  # a thread may still stand in a write that nobody reads
            os._exit(ended.code)
    return ended.code


def _transport(options: Options, settings: Config) -> Callable[[], Transport]:
    """Return what makes the way to the nodes; asks for passwords at once, while it can."""
    from clsh.remote.transport import TransportOptions

    password = _password(options)
    user = options.sudo
    if user is not None and password is None:
        from clsh.cli import passwords

        sudo_password = passwords.ask(tr("Password for sudo (Enter when it needs none): "))
    else:
        sudo_password = password
    shell = settings.shell
    asked = TransportOptions(
        keepalive_s=shell.keepalive,
        keepalive_count=shell.keepalive_count,
        password=password,
        host_keys=shell.host_keys,
        ssh_config=shell.ssh_config,
        known_hosts=shell.known_hosts,
        identities=shell.identities,
        kex=shell.kex,
    )
    forced = options.transport or shell.transport
    retries = shell.retry if options.retry is None else options.retry

    def build() -> Transport:
        from clsh import assembly

        way = assembly.transport(asked, forced=forced, retries=retries)
        if user is None:
            return way
        from clsh.cli.work import WithSudo

        return WithSudo(way, sudo_password or None, user)

    return build


def _password(options: Options) -> str | None:
    """Return the password of the nodes, when one was asked for."""
    from clsh.cli import passwords

    if options.pass_file is not None:
        return passwords.from_file(options.pass_file)
    if not options.ask_pass:
        return None
    typed = passwords.ask(tr("Password of the nodes: "))
    if not typed:
        raise UsageError("--ask-pass got no password", hint="use --pass-file without a terminal")
    return typed


def plan(options: Options, settings: Config) -> Plan:
    """Return how the run goes: what the options say, else the configuration."""
    from clsh.remote.fanout import Plan

    shell = settings.shell
    return Plan(
        window=options.fanout or shell.fanout,
        connect_timeout_s=_first(options.connect_timeout, shell.connect_timeout),
        timeout_s=options.timeout if options.timeout is not None else shell.timeout,
        batch=options.batch,
        delay_s=options.delay or 0,
        on_lost=options.on_lost or shell.on_lost,
        grace_s=_first(options.grace, shell.grace),
    )


def look(options: Options) -> Look:
    """Return how output is shown."""
    from clsh.cli.output.printing import Look

    view: View | None = None
    if options.table:
        view = "table"
    elif options.diff:
        view = "diff"
    elif options.gather:
        view = "groups"
    elif options.in_order or options.quiet:
        view = "lines"
    return Look(
        view=view,
        live=options.live or not (view or options.json),
        json=options.json,
        only_failed=options.quiet,
        largest_first=not options.in_order,
    )


def colour(options: Options, settings: Config, environ: Mapping[str, str]) -> bool | None:
    """Tell whether labels have colours; None leaves it to whether a terminal shows them."""
    when = options.color or ("never" if environ.get("NO_COLOR") else settings.shell.color)
    return {"always": True, "never": False}.get(when)


def dry_run(options: Options, settings: Config, nodes: Sequence[Node]) -> str:
    """Return what would run where, as lines."""
    from clsh.nodes.nodeset import fold

    going = plan(options, settings)
    at_once = min(going.window, going.batch or going.window, len(nodes))
    told = tr(
        "would run on {count} nodes, {at_once} at a time: {nodes}",
        count=len(nodes),
        at_once=at_once,
        nodes=fold([node.name for node in nodes]),
    )
    return f"{told}\n    {_told(options)}"


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


def _told(options: Options) -> str:
    words = " ".join(options.words)
    if options.copy or options.rcopy:
        return f"{'--copy' if options.copy else '--rcopy'} {words}"
    told = f"--script {options.script} {words}".rstrip() if options.script else words
    told = " ".join([*options.env, told])
    return f"sudo -u {options.sudo}: {told}" if options.sudo else told


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
