from __future__ import annotations

import math
import struct
import tracemalloc

import pytest

from clsh.monitor.grid import Grid, world
from clsh.monitor.model import Health, Metric, Report, Sample, Series, Silent, Sum, Tick, Value
from clsh.nodes.model import node_name
from tests.support.clocks import NOON, Stopped

HOUR = 3600


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def grid(clock: Stopped) -> Grid:
    return Grid("grid", {"c": [node_name("n1"), node_name("n2")]}, clock, 15)


def hear(grid: Grid, node: str, cluster: str = "c", /, **values: Value) -> None:
    dmax_s = float(values.pop("dmax_s", 0))
    grid.hear(Sample(cluster, node, 0, values, dmax_s=dmax_s))


def told(tick: Tick) -> dict[Series, float]:
    pairs = zip(tick.layout.series, tick.values, strict=True)
    return {series: value for series, value in pairs if not math.isnan(value)}


def test_a_tick_has_all_series_and_the_sums_of_those_that_are_up(
    grid: Grid, clock: Stopped
) -> None:
    hear(grid, "n1", load_one=1, os_name="Linux")
    hear(grid, "n2", load_one=2, cpu_num=4)
    hear(grid, "n3", "d", load_one=4)
    grid.hear(Silent("c", "n2", 0, "gone"))
    sums = {
        ("c", "", "load_one"): 1.0, ("c", "", "load_one.num"): 1.0,
        ("c", "", "nodes.up"): 1.0, ("c", "", "nodes.lost"): 1.0,
        ("d", "", "load_one"): 4.0, ("d", "", "load_one.num"): 1.0,
        ("d", "", "nodes.up"): 1.0, ("d", "", "nodes.lost"): 0.0,
        ("", "", "load_one"): 5.0, ("", "", "load_one.num"): 2.0,
        ("", "", "nodes.up"): 2.0, ("", "", "nodes.lost"): 1.0,
    }  # fmt: skip
    nodes = {("c", "n1", "load_one"): 1.0, ("d", "n3", "load_one"): 4.0}
    assert told(grid.tick()) == {**nodes, **sums}
    assert grid.clusters["c"].sums == {"load_one": Sum(1.0, 1)}
    assert (grid.up, grid.lost, grid.new) == (2, 1, 0)
    assert grid.sums == {"load_one": Sum(5.0, 2)}


def test_each_series_is_there_once_whatever_metrics_are_called(grid: Grid) -> None:
    hear(grid, "n1", **{"a": 1, "a.num": 2, "nodes.up": 3, "nodes.lost": 4})
    series = grid.tick().layout.series
    assert len(series) == len(set(series)) == 12


def test_ticks_are_dated_in_even_steps_whatever_the_loop_was_busy_with(
    grid: Grid, clock: Stopped
) -> None:
    dates: list[float] = []
    for late in (0.1, 15.2, 14.0, 18.0, 12.6):
        clock.go(late)
        dates.append(grid.tick().at - NOON)
    assert dates == [0, 15, 30, 45, 60]


