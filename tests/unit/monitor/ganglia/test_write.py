from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia import write
from clsh.monitor.ganglia.markup import escaped, number
from clsh.monitor.ganglia.news import Translator
from clsh.monitor.ganglia.write import Query, query
from clsh.monitor.grid import Grid
from clsh.monitor.model import Metric, Report, Sample, Silent, Sum, Value
from tests.support.ganglia import Hands, grid, hosts, plainly, read, recorded

CLOCK = Hands()


def told(node: str, values: dict[str, Value], cluster: str = "lab", **more: Metric) -> Sample:
    return Sample(cluster, node, CLOCK.at, values, more, 3.0, {}, "10.0.0.1")


def made(*more: Sample | Silent | Report) -> Grid:
    return grid(
        [
            told("n1", {"load_one": 0.5, "mem_free": 2048.0, "os_name": "Linux"}),
            told("n2", {"load_one": 1.5, "disk_total": 2.5e9, "x": 7}, x=Metric("x", "uint8", "C")),
            told("n3", {"load_one": 100.0}),
            Silent("lab", "n3", CLOCK.at, "its session died"),
            told("w1", {"load_one": 2.0}, "web"),
            *more,
        ],
        CLOCK,
        "home",
    )


def whole(of: Grid, asked: Query = write.ALL) -> ET.Element:
    data = b"".join(write.gmetad(of, "http://a/?b&c", CLOCK.at, asked))
    reads, troubles = read(data)
    assert troubles == []
    assert hosts(reads) == plainly(data)
    return ET.fromstring(data)


def attributes(element: ET.Element | None) -> dict[str, str]:
    assert element is not None
    return element.attrib


def test_a_gmetad() -> None:
    root = whole(made())
    assert root.attrib == {"VERSION": "3.7.2", "SOURCE": "gmetad"}
    assert attributes(root.find("GRID")) == {
        "NAME": "home", "AUTHORITY": "http://a/?b&c", "LOCALTIME": f"{CLOCK.at:.0f}",
    }  # fmt: skip
    assert [one.attrib["NAME"] for one in root.iter("CLUSTER")] == ["lab", "web"]
    assert [one.attrib["NAME"] for one in root.iter("HOST")] == ["n1", "n2", "n3", "w1"]
    assert attributes(root.find(".//HOST")) == {
        "NAME": "n1", "IP": "10.0.0.1", "REPORTED": f"{CLOCK.at - 3:.0f}", "TN": "3",
        "TMAX": "20", "DMAX": "0", "LOCATION": "unspecified", "GMOND_STARTED": "0", "TAGS": "",
    }  # fmt: skip
    assert attributes(root.find(".//METRIC[@NAME='mem_free']")) == {
        "NAME": "mem_free", "VAL": "2", "TYPE": "float", "UNITS": "KB", "TN": "3", "TMAX": "60",
        "DMAX": "0", "SLOPE": "both", "SOURCE": "gmond",
    }  # fmt: skip
    extra = root.findall(".//METRIC[@NAME='mem_free']//EXTRA_ELEMENT")
    assert {one.attrib["NAME"]: one.attrib["VAL"] for one in extra} == {
        "GROUP": "memory", "DESC": "Memory free", "TITLE": "Memory free",
    }  # fmt: skip
    disk = attributes(root.find(".//METRIC[@NAME='disk_total']"))
    assert (disk["VAL"], disk["UNITS"], disk["TYPE"]) == ("2.5", "GB", "double")
    ours = attributes(root.find(".//METRIC[@NAME='x']"))
    assert (ours["VAL"], ours["UNITS"], ours["TYPE"]) == ("7", "C", "uint8")
    assert attributes(root.find(".//METRIC[@NAME='os_name']"))["TYPE"] == "string"


def test_the_dtd_is_the_real_one() -> None:
    def words(data: bytes) -> list[bytes]:
        return data[: data.index(b"<GANGLIA_XML VERSION")].replace(b"|", b" | ").split()

    ours = b"".join(write.gmond(made(), CLOCK.at))
    assert words(ours) == words(recorded("gmond-8649-multicast.xml"))


