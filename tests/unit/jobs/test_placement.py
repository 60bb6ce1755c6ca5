from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.jobs.model import Place, Request, Slots
from clsh.jobs.placement import Moment, choose, never, rank, reserved
from clsh.jobs.rooms import Rooms, need_of
from clsh.nodes.model import NodeLoad

if TYPE_CHECKING:
    from clsh.jobs.placement import Choice
    from clsh.jobs.rooms import Need

GB = 1 << 30
LOADS = {
    "n1": NodeLoad(4.0, 1.0, 8, 30 * GB, 64 * GB, 1.0),
    "n2": NodeLoad(1.0, 6.0, 8, 8 * GB, 64 * GB, 1.0),
    "n3": NodeLoad(2.0, 3.0, 8, 60 * GB, 64 * GB, 1.0),
}


def rooms(*nodes: Slots) -> Rooms:
    made = Rooms()
    made.see(nodes or [Slots(name, 8, 64 * GB, 2) for name in ("n1", "n2", "n3")], {})
    return made


def need(**more: object) -> Need:
    return need_of(Request(("a",), **more))  # type: ignore[arg-type]  # the fields are those of Request


def chosen(of: Rooms, wanted: Need, **more: object) -> Choice:
    return choose(wanted, of.open, Moment(LOADS, 0.0, **more))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("metric", "node", "why"),
    [
        ("load", "n2", "n2: score 0.12, the lowest of 3"),
        ("queue", "n1", "n1: score 0.12, the lowest of 3"),
        ("load+memory", "n3", "n3: score 0.31, the lowest of 3"),
        ("free", "n1", "n1: score 0.00, the lowest of 3"),
        ("round-robin", "n1", "n1: next in turn of 3"),
    ],
)
def test_each_metric(metric: str, node: str, why: str) -> None:
    choice = chosen(rooms(), need(metric=metric))
    assert (choice.places, choice.why) == ((Place(node),), why)


def test_named_nodes_in_their_order() -> None:
    of = rooms()
    wanted = need(metric="named", nodes=("n3", "n1"), slots=8)
    for node in ("n3", "n1"):
        choice = chosen(of, wanted)
        assert choice.why == f"{node}: named in the request"
        of.hold(choice.places, wanted, 0.0)
    assert chosen(of, wanted).why == "needs 8 cores: n1, n3 are busy"


def test_in_turn() -> None:
    of = rooms()
    turns = [chosen(of, need(metric="round-robin"), last=last).places[0].node for last in range(3)]
    assert turns == ["n2", "n3", "n1"]


def test_what_was_just_placed_counts_until_the_load_shows_it() -> None:
    of = rooms()
    wanted = need(slots=2)
    of.hold([Place("n2")], wanted, 0.0)
    assert chosen(of, wanted).places == (Place("n3"),)
    later = choose(wanted, of.open, Moment(LOADS, 600.0))
    assert later.places == (Place("n2"),)
    of.free([Place("n2")], wanted)
    assert of.open[1].slots == 0


def test_old_figures_and_none_come_last() -> None:
    loads = {"n1": LOADS["n1"], "n2": NodeLoad(0.0, 0.0, 8, 0, 0, 999.0)}
    choice = choose(need(), rooms().open, Moment(loads, 0.0))
    assert choice.places == (Place("n1"),)
    for metric in ("load", "queue", "load+memory"):
        choice = choose(need(metric=metric), rooms().open, Moment({}, 0.0))
        assert choice.why == "n1: no load figures, 0 of 8 cores taken, the lowest of 3"


def test_memory_that_is_not_known_holds_nobody_up() -> None:
    of = rooms(Slots("n1", 2))
    assert chosen(of, need(memory=GB)).places == (Place("n1"),)
    assert never(need(memory=GB), of.seen()) == ("", "")
    assert (
        chosen(of, need(metric="load+memory", memory=GB)).why == "n1: score 1.03, the lowest of 1"
    )


def test_why_it_waits() -> None:
    of = rooms(Slots("n1", 8, 64 * GB), Slots("n2", 8, 64 * GB), Slots("n3", 8, 8 * GB))
    big = need(memory=64 * GB)
    of.hold([Place("n1"), Place("n2")], need(memory=GB), 0.0)
    assert chosen(of, big).why == "needs 1 core, 64 GB: n1, n2 are busy"
    of.hold([Place("n3", 8)], need(), 0.0)
    assert chosen(of, need(nodes=("n3",))).why == "needs 1 core: n3 is busy"
    assert chosen(of, need(gpus=2)).why == (
        "needs 1 core, 2 GPUs: no node that can be used now has it"
    )
    assert chosen(of, need(nodes=("n7", "n8"))).why == "n7, n8 cannot be used now"
    assert chosen(Rooms(), need()).why == "no node can be used now"


