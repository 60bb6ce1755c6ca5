"""Read the XML of gmond and gmetad piece by piece; refuses what is not Ganglia's, or a bomb.

No entity, nothing fetched, and limits on bytes, depth, the length of a tag and the number
of everything, so that hostile input costs little memory and time. What is broken is not
refused: a tag with unescaped characters is mended, else its host is left where it broke.
"""

from __future__ import annotations

import re
from pyexpat import ExpatError, ParserCreate
from typing import TYPE_CHECKING

from clsh.monitor.ganglia import repair
from clsh.monitor.ganglia.content import LIMITS, Content, RefusedError, XmlError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pyexpat import XMLParserType

    from clsh.monitor.ganglia.content import Limits, Read

_ENCODINGS = {"iso-8859-1", "us-ascii", "utf-8"}
_PIECE = 16 << 10  # parsed at once: a tag that comes byte by byte is not scanned for each byte
_PARENTS: Mapping[str, tuple[str, ...]] = {
    "GRID": ("GANGLIA_XML", "GRID"),
    "CLUSTER": ("GANGLIA_XML", "GRID"),
    "HOST": ("CLUSTER", "GANGLIA_XML"),
}
_RESUME = re.compile(rb"<(/?)(HOST|CLUSTER|GRID)(?=[\s>])")
_TOLD = 20


