"""The codec of mux proxy mode, tested with bytes as RFC 4254 and PROTOCOL.mux write them."""

from __future__ import annotations

import contextlib
import itertools
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.remote.transports import _mux
from clsh.remote.transports._mux import (
    WINDOW,
    Answered,
    Closed,
    Data,
    Ended,
    InputClosed,
    Mux,
    Opened,
    ProtocolError,
    Ready,
    Refused,
    Room,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

HELLO = bytes.fromhex("00000008 00000001 00000004")
PROXY = bytes.fromhex("00000008 8000000f 00000000")


def u32(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def string(data: bytes) -> bytes:
    return u32(len(data)) + data


def message(kind: int, *parts: bytes) -> bytes:
    body = bytes((0, kind)) + b"".join(parts)
    return u32(len(body)) + body


def opened(number: int, *, room: int = 1000, packet: int = 100) -> bytes:
    return message(91, u32(number, number + 50, room, packet))


def ready() -> Mux:
    mux = Mux()
    assert mux.receive(HELLO + PROXY) == ([Ready()], b"")
    return mux


def running(*, room: int = 1000, packet: int = 100) -> tuple[Mux, int]:
    mux = ready()
    number, _ = mux.open()
    assert mux.receive(opened(number, room=room, packet=packet)) == ([Opened(number)], b"")
    return mux, number


def test_it_greets_and_asks_for_proxy_mode() -> None:
    mux = Mux()
    assert mux.greeting() == HELLO + bytes.fromhex("00000008 1000000f 00000000")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (u32(8, 1, 5), "mux protocol 5"),
        (HELLO + u32(4 + 4 + 4 + 2, 0x80000002, 0, 2) + b"no", "refuses proxy mode: no"),
        (HELLO + u32(4 + 4 + 4 + 2, 0x80000003, 0, 2) + b"no", "refuses proxy mode: no"),
        (HELLO + u32(8, 0x80000001, 0), "0x80000001"),
        (HELLO + u32(2) + b"ab", "too short"),
    ],
)
def test_a_master_that_is_no_proxy_is_refused(answer: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        Mux().receive(answer)


def test_a_command_from_beginning_to_end() -> None:
    mux = ready()
    number, data = mux.open()
    assert data == message(90, string(b"session"), u32(number, WINDOW, 32768))
    mux.receive(opened(number))
    far = u32(number + 50)
    assert mux.run(number, "ls é\udcff") == message(
        98, far, string(b"exec"), b"\x01", string(b"ls \xc3\xa9\xff")
    )
    come = [
        message(99, u32(number)),
        message(94, u32(number), string(b"out")),
        message(95, u32(number, 1), string(b"err")),
        message(98, u32(number), string(b"exit-status"), b"\0", u32(3)),
        message(96, u32(number)),
        message(97, u32(number)),
    ]
    events, answer = mux.receive(b"".join(come))
    assert events == [
        Answered(number, "exec", ok=True),
        Data(number, "stdout", b"out"),
        Data(number, "stderr", b"err"),
        Ended(number, status=3),
        Closed(number),
    ]
    assert answer == message(97, far)
    with pytest.raises(ProtocolError, match="not there"):
        mux.receive(message(97, u32(number)))


def test_an_end_by_a_signal() -> None:
    mux, number = running()
    rest = b"\0" + string(b"KILL") + b"\0" + string(b"") + string(b"")
    events, _ = mux.receive(message(98, u32(number), string(b"exit-signal"), rest))
    assert events == [Ended(number, signal="KILL")]


def test_requests_that_shape_a_channel() -> None:
    mux, number = running()
    far = u32(number + 50)
    assert mux.terminal(number, "xterm", 120, 40) == message(
        98, far, string(b"pty-req"), b"\0", string(b"xterm"), u32(120, 40, 0, 0), string(b"\0")
    )
    assert mux.variable(number, "LANG", "C") == message(
        98, far, string(b"env"), b"\0", string(b"LANG"), string(b"C")
    )
    assert mux.signal(number, "TERM") == message(
        98, far, string(b"signal"), b"\x01", string(b"TERM")
    )


def test_answers_come_in_the_order_of_the_questions() -> None:
    mux, number = running()
    mux.run(number, "x")
    mux.signal(number, "INT")
    events, _ = mux.receive(message(99, u32(number)) + message(100, u32(number)))
    assert events == [Answered(number, "exec", ok=True), Answered(number, "signal", ok=False)]
    with pytest.raises(ProtocolError, match="answer to nothing"):
        mux.receive(message(100, u32(number)))


def test_a_question_that_is_not_known_is_answered_no_or_sshd_would_hang_up() -> None:
    mux, number = running()
    events, answer = mux.receive(message(98, u32(number), string(b"keepalive@openssh.com"), b"\1"))
    assert (events, answer) == ([], message(100, u32(number + 50)))
    assert mux.receive(message(98, u32(number), string(b"news"), b"\0")) == ([], b"")


def test_the_command_may_close_its_input() -> None:
    mux, number = running()
    events, _ = mux.receive(message(98, u32(number), string(b"eow@openssh.com"), b"\0"))
    assert events == [InputClosed(number)]


def test_input_goes_in_packets_and_within_the_room() -> None:
    mux, number = running(room=250, packet=100)
    far = u32(number + 50)
    assert mux.room(number) == 250
    sent = mux.send(number, b"a" * 250)
    assert sent == b"".join(message(94, far, string(b"a" * count)) for count in (100, 100, 50))
    assert mux.room(number) == 0
    with pytest.raises(ValueError, match="room"):
        mux.send(number, b"b")
    assert mux.receive(message(93, u32(number, 7))) == ([Room(number)], b"")
    assert mux.room(number) == 7
    assert mux.eof(number) == message(96, far)
    assert mux.eof(number) == b""
    assert mux.room(number) == 0


def test_the_window_opens_again_when_half_of_it_is_taken() -> None:
    mux, number = running()
    half = WINDOW // 2
    assert mux.consumed(number, half - 1) == b""
    assert mux.consumed(number, 1) == message(93, u32(number + 50, half))


def test_more_than_the_window_is_an_error() -> None:
    mux, number = running()
    part = message(94, u32(number), string(b"x" * 32768))
    for _ in range(WINDOW // 32768):
        mux.receive(part)
    with pytest.raises(ProtocolError, match="window"):
        mux.receive(message(94, u32(number), string(b"x")))


def test_a_refused_channel_is_gone() -> None:
    mux = ready()
    number, _ = mux.open()
    refusal = message(92, u32(number, 2), string(b"open failed"), string(b""))
    assert mux.receive(refusal) == ([Refused(number, "open failed")], b"")
    assert mux.room(number) == 0
    assert mux.close(number) == b""
    assert mux.eof(number) == b""
    assert mux.consumed(number, WINDOW) == b""


def test_closing_first_sends_one_close() -> None:
    mux, number = running()
    assert mux.close(number) == message(97, u32(number + 50))
    assert mux.close(number) == b""
    assert mux.eof(number) == b""
    assert mux.receive(message(97, u32(number))) == ([Closed(number)], b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (u32(600_000), "600000 bytes"),
        (message(90, string(b"session"), u32(0, 0, 0)), "message 90"),
        (message(94, u32(7), string(b"x")), "not there"),
        (message(95, u32(0, 2), string(b"x")), "not stderr"),
        (message(91, u32(0, 1, 1, 1)), "not there"),
        (message(94, u32(0), u32(50) + b"short"), "too short"),
        (u32(1) + b"\0", "too short"),
    ],
)
def test_what_no_server_says_is_an_error(data: bytes, words: str) -> None:
    mux, _ = running()
    with pytest.raises(ProtocolError, match=words):
        mux.receive(data)


def test_a_channel_must_have_been_opened_and_take_packets() -> None:
    mux = ready()
    number, _ = mux.open()
    with pytest.raises(ProtocolError, match="not there"):
        mux.receive(message(94, u32(number), string(b"x")))
    with pytest.raises(ProtocolError, match="no bytes"):
        mux.receive(opened(number, packet=0))


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_where_the_stream_is_cut_does_not_matter(cuts: Sequence[int]) -> None:
    stream = (
        HELLO
        + PROXY
        + opened(0)
        + message(94, u32(0), string(b"x" * 100))
        + message(95, u32(0, 1), string(b"y" * 50))
        + message(98, u32(0), string(b"keepalive@openssh.com"), b"\1")
        + message(98, u32(0), string(b"exit-status"), b"\0", u32(0))
        + message(97, u32(0))
    )

    def play(pieces: Sequence[bytes]) -> tuple[list[_mux.Event], bytes]:
        mux = Mux()
        mux.open()
        events: list[_mux.Event] = []
        answers = b""
        for piece in pieces:
            new, answer = mux.receive(piece)
            events += new
            answers += answer
        return events, answers

    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert play(pieces) == play([stream])
    assert len(play(pieces)[0]) == 6


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_raise_nothing_else(data: bytes) -> None:
    mux, number = running()
    mux.run(number, "x")
    with contextlib.suppress(ProtocolError):
        mux.receive(data)


@given(kind=st.sampled_from(range(90, 101)), body=st.binary(max_size=60))
def test_hostile_bodies_raise_nothing_else(kind: int, body: bytes) -> None:
    mux, number = running()
    mux.run(number, "x")
    with contextlib.suppress(ProtocolError):
        mux.receive(message(kind, struct.pack(">I", number), body))