def test_a_parallel_job_gets_all_or_nothing() -> None:
    of = rooms()
    wanted = need(kind="parallel", tasks=12, metric="load")
    choice = chosen(of, wanted)
    assert choice.places == (Place("n2", 8), Place("n3", 4))
    assert choice.why == "n2: score 0.12, n3: score 0.25, the lowest of 3"
    spread = chosen(of, need(kind="parallel", tasks=3, tasks_per_node=1, metric="named"))
    assert spread.places == (Place("n1"), Place("n2"), Place("n3"))
    turn = chosen(of, need(kind="parallel", tasks=9, metric="round-robin"), last=1)
    assert turn.places == (Place("n3", 8), Place("n1"))
    of.hold(choice.places, wanted, 0.0)
    assert chosen(of, need(kind="parallel", tasks=13, slots=1)).why == (
        "needs 13 x 1 core at once: there is room for 12"
    )


def test_many_nodes_are_told_short() -> None:
    of = rooms(*(Slots(f"n{number}", 1) for number in range(1, 21)))
    choice = chosen(of, need(kind="parallel", tasks=20, metric="free"))
    assert choice.why.endswith("n8: score 0.00, ... (20), the lowest of 20")
    of.hold(choice.places, need(), 0.0)
    assert chosen(of, need()).why == "needs 1 core: n[1-20] are busy"


@pytest.mark.parametrize(
    ("more", "field", "why"),
    [
        ({"slots": 9}, "slots", "no node has 9 cores"),
        ({"memory": 65 * GB}, "memory", "no node has 65 GB"),
        ({"gpus": 3}, "gpus", "no node has 3 GPUs"),
        ({"gpus": 3, "nodes": ("n1",)}, "gpus", "none of the named nodes has 3 GPUs"),
        ({"nodes": ("n1", "n9")}, "nodes", "there is no node n9"),
        (
            {"kind": "parallel", "tasks": 25},
            "tasks",
            "there is room for 24 of 25 tasks, even when nothing else runs",
        ),
        ({"slots": 8, "memory": 64 * GB, "gpus": 2}, "", ""),
    ],
)
def test_what_no_node_can_ever_run(more: dict[str, object], field: str, why: str) -> None:
    of = rooms()
    of.hold([Place("n1", 8)], need(), 0.0)
    assert never(need(**more), of.seen()) == (field, why)


def test_no_single_node_has_all_of_it() -> None:
    of = rooms(Slots("n1", 8, GB), Slots("n2", 1, 64 * GB))
    field, why = never(need(slots=8, memory=64 * GB), of.seen())
    assert (field, why) == ("slots", "there is room for 0 of 1 tasks, even when nothing else runs")


def test_what_is_not_known_may_still_come() -> None:
    assert never(need(slots=999), Rooms().seen()) == ("", "")
    assert never(need(slots=999), rooms().seen(), ["n4"]) == ("", "")
    assert never(need(slots=999, nodes=("n1",)), rooms().seen(), ["n4"])[0] == "slots"
    assert never(need(nodes=("n4",)), rooms().seen(), ["n4"]) == ("", "")


def test_nodes_come_and_go() -> None:
    of = rooms()
    assert not of.see([Slots(name, 8, 64 * GB, 2) for name in ("n1", "n2", "n3")], {})
    of.hold([Place("n2")], need(), 0.0)
    assert of.see([Slots("n1", 8)], {"n1": 2})
    assert [room.has.slots for room in of.open] == [2]
    assert of.see([Slots("n2", 8)], {})
    assert of.open[0].slots == 1
    assert {room.has.node for room in of.seen()} == {"n1", "n2", "n3"}


def test_the_nodes_kept_for_who_waited_too_long() -> None:
    of = rooms(Slots("n1", 8), Slots("n2", 2))
    assert [room.has.node for room in reserved(need(slots=4), of.open)] == ["n1"]


def test_the_order_of_the_queue() -> None:
    jobs = [rank(0, 1000.0, 1), rank(1, 1500.0, 2), rank(0, 1000.0, 3), rank(1, 1700.0, 4)]
    assert sorted(jobs) == [jobs[1], jobs[0], jobs[2], jobs[3]]
