"""Whatever comes over Ganglia's wires, the codecs say what it is or that it is none."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia.content import Limits, XmlError
from clsh.monitor.ganglia.markup import encoded, escaped, header
from clsh.monitor.ganglia.news import Translator
from clsh.monitor.ganglia.senders import Limits as SenderLimits
from clsh.monitor.ganglia.senders import Senders
from clsh.monitor.ganglia.xdr import Metadata, Packet, PacketError, Request, Told, decode, encode
from clsh.monitor.ganglia.xml import Reader
from tests.support.ganglia import hosts, read, recorded

texts = st.text(st.characters(codec="utf-8"), max_size=40)
words = st.integers(0, 2**32 - 1)
names = {"host": texts, "name": texts, "spoof": st.booleans()}
metadata = st.builds(
    Metadata,
    type=texts, units=texts, tmax_s=words, dmax_s=words,
    slope=st.sampled_from(["zero", "positive", "negative", "both", "unspecified", "derivative"]),
    extra=st.lists(st.tuples(texts, texts), max_size=4).map(tuple), **names,
)  # fmt: skip


def told(kind: str, values: st.SearchStrategy[float | str], form: str) -> st.SearchStrategy[Told]:
    return st.builds(Told, kind=st.just(kind), value=values, format=st.just(form), **names)


packets = st.one_of(
    metadata,
    st.builds(Request, **names),
    told("string", texts, "%s"),
    told("ushort", st.integers(0, 65535), "%hu"),
    told("short", st.integers(-32768, 32767), "%hd"),
    told("int", st.integers(-(2**31), 2**31 - 1), "%d"),
    told("uint", words, "%u"),
    told("float", st.floats(allow_nan=False, allow_infinity=False, width=32), "%f"),
    told("double", st.floats(allow_nan=False, allow_infinity=False), "%f"),
)


@given(packets)
def test_a_packet_comes_back_as_it_was(packet: Packet) -> None:
    with suppress(PacketError):  # longer than a packet may be
        assert decode(encode(packet)) == packet


@given(packets, st.integers(0, 200), st.integers(0, 200), st.binary(max_size=8), st.integers(0, 99))
def test_broken_packets_are_told_from_good_ones(
    packet: Packet, start: int, end: int, new: bytes, places: int
) -> None:
    with suppress(PacketError):
        data = encode(packet)
        form = b"%%.%df" % places
        broken = (data[:start] + new + data[end:]).replace(b"%f\0\0", form[:4])
        Senders(lambda *_: None, {}, SenderLimits()).hear(decode(broken), "10.0.0.1", 0.0)


@given(
    st.binary(max_size=200), st.sampled_from([b"", *(bytes([0, 0, 0, n]) for n in range(128, 137))])
)
def test_noise_is_no_packet(noise: bytes, begin: bytes) -> None:
    with suppress(PacketError):
        decode(begin + noise)


@given(st.text(max_size=60))
def test_all_text_can_stand_in_an_attribute(text: str) -> None:
    data = header("gmond") + encoded(f'<X a="{escaped(text)}"/></GANGLIA_XML>')
    (element,) = ET.fromstring(data)
    held = "".join(one if one in "\t\n\r" or one.isprintable() else "" for one in text)
    kept = "".join(one for one in element.attrib["a"] if one in held)
    assert len(element.attrib["a"]) == len(text)
    assert kept == "".join(one for one in text if one in held) or "?" in kept


GMETAD = recorded("gmetad-8651-all.xml")
SMALL = GMETAD[: GMETAD.index(b"</HOST>")] + GMETAD[GMETAD.index(b'<HOST NAME="ghost1"') :]
BITS = [b"<", b">", b"&", b'"', b"</HOST>", b"<HOST ", b"</CLUSTER>", b"</GRID>", b"\0", b"]]>",
        b"<!--", b"<?x", b"<![CDATA[", b"'", b"=", b"\xff", b"</GANGLIA_XML>", b"<A>", b"",
        ]  # fmt: skip
changes = st.lists(
    st.tuples(st.integers(3000, len(SMALL)), st.integers(0, 30), st.sampled_from(BITS)), max_size=6
)


@given(changes, st.integers(1, 5000))
def test_broken_xml_never_breaks_the_reader(made: list[tuple[int, int, bytes]], piece: int) -> None:
    data = SMALL
    for at, gone, new in made:
        data = data[:at] + new + data[at + gone :]
    translator = Translator("x", 0.0, METRICS, 60.0)
    reader = Reader(Limits(mended=20))
    with suppress(XmlError):
        for at in range(0, len(data), piece):
            for one in reader.feed(data[at : at + piece]):
                translator.news(one)
        for one in reader.close():
            translator.news(one)


@given(st.text(st.characters(codec="iso-8859-1", exclude_characters='"\r\n\t'), max_size=30))
def test_any_text_passed_on_unescaped_blinds_nobody(text: str) -> None:
    """As gmetad does. What the text pretends to be cannot be told from what is real."""
    data = SMALL.replace(b'VAL="x86_64"', b'VAL="%s"' % text.encode("iso-8859-1"))
    found = hosts(read(data)[0])
    assert found.keys() == hosts(read(SMALL)[0]).keys()
    assert found["node3"]["load_one"] == hosts(read(SMALL)[0])["node3"]["load_one"]
