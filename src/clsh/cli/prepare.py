"""What a command line and the configuration together ask for: a plan, a look, a transport.

An option counts before the configuration. Passwords are asked for here, before the event
loop starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.errors import UsageError
from clsh.base.messages import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clsh.base.config import Config
    from clsh.cli.options import Options
    from clsh.cli.output.printing import Look
    from clsh.cli.output.report import View
    from clsh.nodes.model import Node
    from clsh.remote.fanout import Plan
    from clsh.remote.transport import Transport


def transport(options: Options, settings: Config) -> Callable[[], Transport]:
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

        return assembly.transport(
            asked,
            forced=forced,
            retries=retries,
            sudo=user,
            sudo_password=sudo_password or None,
        )

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
        timeout_s=(shell.timeout if options.timeout is None else options.timeout) or None,
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
        names_silent=not (options.copy or options.rcopy),
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


def _told(options: Options) -> str:
    words = " ".join(options.words)
    if options.copy or options.rcopy:
        return f"{'--copy' if options.copy else '--rcopy'} {words}"
    told = f"--script {options.script} {words}".rstrip() if options.script else words
    told = " ".join([*options.env, told])
    return f"sudo -u {options.sudo}: {told}" if options.sudo else told


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
