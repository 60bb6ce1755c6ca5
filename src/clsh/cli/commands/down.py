"""`cl down`: end the manager, and with `--demo` the demo cluster too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from clsh.base.errors import ClshError
from clsh.base.messages import tr
from clsh.cli.render import talk

if TYPE_CHECKING:
    import argparse

    from clsh.manager.state import Holder

HELP = "end the manager; the nodes go on"

_GONE_WITHIN_S = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take whether the demo's nodes end as well."""
    parser.add_argument("--demo", action="store_true", help=tr("end the demo cluster as well"))


def run(args: argparse.Namespace) -> int:
    """End it and wait until it has ended; none that runs is all well."""
    ended = end()
    talk(tr("The manager is down.") if ended else tr("No manager runs."))
    if args.demo:
        from clsh.demo.cluster import Cluster

        ran = Cluster().down()
        talk(tr("The demo cluster is down.") if ran else tr("No demo cluster runs."))
    return 0


def end(*, only_demo: bool = False) -> bool:
    """End the manager and wait for that; tells whether one ran.

    With `only_demo` one that watches other nodes goes on. Raises ClshError naming the pid of
    one that does not end.
    """
    from clsh.cli import client
    from clsh.manager import state

    try:
        told = client.get("/api/v1/status", timeout_s=5.0)
        facts = cast("dict[str, dict[str, str]]", told).get("facts", {})
        if only_demo and facts.get("demo") != "yes":
            return False
        client.post("/api/v1/stop", timeout_s=5.0)
    except client.NoManagerError:
        stuck = [state.holder(state.place(demo=demo).directory) for demo in (False, True)]
        if holder := next(filter(None, stuck), None):
            raise _does_not_end(holder) from None
        return False
    directory = Path(facts["state"])
    deadline = time.monotonic() + _GONE_WITHIN_S
    while holder := state.holder(directory):
        if time.monotonic() > deadline:
            raise _does_not_end(holder)
        time.sleep(0.02)
    return True


def _does_not_end(holder: Holder) -> ClshError:
    return ClshError(
        f"the manager (pid {holder.pid}) does not answer or does not end",
        hint=f"it loses nothing by: kill -9 {holder.pid}",
    )