class Reader:
    """Takes bytes with `feed`, gives what is complete; `close` gives the rest.

    `troubles` says in words what could not be read as it stood.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.troubles: list[str] = []
        self._limits = limits
        self._content = Content(limits)
        self._size = 0
        self._held = bytearray()
        self._encoding: str | None = None
        self._tail = b""  # what has come of the token that is not complete
        self._tail_at = 0
        self._parser = self._new_parser()
        self._junk = 0
        self._mended = 0
        self._mended_to = 0  # where a tag that was mended ends, counted from the tail's beginning
        self._enough = _PIECE
        self._skipping = False

    def feed(self, data: bytes) -> list[Read]:
        """Return what became complete; raises XmlError, after which nothing may be fed."""
        self._size += len(data)
        if self._size > self._limits.size:
            raise RefusedError(f"more than {self._limits.size >> 20} MB of XML")
        for at in range(0, len(data), _PIECE):
            self._held += data[at : at + _PIECE]
            if len(self._held) >= self._enough:
                self._advance()
        return self._content.take()

    def close(self) -> list[Read]:
        """Return what is left after the last byte; an open host or place counts as complete."""
        self._advance()
        content = self._content
        if not content.begun:
            said = "nothing" if not self._size else "no XML of Ganglia"
            raise XmlError(
                f"the answer is {said}",
                hint="a gmond or gmetad answers only its trusted_hosts",
            )
        if content.stack or self._held:
            self._trouble("the XML ends in the middle")
        while content.stack:
            content.end(content.stack[-1])
        return content.take()

    def _new_parser(self) -> XMLParserType:
        """Return a parser that stands where the content stands."""
        parser = ParserCreate(self._encoding)
        if hasattr(parser, "SetReparseDeferralEnabled"):  # tags are short here: nothing to win
            parser.SetReparseDeferralEnabled(False)
        opened = "".join(f"<{element}>" for element in self._content.stack).encode()
        parser.Parse(opened)
        self._tail, self._tail_at = b"", len(opened)
        parser.XmlDeclHandler = self._declaration
        parser.EntityDeclHandler = _entity
        parser.StartElementHandler = self._content.start
        parser.EndElementHandler = self._content.end
        return parser

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        del version, standalone
        self._encoding = (encoding or "utf-8").lower()
        if self._encoding not in _ENCODINGS:
            raise RefusedError(f"XML in the encoding {self._encoding[:40]!r}")

    def _advance(self) -> None:
        """Parse all that is held, as far as it can be."""
        self._enough = _PIECE
        while self._held:
            data = bytes(self._held)
            self._held.clear()
            if self._skipping and not (data := self._found_again(data)):
                return
            seen = self._content.count
            try:
                self._parser.Parse(data)
            except ExpatError as error:
                self._tail += data
                if not self._recover(error.code):
                    return
                continue
            self._after(data, moved=self._content.count != seen)

    def _after(self, data: bytes, *, moved: bool) -> None:
        """Keep what an error might be about, and refuse what never comes to an end."""
        at = self._parser.CurrentByteIndex
        self._tail = (self._tail + data)[at - self._tail_at :]
        self._tail_at = at
        self._mended_to = 0
        self._junk = 0 if moved else self._junk + len(data)
        if len(self._tail) > self._limits.token:
            raise RefusedError(f"a tag longer than {self._limits.token >> 10} KB")
        if self._junk > self._limits.junk:
            raise RefusedError(f"{self._limits.junk >> 10} KB without an element of Ganglia")

    def _recover(self, code: int) -> bool:
        """Go on after an error: hold what is to be parsed next; False when more must come."""
        if not self._content.begun:
            raise XmlError("this is no XML of Ganglia")
        data, at = self._tail, self._parser.ErrorByteIndex - self._tail_at
        begin = at if data[at : at + 1] == b"<" and code != _INVALID else data.rfind(b"<", 0, at)
        good_end = repair.complete(data, begin) if begin >= 0 else None
        if begin in {-1, at} or at < self._mended_to:
            self._skip(data[at + 1 :])
        elif good_end is not None and good_end <= at:
            self._skip_text(data, at)
        else:
            try:
                mended = repair.mend(data, begin)
            except repair.IncompleteError:
                return self._wait(data[begin:])
            if mended:
                self._count_mended(mended)
                self._go_on(mended.tag + data[mended.end :], mended=len(mended.tag))
            else:
                self._skip(data[begin + 1 :])
        return True

    def _wait(self, broken: bytes) -> bool:
        """Hold a broken tag until its end comes."""
        if len(broken) > self._limits.token:
            raise RefusedError(f"a tag longer than {self._limits.token >> 10} KB")
        self._go_on(broken)
        self._enough = len(broken) + _PIECE
        return False

    def _go_on(self, data: bytes, *, mended: int = 0) -> None:
        """Begin anew with a parser that stands in the same elements."""
        self._held[:0] = data
        self._parser = self._new_parser()
        self._mended_to = mended

    def _count_mended(self, mended: repair.Mended) -> None:
        self._mended += 1
        if self._mended > self._limits.mended:
            raise RefusedError(f"more than {self._limits.mended} broken tags")
        where = self._content.where()
        self._trouble(f"{where}{mended.element} {mended.name!r} has unescaped characters")

    def _skip_text(self, data: bytes, at: int) -> None:
        """Leave text that is no XML out; text means nothing in Ganglia's XML."""
        following = data.find(b"<", at)
        self._trouble(f"{self._content.where()}text that is no XML")
        self._go_on(data[following:] if following >= 0 else b"")

    def _skip(self, data: bytes) -> None:
        """Leave the rest of this host, or whatever is open, out."""
        self._trouble(f"{self._content.where()}broken XML was left out")
        self._skipping = True
        self._held[:0] = data

    def _found_again(self, data: bytes) -> bytes:
        """Return what follows from the next host or place on; b"" when that has not come yet."""
        content = self._content
        for found in _RESUME.finditer(data):
            closing, element = bool(found[1]), found[2].decode("ascii")
            wanted = (element,) if closing else _PARENTS[element]
            if any(open_ in wanted for open_ in content.stack):
                while content.stack[-1] not in wanted:
                    content.end(content.stack[-1])
                self._skipping = False
                self._go_on(b"")
                return data[found.start() :]
        self._junk += max(0, len(data) - 10)
        if self._junk > self._limits.junk:
            raise RefusedError(f"{self._limits.junk >> 10} KB without an element of Ganglia")
        self._held += data[-10:]  # may be the beginning of one
        return b""

    def _trouble(self, text: str) -> None:
        if text not in self.troubles and len(self.troubles) < _TOLD:
            self.troubles.append(text)


_INVALID = 4  # expat's XML_ERROR_INVALID_TOKEN: the error stands inside of a tag


def _entity(name: str, *_: object) -> None:
    raise RefusedError(f"an entity is declared: {name[:40]!r}")
