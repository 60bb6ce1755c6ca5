"""How people write the values of the form: lengths of time, sizes, arrays, and back. Pure.

Each reader raises ValueError for what it does not understand; `form` names the field.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, cast

from clsh.base import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clsh.jobs.model import After

MOST_TASKS = 100_000
_LONGEST_S = 366 * 86400
_LARGEST = 1 << 60
_LARGEST_INDEX = 10**9
_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,9})(?::(\d{1,2}))?(?::(\d{1,2}))?", re.ASCII)
_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,9}))?)?", re.ASCII)
_AT_ONCE = re.compile(r"(.*)%(\d{1,9})", re.ASCII)
_AFTER = re.compile(r"(?:(ok|notok|any):)?(\d{1,18})", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_UNITS = ((40, "T"), (30, "G"), (20, "M"), (10, "K"))


def seconds(text: str) -> int:
    """Return the seconds in `90`, `10m`, `10:30`, `1:30:00`, `2-12`, `2-12:30:15`, rounded up."""
    found = _CLOCK.fullmatch(text)
    if found is None or (found[1] is None and found[3] is None):
        length = math.ceil(units.duration(text))
    else:
        length = _by_clock(found)
    if length > _LONGEST_S:
        raise ValueError("at most a year")
    return length


def _by_clock(found: re.Match[str]) -> int:
    first, second, third = int(found[2]), int(found[3] or 0), int(found[4] or 0)
    if second > 59 or third > 59:
        raise ValueError("minutes and seconds up to 59")
    if found[1] is not None:  # days-hours[:minutes[:seconds]]
        return int(found[1]) * 86400 + first * 3600 + second * 60 + third
    if found[4] is None:  # minutes:seconds
        return first * 60 + second
    return first * 3600 + second * 60 + third


def from_seconds(length: int) -> str:
    """Return a length as `seconds` reads it: `45`, `0:01:30`, `2-12:00:00`."""
    if length < 60:
        return str(length)
    days, rest = divmod(length, 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def size(text: str) -> int:
    """Return the bytes in `512M`, `4G` or `4096`."""
    found = units.size(text)
    if found > _LARGEST:
        raise ValueError("at most 1 EB")
    return found


def from_size(count: int) -> str:
    """Return bytes by the largest unit that has no rest: `4G`, `1536M`."""
    for bits, unit in _UNITS:
        if count and not count % (1 << bits):
            return f"{count >> bits}{unit}"
    return str(count)


def array(text: str) -> tuple[tuple[int, ...], int]:
    """Return the indexes in `0-99:10,120%4`, ascending, and how many may run at a time (0: all)."""
    limit = _AT_ONCE.fullmatch(text)
    at_once = int(limit[2]) if limit else 0
    if limit and not at_once:
        raise ValueError("at least one at a time")
    found: set[int] = set()
    for part in (limit[1] if limit else text).split(","):
        span = _RANGE.fullmatch(part.strip())
        if span is None:
            raise ValueError("no range")
        first, last, step = int(span[1]), int(span[2] or span[1]), int(span[3] or 1)
        if not (first <= last <= _LARGEST_INDEX and step):
            raise ValueError("an empty range")
        if (last - first) // step + 1 + len(found) > 2 * MOST_TASKS:
            raise ValueError("too many")
        found.update(range(first, last + 1, step))
    if len(found) > MOST_TASKS:
        raise ValueError("too many")
    return tuple(sorted(found)), at_once


def from_array(indexes: Sequence[int], at_once: int = 0) -> str:
    """Return the indexes, which are ascending, as `array` reads them: `0-9,20-40:10%4`."""
    parts: list[str] = []
    at = 0
    while at < len(indexes):
        step = indexes[at + 1] - indexes[at] if at + 1 < len(indexes) else 1
        end = at
        while end + 1 < len(indexes) and indexes[end + 1] - indexes[end] == step:
            end += 1
        if end - at < 2 and not (step == 1 and end > at):
            end = at  # two that are not neighbours are no range
        steps = f":{step}" if step > 1 and end > at else ""
        parts.append(f"{indexes[at]}-{indexes[end]}{steps}" if end > at else str(indexes[at]))
        at = end + 1
    return ",".join(parts) + (f"%{at_once}" if at_once and parts else "")


def after(text: str) -> tuple[tuple[int, After], ...]:
    """Return the jobs to wait for in `12,any:13`: a number alone is one that must be done."""
    found: dict[tuple[int, After], None] = {}
    for part in text.split(","):
        one = _AFTER.fullmatch(part.strip())
        if one is None or not int(one[2]):
            raise ValueError("no job")
        found[int(one[2]), cast("After", one[1] or "ok")] = None
    return tuple(found)


def from_after(jobs: Iterable[tuple[int, str]]) -> str:
    """Return the jobs to wait for as `after` reads them."""
    return ",".join(f"{how}:{job}" for job, how in jobs)


def environment(text: str) -> dict[str, str]:
    """Return the variables in lines of NAME=VALUE; a line that begins with a space goes on."""
    found: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if line.startswith(" ") and name:
            found[name] += "\n" + line[1:]
        elif line.strip():
            name, equals, value = line.partition("=")
            if not equals or not is_variable(name) or name in found:
                raise ValueError("no variable")
            found[name] = value
    return found


def from_environment(variables: Mapping[str, str]) -> str:
    """Return variables as `environment` reads them."""
    lines = (f"{name}={value}".replace("\n", "\n ") for name, value in variables.items())
    return "\n".join(lines)


def is_variable(name: str) -> bool:
    """Tell whether this is a name that a shell can have for a variable."""
    return _VARIABLE.fullmatch(name) is not None


def truth(text: str) -> bool:
    """Return whether a text says yes."""
    said = {"yes": True, "true": True, "on": True, "1": True}
    said |= {"no": False, "false": False, "off": False, "0": False}
    if text.casefold() not in said:
        raise ValueError("neither yes nor no")
    return said[text.casefold()]


def signal_name(text: str) -> str:
    """Return the name of a signal (`USR1`) from it, `SIGUSR1` or `10`."""
    import signal

    try:
        known = signal.Signals(int(text)) if text.isascii() and text.isdigit() else None
    except ValueError:
        known = None
    name = known.name if known else "SIG" + text.upper().removeprefix("SIG")
    if name not in signal.Signals.__members__:
        raise ValueError("no signal")
    return name.removeprefix("SIG")


def entries(text: str) -> tuple[str, ...]:
    """Return what stands between commas, spaces around it left out."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
