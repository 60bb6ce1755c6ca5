from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.proc.parse import Counts
from clsh.monitor.proc.rates import rates, wraps

CPU = dict.fromkeys(("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"), 100)


def look(uptime_s: float, *eth0: int, **more: tuple[int, ...]) -> Counts:
    links = {name: numbers for name, numbers in more.items() if name != "sda"}
    disks = {name: numbers for name, numbers in more.items() if name == "sda"}
    if eth0:
        links["eth0"] = eth0
    return Counts(uptime_s, {}, CPU, links, disks)


def test_rates_are_per_second_of_the_nodes_own_clock() -> None:
    before = look(100.0, 1000, 10, 2000, 20, sda=(0, 8))
    found = rates(before, look(110.0, 3000, 30, 2500, 25, sda=(20, 8)))
    assert found == {
        "bytes_in": 200.0, "pkts_in": 2.0, "bytes_out": 50.0, "pkts_out": 0.5,
        "disk_read": 1024.0, "disk_write": 0.0,
    }  # fmt: skip


def test_devices_are_added_and_new_ones_wait_for_the_next_look() -> None:
    before = look(0.0, 1, 1, 1, 1, eth1=(5, 5, 5, 5), gone=(1, 1, 1, 1))
    now = look(1.0, 2, 2, 2, 2, eth1=(7, 7, 7, 7), fresh=(9999, 9999, 9999, 9999))
    assert rates(before, now)["bytes_in"] == 3.0


def test_a_counter_that_went_back_leaves_its_device_out() -> None:
    before = look(0.0, 5000, 1, 1, 1, eth1=(5, 5, 5, 5))
    assert rates(before, look(1.0, 10, 2, 2, 2, eth1=(7, 7, 7, 7)))["bytes_in"] == 2.0
    only = rates(look(0.0, 5000, 1, 1, 1), look(1.0, 10, 2, 2, 2))
    assert "bytes_in" not in only


def test_counters_of_32_bits_wrap() -> None:
    before, now = look(0.0, 2**32 - 100, 1, 1, 1), look(1.0, 100, 2, 2, 2)
    assert rates(before, now, narrow=True)["bytes_in"] == 200.0
    assert "bytes_in" not in rates(before, now)
    # a fall by less than half of all is no wrap
    assert "bytes_in" not in rates(look(0.0, 2000, 1, 1, 1), look(1.0, 9, 2, 2, 2), narrow=True)
    assert "bytes_in" not in rates(look(0.0, 2**40, 1, 1, 1), look(1.0, 9, 2, 2, 2), narrow=True)


@pytest.mark.parametrize("machine", ["i686", "armv7l", "mips", "ppc"])
def test_narrow_machines(machine: str) -> None:
    assert wraps(machine)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "mips64", "ppc64le", "riscv64", ""])
def test_wide_machines(machine: str) -> None:
    assert not wraps(machine)


def test_no_rates_after_a_restart_or_within_one_moment() -> None:
    assert rates(look(500.0, 1, 1, 1, 1), look(3.0, 2, 2, 2, 2)) == {}
    assert rates(look(500.0, 1, 1, 1, 1), look(500.0, 2, 2, 2, 2)) == {}


def test_the_shares_of_the_cpu() -> None:
    before = Counts(0.0, {}, CPU)
    later = {**CPU, "user": 130, "softirq": 110, "idle": 150, "iowait": 90, "steal": 110}
    found = rates(before, Counts(1.0, {}, later))
    assert found == {
        "cpu_user": 30.0, "cpu_nice": 0.0, "cpu_system": 10.0, "cpu_idle": 50.0, "cpu_wio": 0.0,
        "cpu_steal": 10.0,
    }  # fmt: skip
    assert rates(before, Counts(1.0, {}, CPU)) == {}


COUNTERS = st.integers(0, 2**64)
LOOKS = st.builds(
    Counts,
    st.floats(0, 1e9),
    st.just({}),
    st.dictionaries(st.sampled_from(sorted(CPU)), COUNTERS),
    st.dictionaries(st.sampled_from("ab"), st.tuples(COUNTERS, COUNTERS, COUNTERS, COUNTERS)),
    st.dictionaries(st.sampled_from("ab"), st.tuples(COUNTERS, COUNTERS)),
)


@given(LOOKS, LOOKS, st.booleans())
def test_no_rate_is_negative_and_no_share_over_all(
    before: Counts, now: Counts, narrow: bool
) -> None:
    found = rates(before, now, narrow=narrow)
    assert all(float(value) >= 0 for value in found.values())
    assert sum(float(found[name]) for name in found if name.startswith("cpu")) <= 100.001
