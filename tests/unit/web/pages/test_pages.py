"""Every page as HTML: what it says first, its links, its words in three languages, its parts."""

from __future__ import annotations

import re

import pytest

from clsh.monitor.alerts import Alert
from clsh.monitor.model import Health, Report, Sample, Silent, Sum
from clsh.monitor.processes import Process
from clsh.monitor.settings import Rule, Settings
from tests.support.asking import browser, html, parts, pictured
from tests.support.pictured import names

EVERY = (
    "/", "/c/demo", "/c/demo/node1", "/c/demo/node3", "/m/demo/load_one", "/m/demo/mem_free",
    "/processes", "/alerts", "/compare", "/compare?node=demo/node1,node2&metric=cpu_idle",
    "/c/none", "/c/demo/nod1",
)  # fmt: skip


def an_alert(node: str, *, rule: str = "silent", metric: str = "", text: str = "no word") -> Alert:
    silent = rule == "silent"
    value = None if silent else 94.0
    return Alert(rule, "demo", node, metric, value, 1e9, "critical" if silent else "warning", text)


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("language", ["en", "ko", "zh"])
async def test_every_page_is_whole_in_every_language(path: str, language: str) -> None:
    monitor = pictured(lost=["node3"])
    got = await browser(monitor).ask(path, accept_language=language)
    page = html(got)
    assert got.status == (404 if path in {"/c/none", "/c/demo/nod1"} else 200)
    assert {"en": 'lang="en"', "ko": 'lang="ko"', "zh": 'lang="zh-CN"'}[language] in got.text[:60]
    shown = {"en": "Processes", "ko": "프로세스", "zh": "进程"}
    assert shown[language] in page.text
    assert [w for w in shown.values() if w in page.text] == [shown[language]]
    assert not re.search(r"\{\w+\}", page.text)
    ids = [given["id"] for given in page.having("id")]
    assert len(ids) == len(set(ids))


async def test_the_grid_begins_with_the_answer() -> None:
    monitor = pictured({"can1_4": names(4), "can5": ["x"]}, lost=["can3"])
    got = html(await browser(monitor).ask("/"))
    assert "2 clusters, 5 nodes: 4 up, 1 lost. Load" in got.text
    assert got.text.index("1 lost") < got.text.index("Network in, out") < got.text.index("can1_4")
    assert "of memory in use." in got.text
    assert "/c/can1_4/can1" in got.links()


async def test_a_grid_without_nodes_says_what_to_do() -> None:
    monitor = pictured()
    monitor.grid.clusters.clear()
    assert "Name nodes in the inventory" in html(await browser(monitor).ask("/")).text


async def test_what_is_wrong_stands_above_the_charts_folded() -> None:
    monitor = pictured({"demo": names(12, "n")})
    monitor.alerts.now = [an_alert(f"n{place}") for place in (1, 2, 3, 7)]
    monitor.alerts.now.append(an_alert("n9", rule="disk", metric="disk", text="disk 94 % full"))
    monitor.grid.hear(Health("gmond web", monitor.clock.unix(), ok=False, reason="refused"))
    monitor.trouble = "the disk is full"
    page = html(await browser(monitor).ask("/"))
    for text in (
        "demo / n[1-3,7]: 4 nodes are silent",
        "demo / n9: disk 94 % full",
        "gmond web: refused",
        "The store: the disk is full",
    ):
        assert text in page.text
    assert page.text.index("silent") < page.text.index("disk 94 %") < page.text.index("MB/s")
    assert "/c/demo?state=lost" in page.links()
    assert "3 alerts." in html(await browser(monitor).ask("/alerts")).text


async def test_many_alerts_are_cut_and_the_rest_is_a_link() -> None:
    monitor = pictured({"demo": names(20, "n")})
    monitor.alerts.now = [
        an_alert(f"n{place}", rule="disk", metric="disk") for place in range(1, 13)
    ]
    page = html(await browser(monitor).ask("/"))
    assert "4 more" in page.text
    assert "/alerts" in page.links()
    everything = html(await browser(monitor).ask("/alerts")).text
    assert everything.count("no word") == 12


