"""Read what nvidia-smi says of the GPUs of a node, one line of numbers for each. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clsh.monitor.proc.parse import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.monitor.model import Value

_MIB = 1 << 20
_MOST = 64
_INDEX = re.compile(rb"[0-9]{1,3}")
_NUMBER = re.compile(rb"[0-9]{1,9}(\.[0-9]{1,6})?")
# in the order in which the script asks, behind the index, and what one unit is
_COLUMNS = (("util", 1), ("mem_used", _MIB), ("mem_total", _MIB), ("temp", 1), ("power", 1))


def gpus(lines: Iterable[bytes]) -> tuple[dict[str, Value], str]:
    """Return the metrics of all GPUs, and in words what went wrong, if anything.

    What a card does not tell ("[N/A]", "[Not Supported]") is left out. nvidia-smi says why it
    failed where the numbers should be.
    """
    values: dict[str, Value] = {}
    count, problem = 0, ""
    for line in lines:
        index, *words = (word.strip() for word in line.split(b","))
        if not _INDEX.fullmatch(index) or len(words) != len(_COLUMNS):
            problem = problem or text(line)
        elif count < _MOST:
            count += 1
            for (name, unit), word in zip(_COLUMNS, words, strict=True):
                if _NUMBER.fullmatch(word):
                    values[f"gpu{int(index)}_{name}"] = float(word) * unit
    if count:
        values["gpu_num"] = count
    return values, f"nvidia-smi: {problem}" if problem else ""
