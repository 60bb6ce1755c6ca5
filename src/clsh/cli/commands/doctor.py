"""`cl doctor`: say what is missing on the manager and on each node, and what mends it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from clsh.base.errors import ClshError, ConfigError, UsageError
from clsh.base.messages import tr
from clsh.cli.render import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from clsh.base.config import Config
    from clsh.manager.doctor.finding import Finding
    from clsh.nodes.model import Node

HELP = "say what is missing on the manager and the nodes, and what mends it"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the findings."""
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Look at everything; 1 when something is bad."""
    status = _status()
    demo = status is not None and status["facts"].get("demo") == "yes"
    if demo:
        _go_to_demo()
    is_bad = False
    for finding in _findings(status, demo=demo):
        is_bad = is_bad or finding.grade == "bad"
        for line in _json(finding) if args.json else _words(finding):
            say(line)
    return 1 if is_bad else 0


def _status() -> dict[str, Any] | None:
    """Return what the manager says of itself, None when none answers."""
    from clsh.cli import client

    try:
        return cast("dict[str, Any]", client.get("/api/v1/status", timeout_s=5.0))
    except ClshError:
        return None


def _go_to_demo() -> None:
    """Be where the demo's manager is: with its configuration, and in the network of its nodes."""
    from clsh.cli import daemon
    from clsh.demo.cluster import Cluster

    reach = Cluster().reach()
    if os.environ.get("CLSH_CONFIG") != str(reach.config):
        words = [*reach.before, sys.executable, "-P", "-c", _AGAIN, *sys.argv[1:]]
        daemon.become(words, {**os.environ, "CLSH_CONFIG": str(reach.config)}, {})


_AGAIN = "import sys; from clsh.cli.main import entry; sys.exit(entry())"


def _findings(status: dict[str, Any] | None, *, demo: bool) -> Iterator[Finding]:
    from clsh.base import config
    from clsh.manager import state
    from clsh.manager.doctor import machine
    from clsh.manager.doctor.finding import Finding
    from clsh.monitor import settings
    from clsh.nodes import inventory

    place = state.place(demo=demo)
    if status is None:
        yield machine.stopped(place)
    else:
        yield from machine.running(status)
    try:
        loaded = config.load(os.environ)
        wanted = settings.load(loaded)
        book = inventory.load(loaded)
        login = machine.logins(loaded)
    except (ConfigError, UsageError) as error:
        yield machine.bad(str(error), error.hint or "correct clsh.toml")
        return
    nodes = book.nodes() if book else ()
    if nodes or wanted.sources:
        yield machine.manager(f"{loaded.file}: {len(nodes)} nodes")
    else:
        yield Finding(
            "manager",
            "bad",
            f"no node is named in {loaded.file}",
            'write there: [clusters.lab], nodes = "node[1-4]"',
        )
    yield login
    yield from machine.look(wanted, place, len(nodes), runs=status is not None)
    yield from _nodes(loaded, nodes)


def _nodes(loaded: Config, nodes: tuple[Node, ...]) -> list[Finding]:
    """Ask the nodes themselves."""
    import asyncio

    from clsh import assembly

    async def ask() -> list[Finding]:
        from clsh.manager.doctor import nodes as asked

        transport = assembly.watching(loaded)
        try:
            return await asked.look(transport, nodes, loaded.shell.connect_timeout)
        finally:
            await transport.aclose()

    return asyncio.run(ask()) if nodes else []


def _words(finding: Finding) -> list[str]:
    grades = {"ok": tr("ok"), "note": tr("note"), "bad": tr("BAD")}
    lines = [f"{grades[finding.grade]:<5} {finding.where}: {finding.text}"]
    if finding.mend:
        lines.append(f"      -> {finding.mend}")
    return lines


def _json(finding: Finding) -> list[str]:
    import json
    from dataclasses import asdict

    return [json.dumps(asdict(finding))]
