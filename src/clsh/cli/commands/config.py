"""`cl config show`: the configuration as it counts, with the origin of each value."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from clsh.cli.render import say

if TYPE_CHECKING:
    import argparse

    from clsh.base.config import Config

HELP = "show the configuration, and where each value comes from"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take `show` and its options."""
    actions = parser.add_subparsers(dest="action", metavar="show", required=True)
    show = actions.add_parser("show", help="print every value, as TOML")
    show.add_argument(
        "--origin", action="store_true", help="with file and line, variable, or default"
    )
    show.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print the values, then raise ConfigError or UsageError when the inventory is wrong."""
    from clsh.base import config
    from clsh.nodes import inventory

    loaded = config.load(os.environ)
    for line in _json(loaded) if args.json else _toml(loaded, origin=args.origin):
        say(line)
    inventory.load(loaded)
    return 0


def _json(loaded: Config) -> list[str]:
    import json

    from clsh.base.config import settings

    return [
        json.dumps(
            {"key": _dotted(key), "value": value, "origin": loaded.origin(*key)}, default=str
        )
        for key, value in settings(loaded)
    ]


def _toml(loaded: Config, *, origin: bool) -> list[str]:
    """Return lines that are TOML; what is not set and where it comes from are comments."""
    import json

    from clsh.base.config import settings

    rows = [
        (
            f"# {_dotted(key)} is not set"
            if value is None
            else f"{_dotted(key)} = {json.dumps(value, ensure_ascii=False, default=str)}",
            loaded.origin(*key),
        )
        for key, value in settings(loaded)
    ]
    if not origin:
        return [text for text, _ in rows]
    width = min(max(len(text) for text, _ in rows), 48)
    there = "" if loaded.file.exists() else " (is not there)"
    return [f"# {loaded.file}{there}", *(f"{text:<{width}}  # {where}" for text, where in rows)]


def _dotted(key: tuple[str, ...]) -> str:
    return ".".join(
        part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"' for part in key
    )
