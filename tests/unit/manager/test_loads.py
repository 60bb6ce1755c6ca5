from __future__ import annotations

import pytest

from clsh.base.clock import SystemClock
from clsh.manager import loads
from clsh.monitor.grid import Grid
from clsh.monitor.model import Sample, Silent
from clsh.nodes.model import NodeLoad


def test_the_load_of_nodes_that_are_up() -> None:
    clock = SystemClock()
    grid = Grid("g", {}, clock, 15)
    now = clock.unix()
    told = {"load_one": 1.5, "proc_run": 3.0, "cpu_num": 4.0, "mem_total": 8.0}
    grid.hear(Sample("c", "n1", now, {**told, "mem_available": 5.0, "mem_free": 1.0}))
    grid.hear(Sample("c", "n2", now, {"load_one": 0.5, "mem_free": 2.0, "cpu_num": "many"}))
    grid.hear(Sample("c", "n3", now, {"mem_free": 2.0}))
    grid.hear(Sample("c", "n4", now, told))
    grid.hear(Silent("c", "n4", now, "connection lost"))
    assert loads.of(grid, now) == {
        "n1": NodeLoad(1.5, 3.0, 4.0, 5.0, 8.0, 0.0),
        "n2": NodeLoad(0.5, 0.0, 1.0, 2.0, 0.0, 0.0),
    }
    assert loads.of(grid, now + 70)["n1"].age_s == pytest.approx(70, abs=10)
    assert loads.of(grid, now - 7)["n1"].age_s == 0
