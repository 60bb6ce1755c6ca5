"""`cl hold`: do not start jobs before they are released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.cli.jobs import acting

if TYPE_CHECKING:
    import argparse

HELP = "do not start jobs before they are released"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the jobs."""
    acting.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do it to each; returns 1 when one of them could not be."""
    return acting.run("hold", args)
