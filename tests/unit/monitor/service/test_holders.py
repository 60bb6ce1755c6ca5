from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.monitor.service.holders import MOST_HURRIED, Holders

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

Names = set[tuple[str, str]]


def names(*numbers: int) -> Names:
    return {("c", f"n{number}") for number in numbers}


def test_the_union_is_told_when_it_changes() -> None:
    told: list[AbstractSet[tuple[str, str]]] = []
    holders = Holders(told.append)
    with holders.hold(names(1)):
        with holders.hold(names(1)), holders.hold(names(1, 2)):
            pass
        assert told == [names(1), names(1, 2), names(1)]
    assert told[-1] == set()
    assert len(told) == 4


def test_who_comes_first_is_served_first() -> None:
    told: list[AbstractSet[tuple[str, str]]] = []
    holders = Holders(told.append)
    first = [("c", f"a{number}") for number in range(MOST_HURRIED - 1)]
    with holders.hold(first):
        with holders.hold([("c", "b1"), ("c", "b2")]):
            assert told[-1] == {*first, ("c", "b1")}
        assert told[-1] == set(first)
