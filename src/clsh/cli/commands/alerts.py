"""`cl alerts`: what is wrong on the grid now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.base.messages import tr

if TYPE_CHECKING:
    import argparse

    from clsh.cli.monitoring.table import Column

HELP = "what is wrong on the grid now"

_SEVERE = {"critical": "31", "warning": "35"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the list."""
    parser.add_argument("--json", action="store_true", help=tr("one JSON object a line"))


def run(args: argparse.Namespace) -> int:
    """Print one line for each alert, the newest first; raises ClshError."""
    from clsh.cli import client
    from clsh.cli.monitoring import table, telling
    from clsh.cli.monitoring.feed import objects
    from clsh.cli.render import say, talk

    rows = objects(client.get("/api/v1/alerts"), "alerts")
    if args.json:
        import json

        for row in rows:
            say(json.dumps(row))
        return 0
    if not rows:
        talk(tr("No alerts."))
        return 0
    columns = _columns()
    rows = table.ordered(rows, columns[0])
    for line in table.lines(columns, rows, telling.places(), colour=telling.colour()):
        say(line)
    return 0


def _columns() -> list[Column[dict[str, object]]]:
    from clsh.cli.monitoring.figures import moment
    from clsh.cli.monitoring.table import Column

    def words(name: str) -> Column[dict[str, object]]:
        return Column(name, name.upper(), lambda row: str(row.get(name) or ""), number=False)

    def since(row: dict[str, object]) -> float | None:
        at = row.get("since")
        return float(at) if isinstance(at, int | float) else None

    severity: Column[dict[str, object]] = Column(
        "severity",
        "SEVERITY",
        lambda row: str(row.get("severity") or ""),
        number=False,
        style=lambda row: _SEVERE.get(str(row.get("severity")), ""),
    )
    return [
        Column("since", "SINCE", since, moment),
        severity,
        *map(words, ("cluster", "node", "rule", "text")),
    ]
