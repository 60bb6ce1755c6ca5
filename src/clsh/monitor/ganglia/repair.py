"""Mend a tag of Ganglia that is no XML, because gmetad passed a value on unescaped.

gmetad writes `VAL="a<b>&c"` for a string metric that holds `a<b>&c`. The tag's attributes
are found by their names and quotes instead of by XML's rules, and written again escaped.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(rb"<([A-Z_]+)(?=\s)")
_ATTRIBUTE = re.compile(rb'\s+([A-Z_]+)="')
_VALUE_END = re.compile(rb'"(?=\s+[A-Z_]+="|\s*/?>)')
_END = re.compile(rb"\s*(/?)>")
# Everything to the end of what has come could be the beginning of an attribute or an end.
_UNFINISHED = re.compile(rb"\s*/?|\s+[A-Z_]+=?")
# No reference by number: gmetad writes none, and those to controls are no XML.
_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# A complete tag, as XML wants it: what comes after it is not inside it.
_COMPLETE = re.compile(rb"""<(?>[^<>"']*)(?>(?:"[^"<]*"|'[^'<]*')(?>[^<>"']*))*>""")


class Mended(NamedTuple):
    """A tag as XML: its bytes, where the broken one ended, its name and its NAME attribute."""

    tag: bytes
    end: int
    element: str
    name: str


class IncompleteError(Exception):
    """The tag's end has not come yet."""


def complete(data: bytes, start: int) -> int | None:
    """Return where the good tag at `start` ends; None when there is no good tag."""
    found = _COMPLETE.match(data, start)
    return found.end() if found else None


def mend(data: bytes, start: int) -> Mended | None:
    """Return the tag that begins at `start` mended, None when it is past mending.

    Raises IncompleteError when `data` ends before the tag does.
    """
    element = _NAME.match(data, start)
    if not element:
        return None
    found: dict[bytes, bytes] = {}
    place = element.end()
    while not (end := _END.match(data, place)):
        attribute = _ATTRIBUTE.match(data, place)
        if not attribute:
            if _UNFINISHED.fullmatch(data, place):
                raise IncompleteError
            return None
        quote = _VALUE_END.search(data, attribute.end())
        if not quote:
            raise IncompleteError
        found.setdefault(attribute[1], data[attribute.end() : quote.start()])
        place = quote.end()
    written = b"".join(b' %s="%s"' % (key, _escaped(value)) for key, value in found.items())
    tag = b"<%s%s%s>" % (element[1], written, end[1])
    name = found.get(b"NAME", b"").decode("iso-8859-1")
    return Mended(tag, end.end(), element[1].decode("ascii"), name)


def _escaped(value: bytes) -> bytes:
    text = _FORBIDDEN.sub(b"?", _AMPERSAND.sub(b"&amp;", value))
    return text.replace(b"<", b"&lt;").replace(b'"', b"&quot;")
