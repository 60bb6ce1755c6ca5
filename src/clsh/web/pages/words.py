"""What pages say, in the reader's language: sentences, numbers with units, times.

Numbers are written the same in all three languages, and as `cl` writes them: a KB is 1024
bytes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from clsh.base.messages import translator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

LANGUAGES: Mapping[str, str] = {"en": "English", "ko": "한국어", "zh": "中文"}
# Read when the module is: later it would block the event loop.
_CATALOGUES = {"en": translator("en"), "ko": translator("ko"), "zh": translator("zh_CN")}
_HTML_CODES = {"en": "en", "ko": "ko", "zh": "zh-CN"}

_SIZES = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_SHORT = ("", "k", "M", "G", "T", "P", "E")
_BYTES = {"b": "", "bytes": "", "b/s": "/s", "bytes/s": "/s", "bytes/sec": "/s"}
_RATES = {"packets/s", "packets/sec"}
_COUNTS = {"cpus", "gpus", "processes", "procs"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def choose_language(asked: str, accepted: str) -> str:
    """Return the language of the address if we have it, else the best that the browser takes."""
    if asked in LANGUAGES:
        return asked
    best, quality = "en", 0.0
    for entry in accepted.split(",")[:32]:
        name, _, rest = entry.strip().partition(";")
        weight = re.search(r"q=([01](?:\.\d{1,3})?)", rest)
        code = name.partition("-")[0].lower()
        if code in LANGUAGES and (found := float(weight[1]) if weight else 1.0) > quality:
            best, quality = code, found
    return best


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language, and the times of one zone at one moment."""

    language: str
    zone: tzinfo
    now: float

    @property
    def html_code(self) -> str:
        """How HTML names the language."""
        return _HTML_CODES[self.language]

    def tr(self, message: str, /, **values: object) -> Markup:
        """Return the message as HTML, with `{name}` fields filled in and escaped."""
        text = Markup(_CATALOGUES[self.language](message))  # noqa: S704 - ours
        return text.format(**values) if values else text

    def said(self, message: str) -> str:
        """Return a message for an attribute or a script, which escape it themselves."""
        return _CATALOGUES[self.language](message)

    def bold(self, value: object) -> Markup:
        """Return a value that the eye is to find first; numbers with separators."""
        text = number(value) if isinstance(value, (int, float)) else value
        return Markup("<b>{}</b>").format(text)

    def count(self, count: int, one: str, many: str) -> Markup:
        """Return `{n} node` or `{n} nodes`, the number bold."""
        return self.tr(one if count == 1 else many, n=self.bold(count))

    def duration(self, seconds: float) -> str:
        """Return a length of time in its largest unit: `3 min`, `41 days`."""
        seconds = max(0.0, seconds)
        if seconds < 2 * _MINUTE:
            return self.tr("{n} s", n=int(seconds))
        if seconds < 2 * _HOUR:
            return self.tr("{n} min", n=int(seconds // _MINUTE))
        if seconds < 2 * _DAY:
            return self.tr("{n} h", n=int(seconds // _HOUR))
        return self.tr("{n} days", n=int(seconds // _DAY))

    def ago(self, at: float) -> Markup:
        """Return how long ago a moment was."""
        return self.tr("{time} ago", time=self.duration(self.now - at))

    def moment(self, at: float) -> str:
        """Return the time of day, with the date when it is not of today."""
        then = datetime.fromtimestamp(at, self.zone)
        today = datetime.fromtimestamp(self.now, self.zone)
        return then.strftime("%H:%M:%S" if then.date() == today.date() else "%Y-%m-%d %H:%M")

    def short_moment(self, at: float) -> str:
        """Return date and time to the minute."""
        return datetime.fromtimestamp(at, self.zone).strftime("%m-%d %H:%M")

    def field(self, at: float) -> str:
        """Return a moment as a browser's date field has it."""
        return datetime.fromtimestamp(at, self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def offset_s(self) -> float:
        """How far the zone is from UTC now."""
        moment = datetime.fromtimestamp(self.now, self.zone)
        return (moment.utcoffset() or timedelta()).total_seconds()

    @property
    def zone_name(self) -> str:
        """What the zone is called."""
        return datetime.fromtimestamp(self.now, self.zone).strftime("%Z")

    def iso(self, at: float) -> str:
        """Return a moment for machines."""
        return datetime.fromtimestamp(at, self.zone).isoformat(timespec="seconds")


def visible(text: str) -> str:
    """Return a text of a node with what is not printable spelt out, marks of direction too."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def base(units: str) -> int:
    """Return by what the units grow."""
    return 1024 if units.strip().lower() in _BYTES else 1000


def quantity(value: float, units: str) -> tuple[str, str]:
    """Return a value and its unit as people write them: `6.1`, `GB`."""
    kind = units.strip().lower()
    if not math.isfinite(value):
        return "-", ""
    if kind in _BYTES:
        text, unit = _scaled(value, 1024, _SIZES)
        return text, unit + _BYTES[kind]
    unit = units.strip()
    # What is counted stands in the title: "Processes 150", "Packets received 900 /s".
    return number(value), "/s" if kind in _RATES else "" if kind in _COUNTS else unit


def short(value: float, units: str, of: float) -> str:
    """Return a value for an axis that goes up to `of`, in its unit: `4k`, `0.8 GB`, `0`."""
    kind = units.strip().lower()
    if value == 0:
        return "0"
    if kind in _BYTES:
        return " ".join(_scaled(value, 1024, _SIZES, of))
    text, unit = _scaled(value, 1000, _SHORT, of) if abs(of) >= 10_000 else (_bare(value), "")
    return text + unit


def number(value: float) -> str:
    """Return a number with separators and about three figures that matter."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1e15:
        return f"{value:.3g}"
    return f"{value:,.0f}" if size >= 10_000 else f"{value:,.1f}" if size >= 10 else _small(value)


def _small(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2g}"


def _bare(value: float) -> str:
    return f"{value:,.10g}" if abs(value) >= 1000 else f"{value:.4g}"


def _scaled(
    value: float, step: int, names: tuple[str, ...], of: float | None = None
) -> tuple[str, str]:
    place, largest = 0, abs(value if of is None else of)
    while largest >= step * 0.9995 and place < len(names) - 1:
        largest /= step
        place += 1
    value /= step**place
    whole = (place == 0 and of is None) or abs(value) >= 100 or value == int(value)
    return f"{value:,.{0 if whole else 1}f}", names[place]
