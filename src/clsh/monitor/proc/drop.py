"""Read what people put into the drop directory of a node: lines of NAME VALUE [UNITS]. Pure.

VALUE is a number, `#` begins a comment. A metric that we know ourselves is not replaced.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from clsh.monitor.catalogue import known
from clsh.monitor.model import Metric
from clsh.monitor.proc.parse import text

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
_FILE = re.compile(rb"==> (.*) <==")
_MOST = 100
_LONGEST_UNITS = 32


def dropped(lines: Iterable[bytes]) -> tuple[dict[str, float], dict[str, Metric], str]:
    """Return values, their metrics and what was wrong with the first bad line, if any.

    `lines` are those of all files, each file headed by `==> PATH <==` as head(1) does.
    """
    values: dict[str, float] = {}
    metrics: dict[str, Metric] = {}
    problem, path = "", ""
    for raw in lines:
        if header := _FILE.fullmatch(raw):
            path = text(header[1], 200)
            continue
        line = text(raw.replace(b"\t", b" "), 200).partition("#")[0].split(None, 2)
        if not line:
            continue
        name, *rest = line
        wrong = _wrong(name, rest, values)
        if not wrong:
            values[name] = float(rest[0])
            units = rest[1].rstrip()[:_LONGEST_UNITS] if len(rest) > 1 else ""
            metrics[name] = Metric(name, units=units, group="custom")
        elif not problem:
            problem = f"{path}: {text(raw)!r}: {wrong}"
    return values, metrics, problem


def _wrong(name: str, rest: list[str], values: dict[str, float]) -> str:
    """Return in words what is wrong with a line, "" if nothing."""
    if not rest or not _NUMBER.fullmatch(rest[0]) or not math.isfinite(float(rest[0])):
        return "a line is NAME NUMBER [UNITS]"
    if not _NAME.fullmatch(name):
        return "a name has at most 64 letters, digits, '_', '.' and '-', a letter first"
    if known(name) != Metric(name):
        return "we tell this metric ourselves"
    if name in values:
        return "this metric was told before"
    if len(values) >= _MOST:
        return f"more than {_MOST} metrics"
    return ""
