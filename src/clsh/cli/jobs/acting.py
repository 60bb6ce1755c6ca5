"""`cl cancel`, `hold`, `release` and `requeue`: the same thing done to many jobs.

This file is on the start path of `cl`: it imports little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

_FAILED = 1
_SAID = {
    "cancel": "job {job} will end",
    "hold": "job {job} is held",
    "release": "job {job} is released",
    "requeue": "job {job} will run again",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the jobs, or all of one's own."""
    parser.add_argument(
        "jobs", nargs="*", metavar="JOB", help=tr("12, a task 12.3, or several: 12-20 14.0-5")
    )
    parser.add_argument("--mine", action="store_true", help=tr("all of yours that have not ended"))
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(name: str, args: argparse.Namespace) -> int:
    """Do it to each, telling of each; returns 1 when one failed. Raises UsageError for none."""
    import json

    from clsh.base import client
    from clsh.base.errors import ClshError
    from clsh.cli import render
    from clsh.jobs.forms import asking

    status = 0
    for number, task in _chosen(args):
        label = str(number) if task is None else f"{number}.{task}"
        try:
            asking.act(name, number, task)
        except client.NoManagerError:
            raise
        except ClshError as error:
            status = _FAILED
            if args.json:
                render.say(json.dumps({"job": number, "task": task, "error": str(error)}))
            else:
                render.fail(error, "cl")
            continue
        if args.json:
            render.say(json.dumps({"job": number, "task": task, "error": None}))
        else:
            said = _SAID[name]
            render.say(tr(said, job=label))
    return status


def _chosen(args: argparse.Namespace) -> list[tuple[int, int | None]]:
    from clsh.base.errors import UsageError
    from clsh.cli.jobs import choosing, finding
    from clsh.jobs.forms import asking

    if args.mine and args.jobs:
        raise UsageError("--mine and numbers do not go together", hint="leave one out")
    if args.mine:
        rows, _ = finding.pages(
            choosing.MOST, owner=finding.me(), state=list(asking.OPEN), sort="id"
        )
        return [(row["id"], None) for row in rows]
    if not args.jobs:
        raise UsageError("no job was named", hint="`cl jobs` lists yours; --mine is all of them")
    return choosing.jobs(args.jobs)
