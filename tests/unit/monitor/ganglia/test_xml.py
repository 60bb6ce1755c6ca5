from __future__ import annotations

import pytest

from clsh.monitor.ganglia.content import HostRead, Limits, Place, RefusedError, XmlError
from clsh.monitor.ganglia.xml import Reader
from tests.support.ganglia import FILES, hosts, plainly, read, recorded

GMETAD = "gmetad-8651-all.xml"


def wrapped(inside: str) -> bytes:
    return f'<GANGLIA_XML><CLUSTER NAME="c">{inside}</CLUSTER></GANGLIA_XML>'.encode()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("piece", [1 << 20, 1000, 17])
def test_recorded_files_are_read_as_they_are(name: str, piece: int) -> None:
    data = recorded(name)
    reads, troubles = read(data, piece)
    assert hosts(reads) == plainly(data)
    assert troubles == []


def test_places_know_what_is_in_them() -> None:
    reads, _ = read(recorded("gmetad-top-8661-all.xml"))
    nested, solo, top = (one for one in reads if isinstance(one, Place))
    assert (nested.kind, nested.name, nested.hosts) == (
        "GRID", "KAIST", {"UP": "3", "DOWN": "1", "SOURCE": "gmetad"},
    )  # fmt: skip
    assert nested.outer is top
    assert len(nested.sums) == 28
    assert (solo.kind, solo.inner, top.inner) == ("CLUSTER", 1, 2)


def test_order_of_attributes_and_elements_does_not_matter() -> None:
    reads, troubles = read(
        b'<GANGLIA_XML><GRID NAME="g"><METRICS NUM="2" NAME="m" SUM="1"/><CLUSTER NAME="c">'
        b'<HOST IP="1" NAME="h"><METRIC VAL="1" NAME="m"><EXTRA_DATA>'
        b'<EXTRA_ELEMENT VAL="t" NAME="title"/></EXTRA_DATA></METRIC></HOST></CLUSTER>'
        b'<HOSTS DOWN="0" UP="1"/></GRID></GANGLIA_XML>'
    )
    host, cluster, grid = reads
    assert isinstance(host, HostRead)
    assert (host.place, host.metrics[0].extra) == (cluster, {"TITLE": "t"})
    assert isinstance(grid, Place)
    assert (grid.hosts, len(grid.sums)) == ({"DOWN": "0", "UP": "1"}, 1)
    assert troubles == []


def test_hosts_may_stand_in_no_cluster() -> None:
    reads, _ = read(b'<GANGLIA_XML><HOST NAME="h"><METRIC NAME="m" VAL="1"/></HOST></GANGLIA_XML>')
    assert hosts(reads) == {"h": {"m": "1"}}


def test_latin_1_is_read_as_declared() -> None:
    begin = b'<?xml version="1.0" encoding="ISO-8859-1"?>'
    inside = wrapped('<HOST NAME="h"><METRIC NAME="m" VAL="@"/></HOST>')
    reads, _ = read(begin + inside.replace(b"@", b"\xe9"))
    assert hosts(reads) == {"h": {"m": "é"}}


def test_what_means_nothing_is_passed_over() -> None:
    inside = (
        "<EXTRA_ELEMENT/><METRIC NAME='x'/><NEW><DEEP/></NEW><!-- no --><HOST NAME='h'/></GRID>"
        "<HOSTS/><METRICS/><HOST NAME='i'></HOST>"
    ).replace("</GRID>", "")
    reads, troubles = read(wrapped(inside))
    assert list(hosts(reads)) == ["h", "i"]
    assert troubles == []
    assert read(b"<GANGLIA_XML><HOSTS/><METRICS/></GANGLIA_XML>") == ([], [])


@pytest.mark.parametrize("piece", [1 << 20, 700, 13])
def test_unescaped_characters_are_mended(piece: int) -> None:
    """As gmetad 3.7.2 passes a string metric on."""
    good = recorded(GMETAD)
    broken = good.replace(b'VAL="x86_64"', b'VAL="a<b>&c &amp; "d" \x02"')
    reads, troubles = read(broken, piece)
    expected = plainly(good)
    for values in expected.values():
        if "machine_type" in values:
            values["machine_type"] = 'a<b>&c & "d" ?'
    assert hosts(reads) == expected
    assert len(troubles) == 5
    assert "cluster 'alpha', host 'node2': METRIC 'machine_type'" in troubles[0]


@pytest.mark.parametrize("back", range(1, 50, 6))
def test_a_broken_tag_between_two_pieces_is_mended(back: int) -> None:
    """The reader parses 16 KB at a time."""
    begin = b'<GANGLIA_XML><CLUSTER NAME="c"><HOST NAME="h">'
    tag = b'<METRIC NAME="m" VAL="a<b" TYPE="string" UNITS=""/>'
    data = begin + b" " * ((16 << 10) - len(begin) - back) + tag + b"</HOST></CLUSTER>"
    reads, troubles = read(data + b"</GANGLIA_XML>")
    assert hosts(reads) == {"h": {"m": "a<b"}}
    assert len(troubles) == 1


def test_what_cannot_be_mended_is_left_out() -> None:
    inside = '<HOST NAME="h"><METRIC NAME="m" VAL="@"/></HOST><HOST NAME="i"/>'
    data = b'<?xml version="1.0" encoding="UTF-8"?>' + wrapped(inside).replace(b"@", b"\xff")
    reads, troubles = read(data)
    assert hosts(reads) == {"h": {}, "i": {}}
    assert "cluster 'c', host 'h': broken XML was left out" in troubles


