from __future__ import annotations

import math

import pytest

from clsh.monitor.grid import Grid
from clsh.monitor.grid import node as limits
from clsh.monitor.grid.node import NodeState
from clsh.monitor.model import Metric, Sample, Silent, Value
from clsh.nodes.model import node_name
from tests.support.clocks import Stopped

NAMES = [node_name("n1"), node_name("n2")]


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def grid(clock: Stopped) -> Grid:
    return Grid("grid", {"c": NAMES}, clock, 15)


def hear(
    grid: Grid, clock: Stopped, node: str = "n1", source: str = "s", /, **values: Value
) -> None:
    grid.hear(Sample("c", node, clock.unix(), values, address="10.0.0.1"), source)


def the(grid: Grid, name: str = "n1") -> NodeState:
    node = grid.node("c", name)
    assert node is not None
    return node


def lose(grid: Grid, clock: Stopped, source: str = "s", *, lost: bool = True) -> None:
    grid.hear(Silent("c", "n1", clock.unix(), "link down", lost), source)


def test_a_node_is_new_until_heard_then_up_then_lost_and_up_again(
    grid: Grid, clock: Stopped
) -> None:
    began = clock.unix()
    node = the(grid)
    assert (node.state, node.since, node.heard_at, node.reason) == ("new", began, None, "")
    clock.go(5)
    hear(grid, clock, load_one=1)
    assert (node.state, node.since, node.heard_at, node.address) == (
        "up", began + 5, began + 5, "10.0.0.1",
    )  # fmt: skip
    clock.go(10)
    hear(grid, clock, load_one=2)
    assert (node.since, node.tn_s()) == (began + 5, 0)
    lose(grid, clock)
    assert (node.state, node.reason, node.since) == ("lost", "link down", began + 15)
    assert node.values == {"load_one": 2.0}
    clock.go(1)
    hear(grid, clock, load_one=3)
    assert (node.state, node.reason, node.since) == ("up", "", began + 16)


def test_without_word_a_node_is_lost_after_four_times_tmax(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock)
    for seconds, state in ((80, "up"), (0.5, "lost")):
        clock.go(seconds)
        grid.check()
        assert the(grid).state == state
    assert the(grid).reason == "not heard for more than 80 s"


def test_a_node_that_is_never_heard_is_lost_for_the_last_reason(grid: Grid, clock: Stopped) -> None:
    lose(grid, clock, lost=False)
    assert (the(grid).state, the(grid).reason) == ("new", "link down")
    clock.go(81)
    grid.check()
    assert (the(grid).state, the(grid).reason) == ("lost", "link down")


def test_silence_that_is_not_certain_leaves_a_node_up(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock)
    lose(grid, clock, lost=False)
    assert (the(grid).state, the(grid).reason) == ("up", "")


def test_what_one_source_cannot_hear_another_may(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, "n1", "gmond")
    lose(grid, clock, "procfs")
    assert the(grid).state == "up"
    lose(grid, clock, "gmond")
    assert the(grid).state == "lost"


def test_the_latest_word_on_each_metric_counts(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, "n1", "a", load_one=1, load_five=1)
    clock.go(30)
    hear(grid, clock, "n1", "b", load_one=2)
    old = Sample("c", "n1", clock.unix(), {"load_one": 9.0, "x": 1.0}, age_s=40, ages={"x": 45})
    grid.hear(old, "c")
    node = the(grid)
    assert node.values == {"load_one": 2.0, "load_five": 1.0, "x": 1.0}
    assert [node.metric_tn_s(name) for name in ("load_one", "load_five", "x")] == [0, 30, 45]
    assert node.tn_s() == 0


def test_a_word_that_is_too_old_makes_no_node_up(grid: Grid, clock: Stopped) -> None:
    grid.hear(Sample("c", "n1", clock.unix(), {}, age_s=81))
    assert the(grid).state == "lost"
    assert the(grid).heard_at == clock.unix() - 81


def test_hostile_ages_and_periods_are_not_believed(grid: Grid, clock: Stopped) -> None:
    for bad in (math.nan, math.inf, -5.0):
        ages = {"m": bad}
        sample = Sample("c", "n1", clock.unix(), {"m": 1.0}, {}, bad, ages, "", bad, bad)
        grid.hear(sample)
        node = the(grid)
        assert (node.state, node.tn_s(), node.tmax_s, node.dmax_s) == ("up", 0, 20, 0)
        assert node.metric_tn_s("m") == 0


def test_hostile_numbers_are_no_values(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, a=1, b=2, c=3, d=4)
    hear(grid, clock, a=math.nan, b=math.inf, c=1e31, d=10**400)
    assert the(grid).values == {}
    assert [math.isnan(value) for value in the(grid).numbers] == [True] * 4
    hear(grid, clock, a=5)
    assert the(grid).values == {"a": 5.0}


def test_values_keep_their_precision_and_text_its_beginning(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, boottime=1_800_000_000.123, os_name="x" * 9000)
    assert the(grid).values["boottime"] == 1_800_000_000.123
    assert the(grid).values["os_name"] == "x" * 4096


def test_a_number_may_become_text_and_a_number_again(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, state=1)
    hear(grid, clock, state="down")
    assert the(grid).values == {"state": "down"}
    assert math.isnan(the(grid).numbers[0])
    hear(grid, clock, state=2)
    assert list(the(grid).numbers) == [2.0]