def test_a_lost_node_is_down_for_every_reader() -> None:
    lost = attributes(whole(made()).find(".//HOST[@NAME='n3']"))
    assert int(lost["TN"]) >= 4 * int(lost["TMAX"])


def test_a_node_that_is_up_is_up_for_every_reader() -> None:
    clock = Hands()
    of = grid([Sample("lab", "n1", clock.at, {})], clock)
    clock.at += 80  # not lost yet: that takes more
    node = ET.fromstring(b"".join(write.gmetad(of, "", clock.at))).find(".//HOST")
    assert attributes(node)["TN"] == "79"


def test_nodes_that_were_never_heard_are_left_out_until_they_are_lost() -> None:
    clock = Hands()
    of = Grid("home", {"lab": ["n1"]}, clock, 15.0)  # type: ignore[list-item] # a NodeName
    assert hosts(read(b"".join(write.gmetad(of, "", clock.at)))[0]) == {}
    of.hear(Silent("lab", "n1", clock.at, "no route to host"))
    node = ET.fromstring(b"".join(write.gmetad(of, "", clock.at))).find(".//HOST")
    assert (attributes(node)["REPORTED"], attributes(node)["TN"]) == ("0", "80")


def test_the_summary_of_all() -> None:
    nested = Report(
        "far",
        CLOCK.at,
        3,
        1,
        {"load_one": Sum(5.0, 3), "y": Sum(1.0, 1)},
        {"y": Metric("y", "int8", "K")},
        "http://far/",
    )
    grid_ = whole(made(nested), Query(summary=True)).find("GRID")
    assert grid_ is not None
    assert attributes(grid_.find("HOSTS")) == {"UP": "6", "DOWN": "2", "SOURCE": "gmetad"}
    sums = {one.attrib["NAME"]: one.attrib for one in grid_.findall("METRICS")}
    assert sums["load_one"] == {
        "NAME": "load_one", "SUM": "9", "NUM": "6", "TYPE": "double", "UNITS": " ",
        "SLOPE": "both", "SOURCE": "gmond",
    }  # fmt: skip
    assert (sums["mem_free"]["SUM"], sums["mem_free"]["UNITS"]) == ("2", "KB")
    assert (sums["x"]["UNITS"], sums["y"]["UNITS"], sums["x"]["TYPE"]) == ("C", "K", "double")
    assert "os_name" not in sums
    assert attributes(grid_.find("CLUSTER[@NAME='lab']/HOSTS"))["UP"] == "2"
    assert attributes(grid_.find("CLUSTER[@NAME='lab']/HOSTS"))["DOWN"] == "1"
    assert grid_.find(".//HOST") is None
    inner = grid_.find("GRID")
    assert attributes(inner)["AUTHORITY"] == "http://far/"
    assert inner is not None
    assert attributes(inner.find("HOSTS")) == {"UP": "3", "DOWN": "1", "SOURCE": "gmetad"}


@pytest.mark.parametrize(
    ("line", "clusters", "nodes", "metrics"),
    [
        ("/", 2, 4, 8), ("/web", 1, 1, 1), ("/lab/n1", 1, 1, 3), ("/lab/n1/load_one", 1, 1, 1),
        ("/lab/n1/none", 1, 1, 0), ("/lab/none", 1, 0, 0), ("/none", 0, 0, 0),
        ("/lab/n1?filter=summary", 1, 1, 0), ("//%6cab/n1/load_one/more", 1, 1, 1),
        ("/lab?filter=summary", 1, 0, 0), ("/lab?filter=other&x", 1, 3, 7),
    ],
)  # fmt: skip
def test_queries(line: str, clusters: int, nodes: int, metrics: int) -> None:
    asked = query(line)
    assert asked is not None
    root = whole(made(), asked)
    counted = [len(list(root.iter(tag))) for tag in ("CLUSTER", "HOST", "METRIC")]
    assert counted == [clusters, nodes, metrics]


