from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clsh.monitor.proc.gpu import gpus
from tests.support.proc import DATA


def recorded(name: str) -> list[bytes]:
    return (DATA / f"nvidia-smi-{name}.csv").read_bytes().splitlines()


def test_two_cards() -> None:
    assert gpus(recorded("a100")) == (
        {
            "gpu_num": 2,
            "gpu0_util": 97.0,
            "gpu0_mem_used": 40321 * 2**20,
            "gpu0_mem_total": 81920 * 2**20,
            "gpu0_temp": 61.0,
            "gpu0_power": 301.42,
            "gpu1_util": 0.0,
            "gpu1_mem_used": 4 * 2**20,
            "gpu1_mem_total": 81920 * 2**20,
            "gpu1_temp": 28.0,
            "gpu1_power": 54.07,
        },
        "",
    )


def test_what_a_card_does_not_tell_is_left_out() -> None:
    values, problem = gpus(recorded("partly"))
    assert values == {
        "gpu_num": 2,
        "gpu0_mem_used": 512 * 2**20,
        "gpu0_mem_total": 15109 * 2**20,
        "gpu0_temp": 45.0,
    }
    assert not problem


def test_a_failure_is_told_in_its_own_words() -> None:
    values, problem = gpus(recorded("failed"))
    assert values == {}
    assert problem.startswith("nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate")


def test_cards_are_bounded() -> None:
    values, _ = gpus([b"%d, 1, 1, 1, 1, 1" % number for number in range(500)])
    assert values["gpu_num"] == 64
    assert gpus([]) == ({}, "")


@given(st.lists(st.binary(max_size=40)))
def test_anything_can_be_read(lines: list[bytes]) -> None:
    gpus(lines)
