"""What the bench of jobs works out from its figures, and how it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from bench.jobs import contestant

if TYPE_CHECKING:
    from pathlib import Path

    from bench.jobs.contestant import Contestant


@dataclass
class Named:
    name: str
    prepared: int = 0

    def prepare(self) -> None:
        self.prepared += 1


def some(*names: str) -> list[Contestant]:
    return [cast("Contestant", Named(name)) for name in names]


def test_another_one_is_first_in_each_round() -> None:
    order: list[str] = []

    def once(one: Contestant) -> dict[str, list[float]]:
        order.append(one.name)
        return {"what": [float(len(order))]}

    found = contestant.in_turns(some("a", "b", "c"), 2, once)
    assert order == ["a", "b", "c", "b", "c", "a"]
    assert found == {"a": {"what": [1, 6]}, "b": {"what": [2, 4]}, "c": {"what": [3, 5]}}


@pytest.mark.parametrize(("less", "times"), [(False, "2.00"), (True, "0.50")])
def test_ours_is_put_beside_tuned_slurm(less: bool, times: str) -> None:
    values = {"clsh": 100.0, "slurm tuned": 50.0}
    three = some("clsh", "slurm tuned", "tsp")
    cells = contestant.cells(three, values, lambda value: f"{value:g}", less_is_better=less)
    assert cells == ["100", "50", "-", times]
    assert len(contestant.heads(three)) == len(cells)


def test_nothing_is_beside_a_slurm_that_is_not_there() -> None:
    assert contestant.cells(some("clsh"), {"clsh": 1.0}, str) == ["1.0", "-"]


def test_a_time_is_read_when_its_line_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "told"
    file.write_text("1700000000.5\n")
    assert contestant.told_at(file) == 1700000000.5
    assert not file.exists()


def test_who_waits_in_vain_is_told_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contestant, "LIMIT_S", 0.05)
    (tmp_path / "told").write_text("170000")  # not whole yet
    with pytest.raises(SystemExit, match="no job wrote told"):
        contestant.told_at(tmp_path / "told")
    with pytest.raises(SystemExit, match="jobs are left: not within"):
        contestant.until(lambda: False, "jobs are left", 0.01)
