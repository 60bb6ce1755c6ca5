"""/metrics against a parser that takes nothing but OpenMetrics 1.0."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.model import Sample, Silent
from clsh.web.api import metrics
from clsh.web.api.metrics import MEDIA
from tests.support.web import Browser, a_monitor, an_app, tell

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Inf)|NaN")


def parse(text: str) -> dict[str, dict[str, float]]:
    """Return family -> labels -> value; fails on whatever the format does not allow."""
    assert text.endswith("# EOF\n")
    families: dict[str, dict[str, float]] = {}
    kinds: dict[str, str] = {}
    family = ""
    for line in text.removesuffix("# EOF\n").split("\n")[:-1]:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in {"TYPE", "HELP"}
            assert re.fullmatch(_NAME, name)
            if word == "TYPE":
                assert name not in families, "a family stands in one piece"
                assert rest in {"gauge", "counter"}
                family, families[name], kinds[name] = name, {}, rest
            assert name == family
            continue
        found = _SAMPLE.fullmatch(line)
        assert found, line
        assert found[1] == family + ("_total" if kinds[family] == "counter" else "")
        assert _NUMBER.fullmatch(found[3]), line
        labels = found[2] or ""
        assert labels not in families[family], "the same sample twice"
        families[family][labels] = float(found[3])
    return families


async def asked(monitor: Any) -> dict[str, dict[str, float]]:
    got = await Browser(an_app(monitor)).ask("/metrics")
    assert got.status == 200
    assert got.headers["content-type"] == MEDIA
    return parse(got.text)


async def test_the_latest_values_of_nodes_that_are_up() -> None:
    monitor = a_monitor({"red": ["n1", "n2", "n3"]})
    tell(monitor, "n1", load_one=0.25)
    tell(monitor, "n2")
    monitor.grid.hear(Silent("red", "n2", monitor.clock.unix(), "gone"))
    found = await asked(monitor)
    assert found["clsh_load_one"] == {'cluster="red",node="n1"': 0.25}
    assert found["clsh_node_up"] == {
        'cluster="red",node="n1"': 1, 'cluster="red",node="n2"': 0, 'cluster="red",node="n3"': 0,
    }  # fmt: skip
    assert found["clsh_nodes"]['cluster="red",state="lost"'] == 1
    assert "clsh_os_name" not in found
    assert found["clsh_metrics_left_out"] == {"": 0}
    assert found["process_resident_memory_bytes"][""] > 1e6
    assert found["process_cpu_seconds"][""] > 0
    assert found["process_open_fds"][""] > 2


async def test_hostile_names_and_values_stay_inside_their_quotes() -> None:
    monitor = a_monitor({'a"b\\c': ["n1"]})
    values = {"load.one": 1.0, "load one": 2.0, "é}\n# EOF": 3.0, "x_total": 4.0, "inf": 1e30}
    monitor.grid.hear(Sample('a"b\\c', "n1", monitor.clock.unix(), values))
    found = await asked(monitor)
    labels = r'cluster="a\"b\\c",node="n1"'
    assert found["clsh_load_one"] == {labels: 1.0}
    assert found["clsh_x_total_"] == {labels: 4.0}
    assert found["clsh_metrics_left_out"] == {"": 1}  # two names that become one


async def test_a_metric_that_is_called_like_one_of_ours_is_left_out() -> None:
    monitor = a_monitor()
    tell(monitor, "n1", node_up=5.0, nodes=5.0, metrics_left_out=5.0, live_viewers=5.0)
    found = await asked(monitor)
    assert found["clsh_node_up"]['cluster="red",node="n1"'] == 1
    assert found["clsh_live_viewers"] == {"": 0}
    assert found["clsh_metrics_left_out"] == {"": 4}


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MOST_SAMPLES", 60)
    monkeypatch.setattr(metrics, "_MOST_FAMILIES", 10)
    monkeypatch.setattr(metrics, "_NODES_AT_ONCE", 3)
    monitor = a_monitor({"red": [f"n{n}" for n in range(20)]})
    for n in range(20):
        tell(monitor, f"n{n}", "red", **dict.fromkeys(map("m{}".format, range(10)), 1.0))
    found = await asked(monitor)
    assert sum(map(len, found.values())) <= 60 + 5
    assert len(found) <= 10 + 5
    assert found["clsh_metrics_left_out"][""] > 100


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=12), st.sampled_from(["n1", 'n"2\\', "n\n3"])),
        st.floats(),
        max_size=20,
    )
)
def test_whatever_nodes_say_the_format_holds(said: dict[tuple[str, str], float]) -> None:
    families = metrics._Families()
    for (name, node), value in said.items():
        labels = metrics._labels(cluster="red", node=node)
        families.gauge(name, labels, value, f"{name} (of {node})", owner=name)
    found = parse("\n".join([*families.lines(), "# EOF", ""]))
    assert sum(map(len, found.values())) + families.left_out == len(said)


def test_numbers_are_written_as_the_format_has_them() -> None:
    written = metrics._written
    assert [written(x) for x in (1.5, 3, True, float("inf"), float("-inf"), float("nan"))] == [
        "1.5", "3", "1", "+Inf", "-Inf", "NaN",
    ]  # fmt: skip


def test_where_there_is_no_proc_less_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    found = parse("\n".join([*metrics._own(1e9), "# EOF", ""]))
    assert found["process_start_time_seconds"] == {"": 1e9}
    assert "process_open_fds" not in found