async def test_a_grid_that_others_watch_is_a_line_and_no_script_is_a_link() -> None:
    monitor = pictured()
    now = monitor.clock.unix()
    sums = {"load_one": Sum(12.0, 3)}
    monitor.grid.hear(Report("far", now, 3, 1, sums, authority="http://far.example/ganglia/"))
    monitor.grid.hear(Report("evil", now, 3, 0, sums, authority="javascript:alert(1)"))
    page = html(await browser(monitor).ask("/"))
    assert "http://far.example/ganglia/" in page.links()
    assert not [link for link in page.links() if link.startswith("javascript")]
    assert "evil" in page.text


async def test_a_lost_node_is_dated_and_says_why() -> None:
    monitor = pictured(lost=["node3"])
    page = html(await browser(monitor).ask("/c/demo"))
    assert "connection lost: no answer to keep-alive for 6 s" in page.text
    lost = [given for given in page.having("data-key") if given.get("class") == "lost"]
    assert [given["data-key"] for given in lost] == ["node3"]
    node = html(await browser(monitor).ask("/c/demo/node3"))
    assert "Lost 0 s ago: connection lost" in node.text
    assert "The values are those of" in node.text


async def test_a_lost_node_s_silence_is_said_once() -> None:
    monitor = pictured(lost=["node3"])
    monitor.alerts.now = [an_alert("node3"), an_alert("node3", rule="disk", metric="disk_free")]
    monitor.alerts.now += [an_alert("node1", text="late")]
    assert html(await browser(monitor).ask("/c/demo/node3")).text.count("no word") == 1
    assert "late" in html(await browser(monitor).ask("/c/demo/node1")).text


@pytest.mark.parametrize(("count", "said"), [(12, True), (13, False)])
async def test_few_nodes_say_more_in_their_cells(count: int, said: bool) -> None:
    monitor = pictured({"demo": names(count, "n")}, lost=["n3"])
    monitor.grid.hear(Sample("demo", "n1", monitor.clock.unix(), {"x": 1.0}))
    page = html(await browser(monitor).ask("/"))
    assert ("n2 2.14 of 4 cores CPU 48 %, memory 29 %" in page.text) is said
    assert ("n3 lost connection lost: no answer" in page.text) is said
    assert "n1" in page.text


async def test_a_node_that_was_never_heard_says_so() -> None:
    monitor = pictured()
    monitor.grid.hear(Silent("demo", "node9", monitor.clock.unix(), "connection refused", False))
    assert "Not heard yet." in html(await browser(monitor).ask("/c/demo/node9")).text
    assert "1 not heard yet" in html(await browser(monitor).ask("/c/demo")).text


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ["node3", "node1", "node2", "node4"]),
        ("name", ["node1", "node2", "node3", "node4"]),
        ("-name", ["node4", "node3", "node2", "node1"]),
        ("load", ["node1", "node3", "node2", "node4"]),
        ("-load", ["node4", "node2", "node3", "node1"]),
        ("-cpu", ["node4", "node2", "node3", "node1"]),
        ("memory", ["node2", "node3", "node4", "node1"]),
        ("-processes", ["node4", "node3", "node2", "node1"]),
        ("in", ["node1", "node4", "node2", "node3"]),
        ("out", ["node1", "node2", "node3", "node4"]),
        ("uptime", ["node1", "node2", "node3", "node4"]),
        ("state", ["node3", "node1", "node2", "node4"]),
        ("nonsense", ["node1", "node2", "node3", "node4"]),
    ],
)
async def test_the_table_sorts_by_its_columns(sort: str, order: list[str]) -> None:
    monitor = pictured(lost=["node3"])
    page = html(await browser(monitor).ask(f"/c/demo?sort={sort}"))
    assert [given["data-key"] for given in page.having("data-key")] == order


async def test_a_node_without_the_figure_comes_last_both_ways() -> None:
    monitor = pictured()
    monitor.grid.hear(Sample("demo", "bare", monitor.clock.unix(), {"x": 1.0}))
    for sort in ("load", "-load"):
        page = html(await browser(monitor).ask(f"/c/demo?sort={sort}"))
        assert page.having("data-key")[-1]["data-key"] == "bare"


