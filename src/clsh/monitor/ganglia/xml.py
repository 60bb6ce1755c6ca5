"""Read the XML of gmond and gmetad piece by piece; refuses what is not Ganglia's, or a bomb.

No entity, nothing fetched, and limits on bytes, depth, the length of a tag and the number
of everything, so that hostile input costs little memory and time. What is broken is not
refused: a tag with unescaped characters is mended, else its host is left where it broke.
Order of attributes and elements never matters. Values stay text here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pyexpat import ExpatError, ParserCreate
from typing import TYPE_CHECKING, Literal, NamedTuple

from clsh.base.errors import ClshError
from clsh.monitor.ganglia import repair

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pyexpat import XMLParserType

Attributes = dict[str, str]


class XmlError(ClshError):
    """This is not XML of Ganglia that can be read."""


class RefusedError(XmlError):
    """The XML looks like an attack: nothing more of it is read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused: more bytes, a longer tag, deeper elements, more of each kind.

    `junk` is how many bytes may pass without an element of Ganglia.
    """

    size: int = 64 << 20
    token: int = 16 << 10
    junk: int = 1 << 20
    depth: int = 12
    places: int = 1000
    hosts: int = 20_000
    metrics: int = 2000
    extras: int = 64
    mended: int = 10_000


LIMITS = Limits()


class MetricRead(NamedTuple):
    """A METRIC or METRICS element, and its EXTRA_DATA by name."""

    attributes: Attributes
    extra: Attributes


@dataclass(slots=True, eq=False)
class Place:
    """A GRID or CLUSTER; hosts in no cluster are in a place of kind `none`.

    `hosts` is what its own HOSTS element says and `sums` its METRICS; complete when the
    place is given out.
    """

    kind: Literal["GRID", "CLUSTER", "none"]
    attributes: Attributes
    outer: Place | None = None
    inner: int = 0
    hosts: Attributes | None = None
    sums: list[MetricRead] = field(default_factory=list[MetricRead])

    @property
    def name(self) -> str:
        """Its NAME as it is written."""
        return self.attributes.get("NAME", "")


@dataclass(slots=True, eq=False)
class HostRead:
    """A HOST with its metrics. It is given out before its place is complete."""

    place: Place
    attributes: Attributes
    metrics: list[MetricRead] = field(default_factory=list[MetricRead])


Read = HostRead | Place

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
        self._content = _Content(limits)
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


class _Content:
    """What the elements mean: collects hosts and places, and counts."""

    def __init__(self, limits: Limits) -> None:
        self.stack: list[str] = []
        self.begun = False
        self.count = 0  # of places, hosts and metrics
        self._limits = limits
        self._ready: list[Read] = []
        self._place: Place | None = None
        self._host: HostRead | None = None
        self._metric: MetricRead | None = None
        self._hosts = self._places = self._extras = 0

    def take(self) -> list[Read]:
        ready, self._ready = self._ready, []
        return ready

    def where(self) -> str:
        """Return in words what is open, for a trouble's text."""
        names = [f"cluster {self._place.name!r}"] if self._place else []
        if self._host:
            names.append(f"host {self._host.attributes.get('NAME', '')!r}")
        return ", ".join(names) + ": " if names else ""

    def start(self, tag: str, attributes: Attributes) -> None:
        if not self.begun:
            if tag != "GANGLIA_XML":
                raise XmlError(f"this is XML, but not of Ganglia: it begins with {tag[:40]!r}")
            self.begun = True
        self.stack.append(tag)
        if len(self.stack) > self._limits.depth:
            raise RefusedError(f"elements more than {self._limits.depth} deep")
        if handle := _STARTS.get(tag):
            handle(self, attributes)

    def end(self, tag: str) -> None:
        self.stack.pop()
        if tag in {"METRIC", "METRICS"}:
            self._metric = None
        elif tag == "HOST":
            self._end_host()
        elif tag in {"CLUSTER", "GRID"} and self._place:
            self._ready.append(self._place)
            self._place = self._place.outer

    def _end_host(self) -> None:
        if self._host:
            self._ready.append(self._host)
            self._host = None

    def open_grid(self, attributes: Attributes) -> None:
        self._open("GRID", attributes)

    def open_cluster(self, attributes: Attributes) -> None:
        self._open("CLUSTER", attributes)

    def _open(self, kind: Literal["GRID", "CLUSTER", "none"], attributes: Attributes) -> Place:
        self.count += 1
        self._places += 1
        if self._places > self._limits.places:
            raise RefusedError(f"more than {self._limits.places} clusters")
        if self._place:
            self._place.inner += 1
        place = Place(kind, attributes, self._place)
        if kind != "none":
            self._place = place
        return place

    def open_host(self, attributes: Attributes) -> None:
        self.count += 1
        self._hosts += 1
        if self._hosts > self._limits.hosts:
            raise RefusedError(f"more than {self._limits.hosts} hosts")
        self._end_host()  # of one whose end is missing
        place = self._place or self._open("none", {})
        place.inner += 1
        self._host = HostRead(place, attributes)

    def open_metric(self, attributes: Attributes) -> None:
        if self._host:
            self._add(self._host.metrics, attributes)

    def open_sum(self, attributes: Attributes) -> None:
        if self._place:
            self._add(self._place.sums, attributes)

    def _add(self, metrics: list[MetricRead], attributes: Attributes) -> None:
        if len(metrics) >= self._limits.metrics:
            raise RefusedError(f"more than {self._limits.metrics} metrics in one place")
        self.count += 1
        self._extras = 0
        self._metric = MetricRead(attributes, {})
        metrics.append(self._metric)

    def open_hosts(self, attributes: Attributes) -> None:
        if self._place:
            self._place.hosts = attributes

    def open_extra(self, attributes: Attributes) -> None:
        if self._metric:
            self._extras += 1
            if self._extras > self._limits.extras:
                raise RefusedError(f"more than {self._limits.extras} EXTRA_ELEMENT in a metric")
            self._metric.extra[attributes.get("NAME", "").upper()] = attributes.get("VAL", "")


_STARTS = {
    "GRID": _Content.open_grid,
    "CLUSTER": _Content.open_cluster,
    "HOST": _Content.open_host,
    "METRIC": _Content.open_metric,
    "METRICS": _Content.open_sum,
    "HOSTS": _Content.open_hosts,
    "EXTRA_ELEMENT": _Content.open_extra,
}
