from __future__ import annotations

import pytest

from clsh.monitor.catalogue import METRICS
from clsh.monitor.ganglia import units
from clsh.monitor.ganglia.news import Translator
from clsh.monitor.model import News, Report, Sample, Silent, Sum
from tests.support.ganglia import FILES, hosts, read, recorded

AT = 1_795_246_940.0


def news(data: bytes, at: float = AT) -> tuple[list[News], list[str]]:
    translator = Translator("web", at, METRICS, 60.0)
    reads, _ = read(data)
    return [one for one in map(translator.news, reads) if one], translator.troubles


def host(inside: str = "", name: str = "n1", cluster: str = "c", more: str = "") -> bytes:
    return (
        f'<GANGLIA_XML><CLUSTER NAME="{cluster}"><HOST NAME="{name}" TN="3" {more}>{inside}</HOST>'
        "</CLUSTER></GANGLIA_XML>"
    ).encode()


def sample(data: bytes) -> Sample:
    (one,), _ = news(data)
    assert isinstance(one, Sample)
    return one


@pytest.mark.parametrize("name", FILES)
def test_values_are_those_of_the_xml(name: str) -> None:
    data = recorded(name)
    said = hosts(read(data)[0])
    heard, troubles = news(data, at=1_795_247_285.0)
    assert [text for text in troubles if "old" not in text] == []
    for one in heard:
        if not isinstance(one, Sample):
            continue
        assert set(one.values) == {*said[one.node]} | (
            {"disk_free_percent"} if "part_max_used" in one.values else set()
        )
        for metric, text in said[one.node].items():
            value = one.values[metric]
            if metric.startswith(("mem_", "swap_")):
                assert value == float(text) * 1024
            elif metric in {"disk_total", "disk_free"}:
                assert value == float(text) * 1e9
            else:
                assert value == (text if isinstance(value, str) else float(text))


def test_a_host() -> None:
    heard, _ = news(recorded("gmond-8649-multicast.xml"))
    node2 = next(one for one in heard if isinstance(one, Sample) and one.node == "node2")
    assert (node2.cluster, node2.at, node2.address) == ("alpha", AT, "10.91.0.2")
    assert (node2.age_s, node2.tmax_s, node2.dmax_s) == (13.0, 20.0, 0.0)
    assert (node2.ages["job_temp"], node2.ages["load_one"]) == (20.0, 53.0)
    assert node2.values["mem_total"] == 24_684_096 * 1024
    assert node2.values["machine_type"] == "x86_64"
    job = node2.metrics["job_temp"]
    assert (job.type, job.units, job.tmax_s, job.dmax_s) == ("float", "C", 60, 120)
    assert (job.title, job.group, job.description) == ("Job Temp", "hardware", "Board temperature")
    assert (node2.metrics["mem_shared"].units, "load_one" in node2.metrics) == ("bytes", False)


def test_hosts_that_define_a_metric_alike_share_it() -> None:
    heard, _ = news(recorded("gmond-8649-multicast.xml"))
    defined = {
        id(one.metrics["cpu_speed"])
        for one in heard
        if isinstance(one, Sample) and "cpu_speed" in one.metrics
    }
    assert len(defined) == 1


def test_a_host_that_is_down() -> None:
    heard, _ = news(host(more='TMAX="20"').replace(b'TN="3"', b'TN="80"'))
    assert heard == [Silent("c", "n1", AT, "nothing heard for 80 s")]


@pytest.mark.parametrize(
    ("name", "cluster"),
    [("-oProxyCommand=x", "c"), ("", "c"), ("a b", "c"), ("n1", "a/b"), ("n1", "&#9;")],
)
def test_bad_names_cost_only_their_host(name: str, cluster: str) -> None:
    bad = host(name=name, cluster=cluster)
    heard, troubles = news(bad.replace(b"</GANGLIA_XML>", host(name="ok").partition(b">")[2]))
    assert [one.node for one in heard if isinstance(one, Sample)] == ["ok"]
    assert "bad name" in troubles[0]


def test_a_host_without_cluster_is_in_one_named_as_the_source() -> None:
    assert sample(b'<GANGLIA_XML><HOST NAME="h"/></GANGLIA_XML>').cluster == "web"