async def test_heads_turn_the_order_and_keep_range_and_filter() -> None:
    page = html(await browser(pictured()).ask("/c/demo?sort=-load&range=day&q=node&lang=ko"))
    links = page.links()
    assert "/c/demo?sort=load&q=node&range=day&lang=ko#nodes" in links
    assert "/c/demo?sort=-cpu&q=node&range=day&lang=ko#nodes" in links
    assert "/c/demo/node1?range=day&lang=ko" in links
    assert [given["aria-sort"] for given in page.having("aria-sort")] == ["descending"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("q=NODE1", ["node1"]), ("state=lost", ["node3"]), ("q=keep-alive", ["node3"]),
        ("q=10.1.0.1", ["node2"]), ("q=zzz", []), ("state=up&q=node3", []),
    ],
)  # fmt: skip
async def test_the_table_is_filtered(query: str, shown: list[str]) -> None:
    monitor = pictured(lost=["node3"])
    page = html(await browser(monitor).ask(f"/c/demo?{query}"))
    assert [given["data-key"] for given in page.having("data-key")] == shown
    if not shown:
        assert "No node matches." in page.text


async def test_a_long_table_is_cut_until_all_is_asked_for() -> None:
    monitor = pictured({"big": names(130)})
    page = html(await browser(monitor).ask("/c/big"))
    assert len(page.having("data-key")) == 100
    assert "100 of 130 nodes shown." in page.text
    assert "/c/big?rows=all#nodes" in page.links()
    assert len(html(await browser(monitor).ask("/c/big?rows=all")).having("data-key")) == 130


async def test_few_nodes_are_named_cells_and_many_are_bytes() -> None:
    monitor = pictured({"few": names(64, "a"), "many": names(65, "b")}, lost=["a2", "b2"])
    got = await browser(monitor).ask("/")
    page = html(got)
    (many,) = page.having("data-bytes")
    assert many["data-heat"] == "many"
    assert many["data-steps"] == "25,50,75,100"
    assert [given.get("class") for given in page.having("href")].count("lost") == 2
    news = parts(await browser(monitor).ask("/?as=parts"))
    assert list(news["heat"]) == ["many"]
    assert "a2" in news["html"]["cells-0"]
    assert "cells-1" not in news["html"]


async def test_the_cells_of_a_cluster_follow_the_metric() -> None:
    page = html(await browser(pictured()).ask("/c/demo?metric=disk_free_percent"))
    assert "80 - 100 %" in page.text
    assert "44 %" in page.text
    page = html(await browser(pictured()).ask("/c/demo?metric=mem_free"))
    assert "no value yet" in page.text
    assert "load under 25 %" not in page.text


async def test_a_node_has_a_chart_for_each_number_and_a_line_for_all_else() -> None:
    monitor = pictured()
    now = monitor.clock.unix()
    monitor.feed(queue_length=7.0, role="login\x1b[2J<b>", gpu0_util=40.0)
    page = html(await browser(monitor).ask("/c/demo/node1"))
    keys = [given["data-chart"] for given in page.having("data-chart")]
    assert keys[:4] == ["load", "cpu", "memory", "network"]
    wanted = (
        "cpu_idle cpu_system cpu_user cpu_nice cpu_wio load_one load_five load_fifteen mem_free "
        "mem_buffers mem_cached swap_free pkts_in pkts_out bytes_in bytes_out proc_total "
        "proc_run disk_free disk_total disk_read disk_write queue_length gpu0_util"
    )
    assert {f"m:{name}" for name in wanted.split()} <= set(keys)
    assert keys.index("m:load_one") < keys.index("m:load_five") < keys.index("m:cpu_user")
    assert keys[-1] == "m:queue_length"
    for text in ("boottime", "mem_total", "6.1.0-18-amd64", r"login\x1b[2J<b>", "Up for 8 days"):
        assert text in page.text
    assert "m:mem_total" not in keys
    assert now


async def test_the_charts_of_a_page_are_read_in_one_question() -> None:
    monitor = pictured()
    await browser(monitor).ask("/c/demo/node1?range=day")
    assert len(monitor.asked) == 1


async def test_a_long_range_has_the_band_and_an_hour_has_not() -> None:
    monitor = pictured()
    for name, banded in (("hour", False), ("day", True), ("year", True)):
        got = await browser(monitor).ask(f"/?range={name}")
        assert ('<path class="b ' in got.text) is banded
        curves = parts(await browser(monitor).ask(f"/?range={name}&as=data"))["charts"]["load"]
        assert len(curves["curves"][0]) == (3 if banded else 1)


async def test_every_chart_has_three_ticks_and_capacity_where_there_is_one() -> None:
    got = await browser(pictured()).ask("/")
    charts = re.findall(r'<svg viewBox="0 0 340 96".*?</svg>', got.text)
    assert len(charts) == 4
    assert [chart.count('class="g"') for chart in charts] == [3] * 4
    assert ["m" in re.findall(r'class="(\w)"', chart) for chart in charts] == [
        True, False, True, False,
    ]  # fmt: skip
    assert "of 16 cores" in got.text


