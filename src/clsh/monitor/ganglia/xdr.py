"""The packets that gmond and gmetric send over UDP (Ganglia 3.1 and later), as values.

XDR (RFC 4506): big-endian words; a string is its length, its bytes, and zeros up to a word.
One message a packet. A sender's printf format is never used as one: `%[.N]` and a letter
or two are accepted, and `.N` rounds.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

from clsh.base.errors import ClshError
from clsh.monitor.model import Slope

LONGEST = 1472  # what fits into an Ethernet frame; gmond sends no more

_EXTRAS = 64
_SLOPES: tuple[Slope, ...] = ("zero", "positive", "negative", "both", "unspecified", "derivative")
_FORMAT = re.compile(r"%(?:\.([0-9]{1,2}))?(f|d|u|s|hu|hd)", re.ASCII)

Kind = Literal["ushort", "short", "int", "uint", "string", "float", "double"]

_METADATA, _REQUEST = 128, 136
_KINDS: dict[int, Kind] = dict(enumerate(get_args(Kind), 129))
_IDS = {kind: number for number, kind in _KINDS.items()}
# How a number stands in the packet, and what it must be at least and at most.
_WHOLE: dict[Kind, tuple[str, int, int]] = {
    "ushort": (">I", 0, 2**16 - 1),
    "short": (">i", -(2**15), 2**15 - 1),
    "int": (">i", -(2**31), 2**31 - 1),
    "uint": (">I", 0, 2**32 - 1),
}
_REAL: dict[Kind, str] = {"float": ">f", "double": ">d"}


class PacketError(ClshError):
    """This is no packet of Ganglia."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a metric is. `host` is `IP:NAME` when `spoof`, else the sender's own name."""

    host: str
    name: str
    type: str
    units: str = ""
    slope: Slope = "both"
    tmax_s: int = 60
    dmax_s: int = 0
    extra: tuple[tuple[str, str], ...] = ()
    spoof: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A value. gmetric sends every one as `string`; gmond sends the types of its metrics."""

    host: str
    name: str
    kind: Kind
    value: float | str
    format: str = "%s"
    spoof: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """The question for the metadata of a metric."""

    host: str
    name: str
    spoof: bool = False


Packet = Metadata | Told | Request


def decode(data: bytes) -> Packet:
    """Return the message in a packet; raises PacketError, and nothing else."""
    if len(data) > LONGEST:
        _bad(f"{len(data)} bytes are more than {LONGEST}")
    words = _Words(data)
    number = words.word()
    if number != _METADATA and number != _REQUEST and number not in _KINDS:
        _bad(f"there is no message {number}")
    host, name, spoof = words.string(), words.string(), bool(words.word())
    packet: Packet
    if number == _METADATA:
        packet = _metadata(words, host, name, spoof=spoof)
    elif number == _REQUEST:
        packet = Request(host, name, spoof)
    else:
        packet = _told(words, _KINDS[number], host, name, spoof=spoof)
    if words.rest:
        _bad(f"{words.rest} bytes too many")
    return packet


def encode(packet: Packet) -> bytes:
    """Return the packet of a message; raises PacketError when it does not fit into one."""
    if isinstance(packet, Metadata):
        data = _head(_METADATA, packet) + _metadata_bytes(packet)
    elif isinstance(packet, Told):
        data = _head(_IDS[packet.kind], packet) + _told_bytes(packet)
    else:
        data = _head(_REQUEST, packet)
    if len(data) > LONGEST:
        _bad(f"{len(data)} bytes are more than {LONGEST}")
    return data


def _bad(what: str) -> NoReturn:
    raise PacketError(f"not a packet of Ganglia: {what}")


class _Words:
    """Takes words and strings from the front of a packet."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.rest:
            _bad("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def word(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> str:
        length = self.word()
        text = self.take(length)
        self.take(-length % 4)
        try:
            return text.decode()
        except UnicodeDecodeError:
            return text.decode("iso-8859-1")


def _metadata(words: _Words, host: str, name: str, *, spoof: bool) -> Metadata:
    type_, again, units = words.string(), words.string(), words.string()
    slope, tmax_s, dmax_s, count = (words.word() for _ in range(4))
    if again != name:
        _bad(f"it is about {name[:40]!r} and {again[:40]!r}")
    if slope >= len(_SLOPES) or count > _EXTRAS:
        _bad(f"slope {slope}, {count} extra elements")
    extra = tuple((words.string(), words.string()) for _ in range(count))
    return Metadata(host, name, type_, units, _SLOPES[slope], tmax_s, dmax_s, extra, spoof)


def _told(words: _Words, kind: Kind, host: str, name: str, *, spoof: bool) -> Told:
    form = words.string()
    found = _FORMAT.fullmatch(form)
    if not found:
        _bad(f"the format {form[:40]!r}")
    value = words.string() if kind == "string" else _number(words, kind)
    if isinstance(value, float) and found[1] and found[2] == "f":
        value = round(value, int(found[1]))
    return Told(host, name, kind, value, form, spoof)


def _number(words: _Words, kind: Kind) -> float:
    if real := _REAL.get(kind):
        value: float = struct.unpack(real, words.take(struct.calcsize(real)))[0]
        if not math.isfinite(value):
            _bad(f"the value {value}")
        return value
    form, low, high = _WHOLE[kind]
    whole: int = struct.unpack(form, words.take(4))[0]
    if not low <= whole <= high:
        _bad(f"the {kind} {whole}")
    return whole


def _head(number: int, packet: Packet) -> bytes:
    names = _string(packet.host) + _string(packet.name)
    return _word(number) + names + _word(packet.spoof)


def _word(value: int) -> bytes:
    return _packed(">I", value)


def _packed(form: str, value: float) -> bytes:
    try:
        return struct.pack(form, value)
    except (struct.error, OverflowError) as error:
        raise PacketError(f"not for a packet of Ganglia: {value!r}") from error


def _string(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise PacketError(f"not for a packet of Ganglia: {text[:40]!r}") from error
    return _word(len(data)) + data + bytes(-len(data) % 4)


def _metadata_bytes(packet: Metadata) -> bytes:
    if packet.slope not in _SLOPES or len(packet.extra) > _EXTRAS:
        _bad(f"slope {packet.slope!r}, {len(packet.extra)} extra elements")
    texts = (packet.type, packet.name, packet.units)
    numbers = (_SLOPES.index(packet.slope), packet.tmax_s, packet.dmax_s, len(packet.extra))
    pairs = (text for pair in packet.extra for text in pair)
    return b"".join((*map(_string, texts), *map(_word, numbers), *map(_string, pairs)))


def _told_bytes(packet: Told) -> bytes:
    if not _FORMAT.fullmatch(packet.format):
        _bad(f"the format {packet.format[:40]!r}")
    return _string(packet.format) + _value_bytes(packet.kind, packet.value)


def _value_bytes(kind: Kind, value: float | str) -> bytes:
    if isinstance(value, str) or kind == "string":
        if not isinstance(value, str) or kind != "string":
            _bad(f"{value!r} as {kind}")
        return _string(value)
    if real := _REAL.get(kind):
        return _packed(real, value)
    form, low, high = _WHOLE[kind]
    if not low <= value <= high:
        _bad(f"{value!r} as {kind}")
    return _packed(form, value)
