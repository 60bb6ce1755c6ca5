from __future__ import annotations

from clsh.monitor import catalogue
from clsh.monitor.model import Metric

WANTED = """
cpu_idle cpu_system cpu_user cpu_nice cpu_wio cpu_steal cpu_num load_one load_five load_fifteen
mem_free mem_buffers mem_cached mem_total mem_available swap_free swap_total pkts_in pkts_out
bytes_in bytes_out proc_total proc_run disk_free disk_total disk_free_percent disk_read disk_write
boottime uptime os_name os_release machine_type gpu_num
"""


def test_every_metric_of_the_design_is_known_with_title_and_group() -> None:
    assert set(catalogue.METRICS) == set(WANTED.split())
    for name, metric in catalogue.METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.group
        assert metric.tmax_s > 0


def test_sizes_are_bytes_and_shares_per_cent() -> None:
    assert catalogue.known("mem_free").units == "bytes"
    assert catalogue.known("bytes_in").units == "bytes/s"
    assert catalogue.known("cpu_idle").units == "%"
    assert catalogue.known("os_name").type == "string"


def test_each_gpu_has_its_metrics() -> None:
    metric = catalogue.known("gpu12_mem_used")
    assert (metric.title, metric.units, metric.group) == ("GPU 12 memory used", "bytes", "gpu")


def test_of_others_only_the_name_is_known() -> None:
    for name in ("gpu0_fans", "my.metric", ""):
        assert catalogue.known(name) == Metric(name)