def test_the_layout_is_the_same_object_while_the_series_are(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", a=1)
    first = grid.tick().layout
    hear(grid, "n1", a=2)
    grid.hear(Silent("c", "n1", 0, "gone"))
    assert grid.tick().layout is first
    hear(grid, "n1", b=1)
    assert grid.tick().layout is not first


def test_a_gap_stays_a_gap_in_sums(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", a=1)
    grid.tick()
    grid.hear(Silent("c", "n1", 0, "gone"))
    tick = grid.tick()
    place = tick.layout.index[Series("c", "", "a")]
    assert math.isnan(tick.values[place])
    assert tick.values[place + 1] == 0


def test_nodes_that_nobody_configured_are_forgotten_after_dmax(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", dmax_s=60, a=1)
    hear(grid, "far", "other", dmax_s=60, a=1)
    hear(grid, "stays", "other", a=1)
    clock.go(100)
    grid.tick()
    assert list(grid.clusters["other"].nodes) == ["stays"]
    assert grid.clusters["other"].lost == 1
    assert grid.clusters["c"].nodes["n1"].state == "lost"
    hear(grid, "far", "other", a=1)
    assert grid.clusters["other"].nodes["far"].state == "up"


def test_a_cluster_ends_with_its_last_node_unless_it_is_configured(
    clock: Stopped,
) -> None:
    grid = Grid("grid", {"empty": []}, clock, 15)
    hear(grid, "far", "other", dmax_s=60, a=1)
    before = grid.tick().layout
    clock.go(100)
    after = grid.tick().layout
    assert list(grid.clusters) == ["empty"]
    assert {series.cluster for series in before.series} - {s.cluster for s in after.series} == {
        "other"
    }


@pytest.mark.parametrize(
    ("cluster", "node"),
    [("c", "-oProxyCommand=x"), ("c", "a/b"), ("c", ""), ("a/b", "n"), ("", "n"), ("\x1b", "n")],
)
def test_bad_names_are_refused_and_told(
    grid: Grid, clock: Stopped, cluster: str, node: str
) -> None:
    hear(grid, node, cluster, a=1)
    assert list(grid.clusters) == ["c"]
    assert list(grid.clusters["c"].nodes) == ["n1", "n2"]
    grid.tick()
    assert not grid.health["the grid"].ok
    assert "bad" in grid.health["the grid"].reason
    clock.go(601)
    grid.tick()
    assert grid.health["the grid"].ok


def test_strangers_are_bounded_in_count(
    grid: Grid, clock: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "MOST_NODES", 3)
    monkeypatch.setattr(world, "MOST_CLUSTERS", 2)
    for place in range(5):
        hear(grid, f"n{place}", "far", dmax_s=60, a=1)
    hear(grid, "n", "another", a=1)
    assert [len(one.nodes) for one in grid.clusters.values()] == [2, 3]
    grid.tick()
    assert "no room for n of another" in grid.health["the grid"].reason
    clock.go(100)
    grid.tick()
    for place in range(5):
        hear(grid, f"n{place}", "next", a=1)
    assert [len(one.nodes) for one in grid.clusters.values()] == [2, 3]


def test_series_are_bounded_in_count(
    grid: Grid, clock: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "MOST_SERIES", 5)
    hear(grid, "n1", a=1, b=1, c=1)
    hear(grid, "n2", a=1, b=1, c=1)
    hear(grid, "n2", a=1, b=1, c=2)
    tick = grid.tick()
    assert sum(1 for series in tick.layout.series if series.node) == 5
    assert grid.clusters["c"].nodes["n2"].values["c"] == 2.0
    assert "there are 5 series already" in grid.health["the grid"].reason


def test_reports_are_lines_and_parts_of_the_grid(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", load_one=1)
    sums = {"load_one": Sum(10.0, 5), "bad": Sum(math.inf, 1)}
    grid.hear(Report("far", 0, 5, 2, sums, authority="http://far/"))
    found = told(grid.tick())
    assert found[Series("far", "", "load_one")] == 10.0
    assert found[Series("far", "", "nodes.lost")] == 2.0
    assert found[Series("", "", "load_one")] == 11.0
    assert found[Series("", "", "nodes.up")] == 6.0
    assert (grid.up, grid.lost) == (6, 2)
    assert grid.column(Series("far", "", "load_one")) is not None
    clock.go(81)
    hear(grid, "n1", load_one=1)
    found = told(grid.tick())
    assert Series("far", "", "load_one") not in found
    assert found[Series("", "", "load_one")] == 1.0
    assert list(grid.reports) == ["far"]


def test_a_cluster_of_the_name_of_a_report_comes_first(grid: Grid) -> None:
    grid.hear(Report("far", 0, 5, 2, {"a": Sum(1.0, 1)}))
    grid.tick()
    hear(grid, "n", "far", a=7)
    tick = grid.tick()
    assert len(tick.layout.series) == len(set(tick.layout.series)) == len(tick.values)
    assert told(tick)[Series("far", "", "a")] == 7.0


def test_reports_and_health_are_bounded(
    grid: Grid, clock: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clsh.monitor.grid.picture._MOST_REPORTS", 2)
    for place in range(4):
        grid.hear(Report(f"r{place}", 0, 0, 0, {}))
        grid.hear(Health(f"h{place}", 0, ok=True))
    grid.hear(Report("a/b", 0, 0, 0, {}))
    grid.hear(Report("r1", 5, 0, 0, {}))
    grid.hear(Health("h1", 5, ok=False, reason="x"))
    assert [(name, report.at) for name, report in grid.reports.items()] == [("r0", 0), ("r1", 5)]
    assert [(name, one.at) for name, one in grid.health.items()] == [("h0", 0), ("h1", 5)]


def test_what_was_known_before_a_restart_is_shown_but_not_as_up(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", a=1)
    hear(grid, "n2", a=2)
    grid.hear(Silent("c", "n2", 0, "gone"))
    hear(grid, "far", "other", a=3)
    tick = grid.tick()
    clock.go(300)
    again = Grid("grid", {"c": [node_name("n1"), node_name("n2")]}, clock, 15)
    hear(again, "n2", a=9)
    again.restore(tick)
    node = again.clusters["c"].nodes["n1"]
    assert (node.state, node.values, node.heard_at) == ("new", {"a": 1.0}, tick.at)
    assert node.metric_tn_s("a") == 300
    assert again.clusters["c"].nodes["n2"].values == {"a": 9.0}
    assert again.clusters["other"].new == 1
    assert told(again.tick())[Series("", "", "a")] == 9.0
    clock.go(81)
    again.tick()
    assert "other" not in again.clusters  # nobody told of it again
    assert node.state == "lost"
    hear(again, "n1", a=4)
    assert (node.state, node.values) == ("up", {"a": 4.0})


def test_a_tick_with_hostile_values_restores_none_of_them(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", a=1)
    tick = grid.tick()
    for place in range(len(tick.values)):
        tick.values[place] = math.inf
    again = Grid("grid", {"c": [node_name("n1")]}, clock, 15)
    again.restore(tick)
    assert again.clusters["c"].nodes["n1"].values == {}


def test_sums_in_memory(grid: Grid, clock: Stopped) -> None:
    assert grid.since is None
    for value in (1, 2, 3):
        hear(grid, "n1", a=value)
        grid.tick()
        clock.go(15)
    assert grid.since == NOON
    places = [place for place, _ in grid.moments]
    for series in (Series("c", "n1", "a"), Series("c", "", "a"), Series("", "", "a")):
        column = grid.column(series)
        assert column is not None
        assert [column[place] for place in places] == [1.0, 2.0, 3.0]
    for series in (Series("x", "", "a"), Series("c", "x", "a"), Series("c", "", "x")):
        assert grid.column(series) is None


def test_memory_holds_the_last_hour(grid: Grid, clock: Stopped) -> None:
    for _ in range(300):
        clock.go(15)
        grid.tick()
    assert grid.since == clock.unix() - HOUR
    assert len(grid.moments) == 241


@pytest.mark.parametrize("jump", [86400, -86400, -20])
def test_a_clock_that_is_set_leaves_moments_in_order(
    grid: Grid, clock: Stopped, jump: float
) -> None:
    for place in range(40):
        clock.go(15)
        if place == 20:
            clock.set(jump)
        hear(grid, "n1", a=place)
        grid.tick()
    moments = [at for at, _ in grid.clusters["c"].nodes["n1"].recent("a")]
    assert moments == sorted(set(moments))
    assert 20 <= len(moments) <= 40
    assert grid.clusters["c"].nodes["n1"].state == "up"


def test_our_own_sleep_loses_no_node(grid: Grid, clock: Stopped) -> None:
    hear(grid, "n1", a=1)
    clock.go(100)
    grid.excuse(95)
    grid.check()
    assert grid.clusters["c"].nodes["n1"].state == "up"


def test_the_version_grows_with_every_change_and_only_then(grid: Grid, clock: Stopped) -> None:
    calls: list[int] = []
    grid.on_change = lambda: calls.append(grid.version)
    hear(grid, "n1", a=1)
    grid.hear(Health("s", 0, ok=True))
    grid.check()
    grid.tick()
    clock.go(81)
    grid.check()
    grid.check()
    assert calls == [1, 2, 3, 4]


def test_cluster_is_heard_when_its_last_node_was(grid: Grid, clock: Stopped) -> None:
    cluster = grid.clusters["c"]
    assert cluster.heard_at is None
    hear(grid, "n1", a=1)
    clock.go(5)
    hear(grid, "n2", a=1)
    clock.set(-500)
    assert cluster.heard_at == NOON + 5


def test_a_metric_that_nobody_sums_costs_no_line(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clsh.monitor.grid.totals.MOST_SUMS", 2)
    hear(grid, "n1", a=1, b=1, c=1)
    for _ in range(2):
        names = [series.metric for series in grid.tick().layout.series if not series.cluster]
        assert names == ["a", "a.num", "b", "b.num", "nodes.up", "nodes.lost"]


def test_an_hour_of_many_series_is_small(clock: Stopped) -> None:
    names = [f"m{place}" for place in range(30)]
    grid = Grid("grid", {"c": [node_name(f"n{place}") for place in range(50)]}, clock, 15)
    values = dict.fromkeys(names, 0.5)
    tracemalloc.start()
    for _ in range(3):
        for node in grid.clusters["c"].nodes:
            grid.hear(Sample("c", node, 0, values, {"m1": Metric("m1")}))
        grid.tick()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    ring = 242 * struct.calcsize("f") * 30 * 50
    assert ring < used < 1.6 * ring