def test_what_a_metric_is_comes_from_who_tells_it_else_from_the_catalogue(
    grid: Grid, clock: Stopped
) -> None:
    own = Metric("fans", units="rpm")
    unused = Metric("unused")
    sample = Sample("c", "n1", 0, {"fans": 1.0, "load_one": 1.0}, {"fans": own, "unused": unused})
    for _ in range(2):
        grid.hear(sample)
    metrics = the(grid).metrics
    assert metrics["fans"] is own
    assert metrics["load_one"].group == "load"
    assert "unused" not in metrics


def test_a_metric_with_dmax_is_forgotten(grid: Grid, clock: Stopped) -> None:
    short = {"a": Metric("a", dmax_s=30), "t": Metric("t", "string", dmax_s=30)}
    grid.hear(Sample("c", "n1", clock.unix(), {"a": 1.0, "b": 2.0, "t": "x"}, short))
    clock.go(29)
    grid.tick()
    assert set(the(grid).values) == {"a", "b", "t"}
    clock.go(2)
    tick = grid.tick()
    assert the(grid).values == {"b": 2.0}
    assert [s.metric for s in tick.layout.series if s.node] == ["b"]
    grid.hear(Sample("c", "n1", clock.unix(), {"b": 2.0}, {"b": Metric("b", dmax_s=30)}))
    grid.hear(Sample("c", "n1", clock.unix(), {"b": 2.0}, {"b": Metric("b")}))
    clock.go(60)
    grid.tick()
    assert the(grid).values == {"b": 2.0}


def test_what_pages_compute_from_values(grid: Grid, clock: Stopped) -> None:
    node = the(grid)
    derived = (node.cores, node.load_share, node.memory_used, node.cpu_busy)
    assert derived == (None, None, None, None)
    hear(grid, clock, cpu_num=4, load_one=2, mem_total=100, mem_available=70, cpu_idle=75)
    assert (node.cores, node.load_share, node.memory_used, node.cpu_busy) == (4, 0.5, 30, 25)
    hear(grid, clock, "n2", mem_total=100, mem_free=10, mem_cached=20, cpu_num=0)
    other = the(grid, "n2")
    assert (other.memory_used, other.cores, other.load_share) == (70, None, None)


def test_the_last_hour_is_in_memory_with_its_gaps(grid: Grid, clock: Stopped) -> None:
    for value in (1, 2):
        hear(grid, clock, load_one=value)
        clock.go(15)
        grid.tick()
    lose(grid, clock)
    clock.go(15)
    grid.tick()
    recent = the(grid).recent("load_one")
    assert [at for at, _ in recent] == [clock.unix() - 30, clock.unix() - 15, clock.unix()]
    assert [value for _, value in recent[:2]] == [1.0, 2.0]
    assert math.isnan(recent[2][1])
    assert [math.isnan(value) for _, value in the(grid).recent("nothing")] == [True] * 3


def test_a_new_metric_leaves_the_hour_of_the_others(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, b=1)
    grid.tick()
    clock.go(15)
    hear(grid, clock, a=5, b=2)
    grid.tick()
    assert [value for _, value in the(grid).recent("b")] == [1.0, 2.0]
    first, second = (value for _, value in the(grid).recent("a"))
    assert math.isnan(first)
    assert second == 5.0


def test_a_hurried_node_keeps_every_word_of_some_minutes(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, a=0)
    assert the(grid).detail("a") == []
    grid.hurry({("c", "n1")})
    for value in range(1, 400):
        clock.go(1)
        hear(grid, clock, a=value)
    grid.hurry({("c", "n1"), ("c", "n2")})
    detail = the(grid).detail("a")
    assert len(detail) == limits.DETAIL
    assert detail[-1] == (clock.unix(), 399.0)
    assert the(grid).detail("b") == []
    grid.hurry(set())
    assert the(grid).detail("a") == []


def test_metrics_of_a_node_are_bounded_in_count(grid: Grid, clock: Stopped) -> None:
    hear(grid, clock, **{f"m{place}": 1.0 for place in range(limits.MOST_METRICS + 50)})
    assert len(the(grid).values) == limits.MOST_METRICS
    grid.tick()
    assert grid.health["the grid"].reason == "n1 tells more than 1,000 metrics"
    for place in range(3000):
        hear(grid, clock, **{f"n{place}": 1.0})
    assert len(the(grid).numbers) == limits.MOST_METRICS


def test_what_is_told_no_more_does_not_fill_the_memory(grid: Grid, clock: Stopped) -> None:
    for place in range(limits.MOST_METRICS + 50):
        hear(grid, clock, **{f"m{place}": 1.0})
        hear(grid, clock, **{f"m{place}": math.nan})
    assert the(grid).values == {}
    assert len(the(grid).numbers) == limits.MOST_METRICS


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "a" * 256, "\x1b[2J"])
def test_metrics_with_bad_names_are_left_out(grid: Grid, clock: Stopped, name: str) -> None:
    hear(grid, clock, **{name: 1.0, "good": 2.0})
    assert the(grid).values == {"good": 2.0}
    grid.tick()
    assert "bad name" in grid.health["the grid"].reason
