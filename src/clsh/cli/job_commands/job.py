"""`cl job`: one job: its state, where it runs and why there, what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

HELP = "show one job: its state, its nodes and why these, what it writes"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the job, or a task of it, and what of it is shown."""
    parser.add_argument("job", metavar="JOB", help=tr("its number; 12.3 is task 3 of job 12"))
    parser.add_argument("--task", metavar="I", type=int, help=tr("only this task of an array"))
    parser.add_argument(
        "-f", "--follow", action="store_true", help=tr("show what it writes until it has ended")
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--output", action="store_true", help=tr("only its whole output, as it is"))
    one.add_argument(
        "--error", action="store_true", help=tr("only its whole standard error, as it is")
    )
    parser.add_argument("--json", action="store_true", help=tr("one JSON object"))


def run(args: argparse.Namespace) -> int:
    """Show it; with --follow returns the exit status of the job."""
    from clsh.base.errors import UsageError
    from clsh.cli.jobs import choosing, ending, looking
    from clsh.jobs.forms import asking

    number, task = choosing.one(args.job)
    if args.task is not None:
        if task is not None and task != args.task:
            raise UsageError(f"{args.job} and --task {args.task}", hint="name one task")
        task = args.task
    if args.output or args.error:
        ending.show(asking.whole(number, "error" if args.error else "output", task))
        return 0
    if args.follow:
        return looking.follow(number, task)
    return looking.show(number, task, as_json=args.json)
