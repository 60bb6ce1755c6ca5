"""The wire format of OpenSSH's mux proxy mode, as a codec that does no input or output.

A greeting in the mux protocol (OpenSSH PROTOCOL.mux, sections 1 and 9), then the channel
messages of RFC 4254 in clear: `uint32 length, byte 0 (padding), byte type, body`. What is to
be sent is returned as bytes, what was received as events. Only `session` channels are
known; anything else from the peer is an error.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from clsh.remote.transport import Stream

WINDOW = 256 * 1024
"""Bytes that the far side may send ahead on one channel: 4 MiB is four times slower."""
MAX_PACKET = 32 * 1024

_MAX_LENGTH = 512 * 1024  # ssh itself never sends a packet over 256 KiB
_HELLO, _VERSION = 1, 4
_C_PROXY, _S_PROXY, _S_DENIED, _S_FAILURE = 0x1000000F, 0x8000000F, 0x80000002, 0x80000003
_OPEN, _OPENED, _REFUSED, _ADJUST, _DATA, _EXTENDED, _EOF, _CLOSE = range(90, 98)
_REQUEST, _SUCCESS, _FAILURE = range(98, 101)
_STDERR = 1
_U32 = struct.Struct(">I")
_U32X2 = struct.Struct(">II")


class ProtocolError(Exception):
    """The peer does not speak the protocol; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The greeting is over: channels can be opened."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The far side has opened the channel that was asked for."""

    channel: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The far side opens no channel; the channel's number is free again."""

    channel: int
    reason: str


@dataclass(frozen=True, slots=True)
class Data:
    """Output of the command; tell `Mux.consumed` when it has been taken."""

    channel: int
    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request sent with `reply`; `request` is its name."""

    channel: int
    request: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The command has ended, with a status or by a signal (RFC 4254, 6.10)."""

    channel: int
    status: int | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """More input may be sent."""

    channel: int