async def test_the_news_of_charts_is_only_what_came_since() -> None:
    monitor = pictured()
    whole = parts(await browser(monitor).ask("/?as=data"))
    count = len(whole["charts"]["load"]["curves"][0][0])
    since = whole["end"] - 60
    news = parts(await browser(monitor).ask(f"/?as=parts&since={since}"))["charts"]["load"]
    assert len(news["curves"][0][0]) <= 6 < count
    assert abs(news["start"] - since) <= 15
    assert "units" not in news
    assert whole["charts"]["load"]["units"] == ""
    for wrong in ("nan", "x", "-1", "1e300"):
        got = await browser(monitor).ask(f"/?as=parts&since={wrong}")
        assert got.status == 200


async def test_sparklines_are_sent_anew_when_asked_for() -> None:
    monitor = pictured()
    app = browser(monitor)
    assert "spark-0" not in parts(await app.ask("/?as=parts"))["html"]
    assert "<svg" in parts(await app.ask("/?as=parts&sparks=1"))["html"]["spark-0"]


async def test_the_parts_of_a_page_are_those_that_stand_in_it() -> None:
    monitor = pictured(lost=["node3"])
    monitor.told = [Process("node1", 1, 0, "root", "S", 0.5, 1 << 20, 1, 1e9, "init")]
    for path in ("/", "/c/demo", "/c/demo/node1", "/m/demo/load_one", "/processes", "/alerts"):
        app = browser(monitor)
        got = await app.ask(path)
        for name, text in parts(await app.ask(f"{path}?as=parts"))["html"].items():
            assert f'id="{name}"' in got.text
            if name not in {"say", "table", "alerts"}:  # these tell how long ago
                assert text.strip() in got.text


async def test_one_metric_across_all_nodes_has_one_scale() -> None:
    monitor = pictured({"demo": names(60, "n")}, lost=["n2"])
    page = html(await browser(monitor).ask("/m/demo/load_one"))
    assert "Told by 59 of 60 nodes. Lowest" in page.text
    keys = [given["data-chart"] for given in page.having("data-chart")]
    assert keys[0] == "mean"
    assert len(keys) == 49
    every = html(await browser(monitor).ask("/m/demo/load_one?rows=all&sort=name&q=n1"))
    shown = [given["data-chart"] for given in every.having("data-chart")][1:]
    assert shown == ["n:n1", *(f"n:n{place}" for place in range(10, 20))]
    data = parts(await browser(monitor).ask("/m/demo/load_one?as=data"))["charts"]
    assert len({data[key]["top"] for key in keys[1:]}) == 1
    low = html(await browser(monitor).ask("/m/demo/load_one?sort=low"))
    assert low.having("data-chart")[1]["data-chart"] != keys[1]
    assert "Told by 0" in html(await browser(monitor).ask("/m/demo/nothing")).text


async def test_nodes_are_compared_in_one_chart_a_metric() -> None:
    monitor = pictured({"demo": names(12, "n"), "other": ["far"]})
    path = "/compare?node=demo/n1,far&node=n3&node=nobody&metric=load_one&metric=cpu_idle"
    page = html(await browser(monitor).ask(path))
    assert [given["data-chart"] for given in page.having("data-chart")] == [
        "m:load_one", "m:cpu_idle",
    ]  # fmt: skip
    assert "3 nodes: n1 far n3" in page.text
    assert "There is no node nobody." in page.text
    assert page.having("aria-invalid")
    field = [given for given in page.having("name") if given["name"] == "node"][-1]
    assert field["value"] == "demo/n1, other/far, demo/n3"
    many = html(await browser(monitor).ask("/compare?node=" + ",".join(names(12, "n"))))
    assert "Only the first 8 are shown." in many.text
    empty = html(await browser(monitor).ask("/compare"))
    assert "such as demo/n1, demo/n2" in empty.text
    assert not empty.having("data-chart")


def processes() -> list[Process | Silent]:
    return [
        Process("node1", 12, 1, "alice", "R", 90.0, 3 << 20, 2, 1e9, "python3 job.py --x"),
        Process("node2", 99, 1, "bob", "S", 0.25, 9 << 30, 1, 1e9, "sleep\x1b]0;evil\x07 <b>"),
        Silent("demo", "node3", 1e9, "connection lost"),
    ]


