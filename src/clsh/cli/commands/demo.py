"""`cl demo`: a cluster on this machine, to try clsh on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, SomeFailedError, UsageError
from clsh.base.messages import tr
from clsh.cli import render
from clsh.nodes.nodeset import fold

if TYPE_CHECKING:
    import argparse

    from clsh.demo.cluster import Cluster

HELP = "a cluster on this machine, to try clsh on"

_VERBS = {
    "up": "start the nodes: in namespaces for root on Linux, else as SSH servers of our own",
    "down": "end the cluster; nothing of it is left",
    "status": "show the nodes",
    "exec": "run a command where the names of the nodes are known",
    "jobs": "run a job of each class, and show where they ran",
    "kill": "lose a node: it is gone, with all that it ran",
    "start": "bring a lost node back",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    parsers = {verb: verbs.add_parser(verb, help=tr(text)) for verb, text in _VERBS.items()}
    parsers["up"].add_argument(
        "-n", "--nodes", type=int, default=4, metavar="N", help=tr("how many nodes (4)")
    )
    parsers["up"].add_argument(
        "--servers", action="store_true", help=tr("SSH servers of our own, also for root")
    )
    parsers["exec"].add_argument("command", nargs="...", metavar="COMMAND")
    for verb in ("kill", "start"):
        parsers[verb].add_argument("node", metavar="NODE")


def run(args: argparse.Namespace) -> int:
    """Do it, and say on stderr what was done; the nodes go to stdout."""
    from clsh.demo.cluster import Cluster

    cluster = Cluster()
    match args.verb:
        case "up":
            return _up(cluster, args.nodes, servers=args.servers)
        case "down":
            _end_manager()
            ran = cluster.down()
            render.talk(tr("The demo cluster is down.") if ran else tr("No demo cluster runs."))
        case "status":
            return _status(cluster)
        case "exec":
            cluster.exec(_command(args.command))
        case "jobs":
            return _jobs(cluster)
        case "kill":
            cluster.kill(args.node)
            render.talk(tr("{node} is lost.", node=args.node))
        case _:
            cluster.start(args.node)
            render.talk(tr("{node} is up.", node=args.node))
    return 0


def _up(cluster: Cluster, count: int, *, servers: bool) -> int:
    began = time.monotonic()
    status = cluster.up(count, servers=servers)
    how = {
        "namespaces": tr("in namespaces, with OpenSSH's sshd"),
        "servers": tr("SSH servers on loopback"),
    }
    render.talk(
        tr(
            "{nodes} up in {seconds} s ({how}).",
            nodes=fold(status.nodes),
            seconds=f"{time.monotonic() - began:.1f}",
            how=how[status.flavour],
        )
    )
    return 0


def _jobs(cluster: Cluster) -> int:
    """Run them through the manager, which is started when it does not run."""
    from clsh.cli.commands import up
    from clsh.cli.jobs import first
    from clsh.demo.first_jobs import first_jobs

    wanted = first_jobs(cluster)
    return up.over_demo(cluster) or first.run(wanted.jobs, wanted.owner, wanted.left_out)


def _end_manager() -> None:
    """End the manager that watches these nodes: with them it would lose its network."""
    from clsh.cli.commands import down

    if down.end(only_demo=True):
        render.talk(tr("The manager is down."))


def _status(cluster: Cluster) -> int:
    """Print one line a node; 1 when none runs, 3 when some are lost."""
    status = cluster.status()
    if not status:
        raise ClshError(tr("no demo cluster runs"), hint="cl demo up")
    for name, up in status.nodes.items():
        render.say(f"{name} {'up' if up else 'lost'}")
    return 0 if all(status.nodes.values()) else SomeFailedError.exit_code


def _command(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise UsageError("no command was given", hint="cl demo exec COMMAND [ARG...]")
    return command