@dataclass(frozen=True, slots=True)
class InputClosed:
    """The command has closed its input (`eow@openssh.com`)."""

    channel: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The far side has closed the channel; nothing more comes from it."""

    channel: int


Event = Ready | Opened | Refused | Data | Answered | Ended | Room | InputClosed | Closed


@dataclass(slots=True)
class _Channel:
    remote: int = -1
    room: int = 0
    max_packet: int = 0
    window: int = WINDOW
    taken: int = 0
    asked: deque[str] = field(default_factory=deque[str])
    eof_sent: bool = False
    close_sent: bool = False


class Mux:
    """One connection to a mux master, from our side.

    `receive` raises ProtocolError for what cannot be understood and for more data than the
    window allows, so a hostile node cannot make us keep more than WINDOW bytes a channel.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._ready = False
        self._next = 0
        self._channels: dict[int, _Channel] = {}
        self._handlers: dict[int, Callable[[int, _Channel, _Reader], tuple[Event | None, bytes]]]
        self._handlers = {
            _OPENED: self._on_opened,
            _REFUSED: self._on_refused,
            _ADJUST: self._on_adjust,
            _DATA: self._on_data,
            _EXTENDED: self._on_extended,
            _EOF: self._on_eof,
            _CLOSE: self._on_close,
            _REQUEST: self._on_request,
            _SUCCESS: self._on_success,
            _FAILURE: self._on_failure,
        }

    def greeting(self) -> bytes:
        """Return the first bytes to send."""
        hello = _U32X2.pack(_HELLO, _VERSION)
        proxy = _U32X2.pack(_C_PROXY, 0)
        return _U32.pack(len(hello)) + hello + _U32.pack(len(proxy)) + proxy

    def receive(self, data: bytes) -> tuple[list[Event], bytes]:
        """Take bytes as they came; return what they mean and what must be sent at once."""
        if self._rest:
            data = self._rest + data
        view, at, end = memoryview(data), 0, len(data)
        events: list[Event] = []
        answers: list[bytes] = []
        while end - at >= 4:
            (length,) = _U32.unpack_from(data, at)
            if length > _MAX_LENGTH:
                raise ProtocolError(f"a packet of {length} bytes")
            if end - at - 4 < length:
                break
            event, answer = self._packet(_Reader(view[at + 4 : at + 4 + length]))
            if event is not None:
                events.append(event)
            if answer:
                answers.append(answer)
            at += 4 + length
        self._rest = data[at:]
        return events, b"".join(answers)

    def open(self) -> tuple[int, bytes]:
        """Ask for a session channel; return its number and the bytes to send."""
        number = self._next
        self._next += 1
        self._channels[number] = _Channel()
        body = _string(b"session") + struct.pack(">III", number, WINDOW, MAX_PACKET)
        return number, _packet(_OPEN, body)

    def request(self, channel: int, name: str, body: bytes = b"", *, reply: bool = False) -> bytes:
        """Return a channel request; with `reply` an Answered event follows."""
        state = self._channels[channel]
        if reply:
            state.asked.append(name)
        head = _U32.pack(state.remote) + _string(name.encode()) + bytes([reply])
        return _packet(_REQUEST, head + body)

    def run(self, channel: int, line: str) -> bytes:
        """Return the request to run a command line; Answered(`exec`) follows."""
        # A command line comes from an argv of the local system: any bytes may be in it.
        body = _string(line.encode("utf-8", "surrogateescape"))
        return self.request(channel, "exec", body, reply=True)

    def terminal(self, channel: int, term: str, columns: int, rows: int) -> bytes:
        """Return the request for a terminal; when it is refused the command runs without."""
        size = struct.pack(">IIII", columns, rows, 0, 0)
        return self.request(channel, "pty-req", _string(term.encode()) + size + _string(b"\0"))

    def variable(self, channel: int, name: str, value: str) -> bytes:
        """Return the request to set an environment variable, which a server may ignore."""
        pair = _string(name.encode()) + _string(value.encode("utf-8", "surrogateescape"))
        return self.request(channel, "env", pair)

    def signal(self, channel: int, name: str) -> bytes:
        """Return the request to signal the command; Answered(`signal`) follows."""
        return self.request(channel, "signal", _string(name.encode()), reply=True)

    def room(self, channel: int) -> int:
        """Return how many bytes of input may be sent now."""
        state = self._channels.get(channel)
        return 0 if state is None or state.eof_sent else state.room

    def send(self, channel: int, data: bytes) -> bytes:
        """Return input for the command as packets; `data` is at most `room` bytes long."""
        state = self._channels[channel]
        if len(data) > state.room:
            raise ValueError("more input than there is room for")
        state.room -= len(data)
        head, step = _U32.pack(state.remote), state.max_packet
        parts = (data[i : i + step] for i in range(0, len(data), step))
        return b"".join(_packet(_DATA, head + _string(part)) for part in parts)

    def eof(self, channel: int) -> bytes:
        """Return the end of the input, nothing when it has been sent or the channel is gone."""
        state = self._channels.get(channel)
        if state is None or state.eof_sent:
            return b""
        state.eof_sent = True
        return _packet(_EOF, _U32.pack(state.remote))

    def close(self, channel: int) -> bytes:
        """Return the channel's close, nothing when it has been sent or the channel is gone."""
        state = self._channels.get(channel)
        if state is None or state.close_sent:
            return b""
        state.eof_sent = state.close_sent = True
        return _packet(_CLOSE, _U32.pack(state.remote))

    def consumed(self, channel: int, count: int) -> bytes:
        """Return a window adjust when the far side needs one for `count` bytes taken."""
        state = self._channels.get(channel)
        if state is None:
            return b""
        state.taken += count
        if state.taken < WINDOW // 2:
            return b""
        more, state.taken = state.taken, 0
        state.window += more
        return _packet(_ADJUST, _U32X2.pack(state.remote, more))

    def _packet(self, body: _Reader) -> tuple[Event | None, bytes]:
        if not self._ready:
            return self._greet(body), b""
        body.byte()
        kind = body.byte()
        handler = self._handlers.get(kind)
        if handler is None:
            raise ProtocolError(f"message {kind} is not expected")
        number = body.u32()
        state = self._channels.get(number)
        if state is None or (state.remote < 0) != (kind in {_OPENED, _REFUSED}):
            raise ProtocolError(f"message {kind} for channel {number}, which is not there")
        return handler(number, state, body)

    def _greet(self, body: _Reader) -> Ready | None:
        kind = body.u32()
        if kind == _HELLO:
            version = body.u32()
            if version != _VERSION:
                raise ProtocolError(f"mux protocol {version}, not {_VERSION}")
            return None
        if kind == _S_PROXY:
            self._ready = True
            return Ready()
        if kind in {_S_DENIED, _S_FAILURE}:
            body.u32()
            raise ProtocolError(f"the ssh master refuses proxy mode: {body.text()}")
        raise ProtocolError(f"mux message {kind:#x} is not expected")

    def _on_opened(self, number: int, state: _Channel, body: _Reader) -> tuple[Event, bytes]:
        state.remote, state.room, state.max_packet = body.u32(), body.u32(), body.u32()
        if state.max_packet == 0:
            raise ProtocolError("a channel with packets of no bytes")
        return Opened(number), b""

    def _on_refused(self, number: int, _state: _Channel, body: _Reader) -> tuple[Event, bytes]:
        body.u32()
        del self._channels[number]
        return Refused(number, body.text()), b""

    def _on_adjust(self, number: int, state: _Channel, body: _Reader) -> tuple[Event, bytes]:
        state.room += body.u32()
        return Room(number), b""

    def _on_data(self, number: int, state: _Channel, body: _Reader) -> tuple[Event, bytes]:
        return Data(number, "stdout", self._take(state, body.string())), b""

    def _on_extended(self, number: int, state: _Channel, body: _Reader) -> tuple[Event, bytes]:
        if body.u32() != _STDERR:
            raise ProtocolError("extended data that is not stderr")
        return Data(number, "stderr", self._take(state, body.string())), b""

    def _take(self, state: _Channel, data: bytes) -> bytes:
        state.window -= len(data)
        if state.window < 0:
            raise ProtocolError("more data than the window allows")
        return data

    def _on_eof(self, _number: int, _state: _Channel, _body: _Reader) -> tuple[None, bytes]:
        return None, b""  # the close says the same and always follows

    def _on_close(self, number: int, _state: _Channel, _body: _Reader) -> tuple[Event, bytes]:
        answer = self.close(number)
        del self._channels[number]
        return Closed(number), answer

    def _on_request(
        self, number: int, state: _Channel, body: _Reader
    ) -> tuple[Event | None, bytes]:
        name, wants_reply = body.string(), body.byte()
        if name == b"exit-status":
            return Ended(number, status=body.u32() & 0xFF), b""
        if name == b"exit-signal":
            return Ended(number, signal=body.text()), b""
        if name == b"eow@openssh.com":
            return InputClosed(number), b""
        # sshd's ClientAliveInterval asks on a channel and hangs up when nothing answers.
        answer = _packet(_FAILURE, _U32.pack(state.remote)) if wants_reply else b""
        return None, answer

    def _on_success(self, number: int, state: _Channel, _body: _Reader) -> tuple[Event, bytes]:
        return self._answered(number, state, ok=True), b""

    def _on_failure(self, number: int, state: _Channel, _body: _Reader) -> tuple[Event, bytes]:
        return self._answered(number, state, ok=False), b""

    def _answered(self, number: int, state: _Channel, *, ok: bool) -> Answered:
        if not state.asked:
            raise ProtocolError("an answer to nothing")
        return Answered(number, state.asked.popleft(), ok)


def _string(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    return _U32.pack(len(body) + 2) + bytes((0, kind)) + body


class _Reader:
    """Reads the fields of one packet (RFC 4251, section 5)."""

    __slots__ = ("_at", "_view")

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def _next(self, count: int) -> memoryview:
        part = self._view[self._at : self._at + count]
        if len(part) < count:
            raise ProtocolError("a packet is too short")
        self._at += count
        return part

    def byte(self) -> int:
        return self._next(1)[0]

    def u32(self) -> int:
        value: int = _U32.unpack(self._next(4))[0]
        return value

    def string(self) -> bytes:
        return bytes(self._next(self.u32()))

    def text(self) -> str:
        return self.string().decode("utf-8", "replace")