@pytest.mark.parametrize(
    "metric",
    [
        '<METRIC NAME="m" VAL="fast" TYPE="float"/>',
        '<METRIC NAME="m" VAL="nan" TYPE="float"/>',
        '<METRIC NAME="m" VAL="1e999" TYPE="double"/>',
        '<METRIC NAME="a/b" VAL="1" TYPE="float"/>',
        '<METRIC NAME="m" TYPE="float"/>',
        '<METRIC VAL="1"/>',
    ],
)
def test_bad_metrics_are_left_out(metric: str) -> None:
    good = '<METRIC NAME="ok" VAL="1" TYPE="int8" TMAX="x" DMAX="-4" SLOPE="up"/>'
    heard, troubles = news(host(metric + good))
    (one,) = heard
    assert isinstance(one, Sample)
    assert one.values == {"ok": 1.0}
    assert (one.metrics["ok"].tmax_s, one.metrics["ok"].dmax_s) == (60, 0)
    assert one.metrics["ok"].slope == "both"
    assert len(troubles) == 1
    assert "c n1" in troubles[0]


def test_hostile_numbers_of_time() -> None:
    one = sample(host(more='TMAX="0" DMAX="1e300"').replace(b'"3"', b'"-5"'))
    assert (one.age_s, one.tmax_s, one.dmax_s) == (0.0, 1.0, 1e9)


def test_a_grid_that_others_watch() -> None:
    heard, troubles = news(recorded("gmetad-top-8661-all.xml"), at=1_795_247_285.0)
    report = next(one for one in heard if isinstance(one, Report))
    assert (report.name, report.up, report.down) == ("KAIST", 3, 1)
    assert report.authority == "http://head/ganglia/"
    assert report.sums["load_one"] == Sum(2.55, 3)
    assert report.sums["mem_free"] == Sum(63_193_320 * 1024, 3)
    assert report.metrics["cpu_speed"].units == "MHz"
    assert troubles == []


def test_summaries_of_clusters_are_reports_and_the_whole_is_not_told_twice() -> None:
    heard, _ = news(recorded("gmetad-8652-summary.xml"), at=1_795_246_975.0)
    assert [(type(one), one.name) for one in heard if isinstance(one, Report)] == [
        (Report, "alpha")
    ]


def test_bad_summaries_are_left_out() -> None:
    grid = (
        '<GANGLIA_XML><GRID NAME="{}"><HOSTS UP="1" DOWN="x"/><METRICS NAME="m" SUM="no"/>'
        '<METRICS NAME="ok" SUM="1" NUM="-1"/></GRID></GANGLIA_XML>'
    )
    heard, troubles = news(grid.format("g").encode())
    assert [(one.name, one.down, one.sums) for one in heard if isinstance(one, Report)] == [
        ("g", 0, {"ok": Sum(1.0, 0)})
    ]
    assert troubles == ["g: the summary of 'm' was left out"]
    assert news(grid.format("a/b").encode()) == (
        [], ["a grid with the bad name 'a/b' was left out"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outer", "inner", "says"),
    [
        (AT - 30, AT - 60, []),
        (AT - 1000, AT - 1010, ["grid 'g' is 1000 s old, or its clock is behind"]),
        (AT, AT - 500, ["cluster 'c' was last read 500 s ago: its source died"]),
        (AT, 0, ["cluster 'c' was never read"]),
    ],
)
def test_what_is_stale(outer: float, inner: float, says: list[str]) -> None:
    data = (
        f'<GANGLIA_XML><GRID NAME="g" LOCALTIME="{outer:.0f}"><CLUSTER NAME="c" '
        f'LOCALTIME="{inner:.0f}"><HOST NAME="h"/></CLUSTER></GRID></GANGLIA_XML>'
    )
    assert news(data.encode())[1] == says


@pytest.mark.parametrize(
    ("name", "told", "factor"),
    [
        ("mem_free", "KB", 1024),
        ("swap_total", " kB ", 1024),
        ("mem_x", "MiB", 1024**2),
        ("mem_x", "bytes", 1),
        ("mem_x", "B", 1),
        ("mem_x", "%", None),
        ("mem_x", "", None),
        ("disk_free", "GB", 1e9),
        ("disk_read", "KB", None),
    ],
)
def test_units(name: str, told: str, factor: float | None) -> None:
    assert units.factor(name, told) == factor
