from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.model import Metric
from clsh.monitor.proc.drop import dropped


def test_good_lines() -> None:
    values, metrics, problem = dropped(
        [
            b"==> /dev/null <==",
            b"==> /var/lib/clsh/metrics.d/room <==",
            b"# of the room",
            b"temp 21.5 degrees C  # at the door",
            b"",
            b"  doors\t+2 ",
            b"leak.rate -1e-3 l/min",
        ]
    )
    assert values == {"temp": 21.5, "doors": 2.0, "leak.rate": -0.001}
    assert metrics["temp"] == Metric("temp", units="degrees C", group="custom")
    assert metrics["doors"].units == ""
    assert not problem


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"alone", "NAME NUMBER"),
        (b"name text", "NAME NUMBER"),
        (b"name nan", "NAME NUMBER"),
        (b"name inf", "NAME NUMBER"),
        (b"name 1e999", "NAME NUMBER"),
        (b"name 1_000", "NAME NUMBER"),
        (b"9lives 1", "a name has"),
        (b"<script> 1", "a name has"),
        (b"a/b 1", "a name has"),
        (b"x" * 65 + b" 1", "a name has"),
        (b"cpu_idle 100", "we tell this metric"),
        (b"gpu0_temp 20", "we tell this metric"),
        (b"good 2", "told before"),
        (b"\xff\x1b[31m 1", "a name has"),
    ],
)
def test_bad_lines_are_skipped_and_the_first_is_told(line: bytes, why: str) -> None:
    values, _, problem = dropped([b"==> /d/f <==", b"good 1", line, b"fine 3", b"also bad"])
    assert values == {"good": 1.0, "fine": 3.0}
    assert problem.startswith("/d/f: ")
    assert why in problem
    assert problem.isprintable()


def test_metrics_and_units_are_bounded() -> None:
    values, metrics, problem = dropped([b"m%d 1 " % n + b"u" * 500 for n in range(300)])
    assert len(values) == 100
    assert "more than 100" in problem
    assert len(metrics["m0"].units) == 32


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=30).map(str.encode))))
def test_anything_can_be_read(lines: list[bytes]) -> None:
    values, metrics, _ = dropped(lines)
    assert values.keys() == metrics.keys()