def test_references_to_controls_are_text() -> None:
    reads, troubles = read(wrapped('<HOST NAME="h"><METRIC NAME="m" VAL="&#27;[2J"/></HOST>'))
    assert hosts(reads) == {"h": {"m": "&#27;[2J"}}
    assert len(troubles) == 1


def test_host_names_may_be_mended_too() -> None:
    reads, troubles = read(wrapped('<HOST NAME="a<b" IP="1"/><HOST NAME="c"/>'))
    assert list(hosts(reads)) == ["a<b", "c"]
    assert troubles == ["cluster 'c': HOST 'a<b' has unescaped characters"]


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        (b"</METRIC>", b"", {}),  # in the first host: everything before it is there
        (b'<METRIC NAME="load_five"', b'<METRIC =NAME="load_five"', {"node2": 37}),
        (b"</HOST>", b"", {}),
        (b"<EXTRA_DATA>", b"<EXTRA_DATA>\x01 & <1>", {"node2": 37}),
        (b"<EXTRA_DATA>", b"<EXTRA-DATA =", {"node2": 37}),
    ],
)
@pytest.mark.parametrize("piece", [1 << 20, 11])
def test_a_broken_host_costs_only_its_own_rest(
    old: bytes, new: bytes, lost: dict[str, int], piece: int
) -> None:
    good = recorded(GMETAD)
    reads, troubles = read(good.replace(old, new, 1), piece)
    expected = plainly(good)
    found = hosts(reads)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if name != "node2":
            assert found[name] == values
    assert len(expected["node2"]) - len(found["node2"]) <= lost.get("node2", 0)
    assert troubles
    assert "alpha" in troubles[0]


def test_broken_text_is_passed_over() -> None:
    good = recorded(GMETAD)
    reads, troubles = read(good.replace(b"</EXTRA_DATA>", b"& </EXTRA_DATA>"))
    assert hosts(reads) == plainly(good)
    assert "text that is no XML" in troubles[0]


def test_a_cut_answer_gives_what_has_come() -> None:
    good = recorded(GMETAD)
    for end in (20_000, good.rindex(b"</CLUSTER>"), good.index(b' VAL="0.75"') + 7):
        reads, troubles = read(good[:end])
        whole = plainly(good)
        for name, values in hosts(reads).items():
            assert values.items() <= whole[name].items()
        assert troubles == ["the XML ends in the middle"]
    assert [one for one in reads if isinstance(one, Place)]


def test_what_follows_the_end_is_told() -> None:
    reads, troubles = read(wrapped("<HOST NAME='h'/>") + b"<HOST NAME='i'/> & more")
    assert list(hosts(reads)) == ["h"]
    assert troubles == ["broken XML was left out", "the XML ends in the middle"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the answer is nothing"),
        (b"   ", "no XML of Ganglia"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no XML of Ganglia"),
        (b"<html><body></body></html>", "begins with 'html'"),
        (b'<?xml version="1.0" encoding="EBCDIC"?><GANGLIA_XML/>', "encoding 'ebcdic'"),
        (b'<!DOCTYPE X [<!ENTITY a "b">]><GANGLIA_XML/>', "an entity is declared"),
        (b'<!DOCTYPE X [<!ENTITY % a SYSTEM "file:///etc/passwd">]><GANGLIA_XML/>', "entity"),
    ],
)
def test_what_is_not_ganglia_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(XmlError, match=says):
        read(data)


def test_nothing_is_fetched() -> None:
    reads, _ = read(b'<!DOCTYPE GANGLIA_XML SYSTEM "http://127.0.0.1:1/x.dtd"><GANGLIA_XML/>')
    assert reads == []


LIMITS = Limits(
    size=50_000, token=2000, junk=20_000, places=3, hosts=3, metrics=3, extras=3, mended=2
)


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("<A>" * 11, "12 deep"),
        ("<CLUSTER NAME='x'/>" * 3, "3 clusters"),
        ("<HOST/>" * 4, "3 hosts"),
        (f"<HOST>{'<METRIC/>' * 4}", "3 metrics"),
        ("<METRICS/>" * 4, "3 metrics"),
        ("<HOST><METRIC>" + "<EXTRA_ELEMENT NAME='x'/>" * 4, "3 EXTRA_ELEMENT"),
        ("<HOST>" + '<METRIC NAME="&"/>' * 3, "2 broken tags"),
        (f"<HOST NAME='{'x' * 40_000}'/>", "a tag longer"),
        (f'<HOST NAME="<{"x" * 40_000}"/>', "a tag longer"),
        (f"<!--{'x' * 40_000}-->", "a tag longer"),
        (" " * 40_000, "19 KB without"),
        ("<X/>" * 10_000, "19 KB without"),
        ("<HOSTS/>" * 5_000, "19 KB without"),
        ("</X>" * 10_000, "19 KB without"),
        (" " * 60_000, "more than 0 MB"),
    ],
)
def test_limits(inside: str, says: str) -> None:
    def all_of_it() -> None:
        reader = Reader(LIMITS)
        reader.feed(wrapped(inside))
        reader.close()

    with pytest.raises(RefusedError, match=says):
        all_of_it()


def test_a_broken_end_is_waited_for_only_so_long() -> None:
    reader = Reader(LIMITS)
    reader.feed(b'<GANGLIA_XML><HOST NAME="<' + b"x" * 1000)

    def on_and_on() -> None:
        for _ in range(40):
            reader.feed(b"x" * 1000)

    with pytest.raises(RefusedError, match="a tag longer"):
        on_and_on()