@pytest.mark.parametrize(
    ("query", "pids"),
    [
        ("", ["12", "99"]), ("sort=cpu", ["99", "12"]), ("sort=-rss", ["99", "12"]),
        ("sort=user", ["12", "99"]), ("sort=-command", ["99", "12"]), ("user=bob", ["99"]),
        ("q=JOB", ["12"]), ("node=node2&cluster=demo", ["99"]), ("cluster=none", []),
        ("user=ali", []),
    ],
)  # fmt: skip
async def test_processes_are_filtered_and_sorted(query: str, pids: list[str]) -> None:
    monitor = pictured()
    monitor.told = processes()
    page = html(await browser(monitor).ask(f"/processes?{query}"))
    assert [word for word in page.words if word in {"12", "99"}] == pids


async def test_processes_say_who_did_not_answer_and_show_no_escapes() -> None:
    monitor = pictured()
    monitor.told = processes()
    page = html(await browser(monitor).ask("/processes"))
    assert "2 processes on 2 nodes. 1 node did not answer: node3 connection lost" in page.text
    assert "\x1b" not in page.text
    assert r"sleep\x1b]0;evil\x07 <b>" in page.text
    assert "/c/demo/node1" in page.links()


async def test_many_nodes_are_not_asked_for_all_their_processes_at_once() -> None:
    monitor = pictured({"big": names(65)})
    monitor.told = processes()
    page = html(await browser(monitor).ask("/processes"))
    assert "There are many nodes" in page.text
    assert "alice" not in page.text
    assert "alice" in html(await browser(monitor).ask("/processes?user=alice")).text


async def test_rules_are_said_in_words() -> None:
    monitor = pictured()
    rules = (
        Rule("disk", "disk_free_percent", "below", 10.0, 1800.0, "can*"),
        Rule("role", "role", "equal", "login"),
    )
    monitor.settings = Settings(alerts=rules)
    page = html(await browser(monitor).ask("/alerts"))
    assert "disk_free_percent < 10 for 30 min" in page.text
    assert "role = login" in page.text
    assert "Nothing is wrong" in page.text


async def test_what_is_not_there_names_what_is() -> None:
    app = browser(pictured())
    got = await app.ask("/c/demo/nod1")
    assert got.status == 404
    assert "There is no node nod1 in demo." in html(got).text
    assert "/c/demo/node1" in html(got).links()
    assert "/c/demo" in html(await app.ask("/c/dema")).links()
    assert (await app.ask("/m/none/load_one")).status == 404


async def test_a_page_is_made_once_for_a_version_range_and_language() -> None:
    monitor = pictured()
    app = browser(monitor)
    first = await app.ask("/")
    assert (await app.ask("/")).body == first.body
    assert len(monitor.asked) == 1
    tag = first.headers["etag"]
    assert (await app.ask("/", if_none_match=tag)).status == 304
    await app.ask("/?range=day")
    await app.ask("/", accept_language="ko")
    assert len(monitor.asked) == 3


async def test_an_address_that_is_too_long_is_refused() -> None:
    assert (await browser(pictured()).ask("/?q=" + "x" * 5000)).status == 414


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"


async def test_hostile_texts_stay_texts_on_every_page() -> None:
    monitor = pictured()
    now = monitor.clock.unix()
    monitor.feed(os_name=HOSTILE, os_release=HOSTILE, note=HOSTILE)
    monitor.grid.hear(Silent("demo", "node2", now, HOSTILE))
    monitor.grid.hear(Health(HOSTILE, now, ok=False, reason=HOSTILE))
    monitor.alerts.now = [an_alert("node1", rule=HOSTILE, metric=HOSTILE, text=HOSTILE)]
    monitor.told = [Process("node1", 1, 0, HOSTILE, HOSTILE, 1.0, 1, 1, 1e9, HOSTILE)]
    monitor.trouble = HOSTILE
    app = browser(monitor)
    for path in EVERY:
        for query in ("", f"?q={HOSTILE}&metric={HOSTILE}&user={HOSTILE}&node={HOSTILE}"):
            got = await app.ask(path.partition("?")[0] + query)
            page = html(got)  # which also refuses event handlers and texts in scripts
            assert "<script>alert" not in got.text
            assert not [tag for tag, _ in page.elements if tag == "img"]
            assert "49" not in [word.strip() for word in page.words]