def test_a_grid_of_others_may_be_asked_for() -> None:
    root = whole(made(Report("far", CLOCK.at, 3, 1, {})), Query("far"))
    assert [one.attrib["NAME"] for one in root.iter("GRID")] == ["home", "far"]


@pytest.mark.parametrize("line", ["", "lab", "?filter=summary", "GET /"])
def test_what_is_no_path(line: str) -> None:
    assert query(line) is None


def test_a_gmond_shows_the_first_cluster() -> None:
    root = ET.fromstring(b"".join(write.gmond(made(), CLOCK.at)))
    assert root.attrib["SOURCE"] == "gmond"
    assert [(one.tag, one.attrib["NAME"]) for one in root] == [("CLUSTER", "lab")]
    empty = ET.fromstring(b"".join(write.gmond(Grid("g", {}, CLOCK, 15.0), CLOCK.at)))
    assert list(empty) == []


HOSTILE = "<&\">'\x00\x1b]0;x\x07\x85é한\U0001f600\ud800\ufffe\t\n]]>"


def test_everything_is_escaped() -> None:
    metric = Metric(HOSTILE[:4], "string", HOSTILE, title=HOSTILE, group=HOSTILE)
    sample = Sample(
        "a<b", "n1", CLOCK.at, {metric.name: HOSTILE}, {metric.name: metric}, address=HOSTILE
    )
    report = Report('r"', CLOCK.at, 1, 0, {HOSTILE[:4]: Sum(1, 1)}, {HOSTILE[:4]: metric}, HOSTILE)
    of = grid([sample, report], CLOCK, HOSTILE)
    root = whole(of)
    assert root.find(".//METRIC") is not None
    expected = "<&\">'??]0;x?\x85é한\U0001f600??\t\n]]>"
    assert attributes(root.find(".//METRIC"))["VAL"] == expected
    assert attributes(root.find("GRID"))["NAME"] == expected
    data = b"".join(write.gmetad(of, "", CLOCK.at))
    assert b"\xed\x95\x9c" not in data
    assert "é".encode("iso-8859-1") in data
    whole(of, Query(summary=True))


def test_numbers_and_text_where_the_other_was_expected() -> None:
    numbers: dict[str, Value] = {"os_name": 5.0, "load_one": "fast"}
    root = whole(grid([told("n1", numbers)], CLOCK))
    found = {one.attrib["NAME"]: one.attrib for one in root.iter("METRIC")}
    assert (found["os_name"]["TYPE"], found["os_name"]["VAL"]) == ("double", "5")
    assert (found["load_one"]["TYPE"], found["load_one"]["VAL"]) == ("string", "fast")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (-0.5, "-0.5"), (0.1 + 0.2, "0.3"), (1e300, "1" + "0" * 300),
        (1e-9, "0.000000001"), (1_795_246_937.0, "1795246937"), (float("nan"), None),
        (float("-inf"), None),
    ],
)  # fmt: skip
def test_numbers(value: float, text: str | None) -> None:
    assert number(value) == text


def test_escaping_leaves_plain_text_alone() -> None:
    plain = " !#$%'()*+,-./09:;=?@AZ[\\]^_`az{|}~é"
    assert escaped(plain) == plain


def test_what_was_read_is_written_again() -> None:
    """gmond's XML, through our units and back."""
    data = recorded("gmond-8649-multicast.xml")
    translator = Translator("x", CLOCK.at, METRICS, 1e9)
    heard = [one for one in map(translator.news, read(data)[0]) if one]
    ours = plainly(b"".join(write.gmond(grid(heard, CLOCK), CLOCK.at)))
    real = plainly(data)
    assert ours.keys() == real.keys()
    for node, values in real.items():
        for name, text in values.items():
            is_text = name in {"os_name", "os_release", "machine_type", "note", "gexec"}
            assert ours[node][name] == text if is_text else float(ours[node][name]) == float(text)
