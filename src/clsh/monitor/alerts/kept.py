"""The alerts that are firing, in a small file, so that a restart does not tell them again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast, get_args

from clsh.monitor.alerts.values import Alert
from clsh.monitor.settings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_VERSION = 1
_KINDS = {
    "rule": str,
    "cluster": str,
    "node": str,
    "metric": str,
    "value": int | float | str | None,
    "since": int | float,
    "severity": str,
    "text": str,
}


def save(file: Path, alerts: Iterable[Alert]) -> None:
    """Write the alerts so that either the old file or the new one is there; raises OSError."""
    text = json.dumps({"version": _VERSION, "firing": [asdict(alert) for alert in alerts]})
    fresh = file.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def load(file: Path) -> list[Alert]:
    """Return the alerts in the file, none when it is not there.

    Raises ValueError when the file is damaged, OSError when it cannot be read.
    """
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    if not isinstance(kept, dict) or cast("dict[str, object]", kept).get("version") != _VERSION:
        raise ValueError("it was not written by this version")
    rows: object = cast("dict[str, object]", kept).get("firing")
    if not isinstance(rows, list):
        raise ValueError("it has no list of alerts")  # noqa: TRY004 - one kind for what is damaged
    return [_alert(row) for row in cast("list[object]", rows)]


def _alert(row: object) -> Alert:
    fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
    whole = (
        fields.keys() == _KINDS.keys()
        and all(isinstance(fields[name], kind) for name, kind in _KINDS.items())
        and fields["severity"] in get_args(Severity)
    )
    if not whole:
        raise ValueError("an alert in it is damaged")
    return Alert(**fields)
