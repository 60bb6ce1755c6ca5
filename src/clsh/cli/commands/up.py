"""`cl up`: start the manager, which hears the nodes and serves the web page."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, cast

from clsh.base.messages import tr
from clsh.cli.render import say, talk

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Mapping

    from clsh.demo.cluster import Cluster, Status
    from clsh.manager.state import Holder, Place

HELP = "start the manager: it watches the nodes and serves the web page"

_DEMO_NODES = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take where it runs and what it watches."""
    parser.add_argument(
        "--foreground", action="store_true", help=tr("stay here and log to stderr, for systemd")
    )
    parser.add_argument(
        "--demo", action="store_true", help=tr("watch the demo cluster; start it when it is down")
    )
    parser.add_argument(
        "-n", "--nodes", type=int, metavar="N", help=tr("with --demo: how many nodes (4)")
    )


def run(args: argparse.Namespace) -> int:
    """Start it, and print its address; returns when it answers."""
    from clsh.base.errors import UsageError
    from clsh.manager import state

    if args.nodes is not None and not args.demo:
        raise UsageError("-n goes with --demo", hint="nodes of your own stand in clsh.toml")
    place = state.place(demo=args.demo)
    if args.demo:
        return _demo(place, args.nodes, foreground=args.foreground)
    if args.foreground:
        from clsh.cli import daemon

        return daemon.serve(place)
    if running := state.holder(place.directory):
        raise state.runs_already(running, place.directory)
    return _tell(_background(place, [], os.environ, {}), place)


def _background(
    place: Place,
    before: list[str],
    environ: Mapping[str, str],
    opened: Mapping[str, socket.socket],
) -> Holder | int:
    """Start it; returns the exit status of one that did not start and has told why."""
    from clsh.cli import daemon

    try:
        return daemon.launch([*before, *daemon.argv(place)], environ, opened)
    except daemon.FailedStartError as error:
        if error.told:
            return error.exit_code
        raise


def _tell(holder: Holder | int, place: Place, user: str = "") -> int:
    """Say what runs and where; `user` is given a link, "" is the owner at the first run alone."""
    if isinstance(holder, int):
        return holder
    talk(tr("The manager runs (pid {pid}); its log is {log}.", pid=holder.pid, log=place.log))
    fingerprint, link = _access(user)
    if fingerprint:
        talk(tr("Its certificate has the SHA-256 fingerprint {text}", text=fingerprint))
    if link and user:
        talk(tr("Log in once within a day, as {user}, at {link}", user=user, link=link))
    elif link:
        talk(tr("Log in once within a day, as yourself, at {link}", link=link))
    say(holder.address)
    return 0


def _access(user: str) -> tuple[str, str]:
    """Return the fingerprint of the certificate, and the link, if there is one."""
    from clsh.base.errors import ClshError
    from clsh.cli import client

    try:
        status = cast("dict[str, dict[str, str]]", client.get("/api/v1/status", timeout_s=5.0))
        path = f"/api/v1/users/{user}/link" if user else "/api/v1/welcome"
        told = cast("dict[str, str]", client.post(path, timeout_s=5.0))
    except ClshError:
        return "", ""  # that it runs is what counts here
    return status["facts"].get("fingerprint", ""), told["url"]


def _visitor(status: Status) -> str:
    """Return who is given a link to the page; one of the nodes alone is made known there."""
    from clsh.base.errors import ClshError
    from clsh.cli import client
    from clsh.demo.first_jobs import owner

    user = owner(status)
    with contextlib.suppress(ClshError):  # it is known already, or nobody answers
        if user:
            client.post("/api/v1/users", {"name": user}, timeout_s=5.0)
        else:
            user = cast("dict[str, str]", client.get("/api/v1/me", timeout_s=5.0))["name"]
    return user


def _demo(place: Place, count: int | None, *, foreground: bool) -> int:
    """Watch the demo cluster, and say where its page is."""
    from clsh.demo.cluster import Cluster
    from clsh.manager import state

    cluster = Cluster()
    status = cluster.up(count or _running(cluster) or _DEMO_NODES)
    if running := state.holder(place.directory):
        if foreground or not running.address:
            raise state.runs_already(running, place.directory)
        return _tell(running, place, _visitor(status))
    from clsh.nodes.nodeset import fold

    talk(tr("The demo's nodes are up: {nodes}.", nodes=fold(status.nodes)))
    started = _over(cluster, place, foreground=foreground)
    return _tell(started, place, _visitor(status))


def over_demo(cluster: Cluster) -> int:
    """Start the manager of a demo that runs, unless it does; returns 0 when it answers."""
    from clsh.manager import state

    place = state.place(demo=True)
    if running := state.holder(place.directory):
        if not running.address:
            raise state.runs_already(running, place.directory)
        return 0
    started = _over(cluster, place, foreground=False)
    return started if isinstance(started, int) else 0


def _running(cluster: Cluster) -> int:
    """Return of how many nodes the demo is that runs, 0 when none does."""
    status = cluster.status()
    return len(status.nodes) if status else 0


def _over(cluster: Cluster, place: Place, *, foreground: bool) -> Holder | int:
    """Start it over the demo's nodes; its sockets are made here, where the person sits."""
    from clsh.base import config
    from clsh.cli import daemon
    from clsh.manager import sockets
    from clsh.monitor import settings

    reach = cluster.reach()
    environ = {**os.environ, "CLSH_CONFIG": str(reach.config)}
    wanted = settings.load(config.load(environ))
    with contextlib.ExitStack() as stack:
        made = sockets.listening(*wanted.listen, others=True)
        opened = {sockets.HTTP: stack.enter_context(made)}
        if (port := made.getsockname()[1]) != wanted.listen.port:
            talk(
                tr(
                    "Port {wanted} is in use by another program; the page is at port {port}.",
                    wanted=wanted.listen.port,
                    port=port,
                )
            )
        if foreground:
            daemon.become([*reach.before, *daemon.argv(place)], environ, opened)
        return _background(place, reach.before, environ, opened)
