from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from clsh.monitor.ganglia.xdr import Kind, Metadata, PacketError, Request, Told, decode, encode
from tests.support.ganglia import DATA

LINES = [json.loads(line) for line in (DATA / "gmond-packets.jsonl").read_text().splitlines()]
HEARTBEAT = Told("n1", "heartbeat", "uint", 5, "%u")


def as_decoded(data: bytes) -> dict[str, Any]:
    packet = decode(data)
    shared = {"host": packet.host, "name": packet.name, "spoof": packet.spoof, "rest": 0}
    if isinstance(packet, Metadata):
        more = {
            "id": 128, "type": packet.type, "tname": packet.name, "units": packet.units,
            "slope": packet.slope, "tmax": packet.tmax_s, "dmax": packet.dmax_s,
            "extra": [list(pair) for pair in packet.extra],
        }  # fmt: skip
    elif isinstance(packet, Told):
        more = {"id": data[3], "fmt": packet.format, "val": packet.value}
    else:
        more = {"id": 136}
    return {**shared, **more}


def test_real_packets() -> None:
    assert len(LINES) == 92
    for line in LINES:
        expected, found = line["decoded"], as_decoded(bytes.fromhex(line["hex"]))
        if isinstance(expected.get("val"), float):
            places = int(expected["fmt"][2])
            assert found.pop("val") == float(f"{expected.pop('val'):.{places}f}")
        assert found == expected


def test_real_packets_are_written_the_same() -> None:
    for line in LINES:
        data = bytes.fromhex(line["hex"])
        packet = decode(data)
        if not (isinstance(packet, Told) and packet.kind in {"float", "double"}):  # rounded
            assert encode(packet) == data


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("ushort", 65535, "%hu"), ("short", -32768, "%hd"), ("int", -(2**31), "%d"),
        ("uint", 2**32 - 1, "%u"), ("float", 0.5, "%.2f"), ("double", 1e300, "%f"),
        ("string", "é\x1b<한", "%s"),
    ],
)  # fmt: skip
def test_every_kind_of_value(kind: Kind, value: float | str, form: str) -> None:
    packet = Told("1.2.3.4:n", "m", kind, value, form, spoof=True)
    assert decode(encode(packet)) == packet


def test_the_format_rounds() -> None:
    assert decode(encode(Told("n", "m", "float", 0.3, "%.1f"))) == Told(
        "n", "m", "float", 0.3, "%.1f"
    )
    assert decode(encode(Told("n", "m", "double", 2.71828, "%.2f"))) == Told(
        "n", "m", "double", 2.72, "%.2f"
    )


def test_text_that_is_no_utf_8_is_latin_1() -> None:
    data = encode(Request("n", "m")).replace(b"\0\0\0\1m\0", b"\0\0\0\1\xe9\0")
    assert decode(data) == Request("n", "é")


def raw(number: int, *words: bytes, host: bytes = b"n") -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value + bytes(-len(value) % 4)

    return struct.pack(">I", number) + text(host) + text(b"m") + bytes(4) + b"".join(words)


FORMAT_S, FORMAT_N = b"\0\0\0\2%s\0\0", b"\0\0\0\2%n\0\0"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "too early"),
        (b"\0\0", "too early"),
        (raw(127), "no message 127"),
        (raw(137), "no message 137"),
        (raw(136, b"\0"), "1 bytes too many"),
        (raw(136)[:-1], "too early"),
        (raw(133, b"\xff\xff\xff\xff"), "too early"),
        (raw(133, FORMAT_N, FORMAT_S), "format '%n'"),
        (raw(133, b"\0\0\0\4%99s", FORMAT_S), "format"),
        (raw(133, b"\0\0\0\6%s%s%s\0\0", FORMAT_S), "format"),
        (raw(129, FORMAT_S, b"\0\1\0\0"), "ushort 65536"),
        (raw(130, FORMAT_S, b"\0\0\x80\0"), "short 32768"),
        (raw(134, FORMAT_S, b"\x7f\xc0\0\0"), "value nan"),
        (raw(135, FORMAT_S, b"\x7f\xf0" + bytes(6)), "value inf"),
        (raw(128, bytes(4), b"\0\0\0\1x\0\0\0", bytes(4), bytes(16)), "about 'm' and 'x'"),
        (raw(128, bytes(4), b"\0\0\0\1m\0\0\0", bytes(4), b"\0\0\0\6", bytes(12)), "slope 6"),
        (raw(128, bytes(4), b"\0\0\0\1m\0\0\0", bytes(16), b"\0\0\0\x41"), "65 extra"),
        (raw(136, host=b"x" * 1470), "more than 1472"),
    ],
)
def test_malformed_packets(data: bytes, says: str) -> None:
    with pytest.raises(PacketError, match=says):
        decode(data)


@pytest.mark.parametrize(
    "packet",
    [
        Request("n" * 1470, "m"),
        Request("\ud800", "m"),
        Told("n", "m", "string", "x", "%n"),
        Told("n", "m", "string", 1.0),
        Told("n", "m", "float", "1"),
        Told("n", "m", "float", 1e300),
        Told("n", "m", "ushort", 65536),
        Told("n", "m", "int", 0.5),
        Metadata("n", "m", "float", tmax_s=-1),
        Metadata("n", "m", "float", slope="steep"),  # type: ignore[arg-type] # what is refused
        Metadata("n", "m", "float", extra=(("a", "b"),) * 65),
    ],
)
def test_what_fits_into_no_packet(packet: Request | Told | Metadata) -> None:
    with pytest.raises(PacketError):
        encode(packet)


def test_a_heartbeat() -> None:
    assert encode(HEARTBEAT) == bytes.fromhex(
        "00000084 00000002 6e310000 00000009 686561727462656174000000 00000000"
        "00000002 25750000 00000005"
    )
