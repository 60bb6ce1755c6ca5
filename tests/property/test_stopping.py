"""Whatever happens in whatever order, a run that was told to stop does so, once."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.remote.stopping import Event, Order, Phase, decide

EVENTS: tuple[Event, ...] = get_args(Event)
PHASES: tuple[Phase, ...] = get_args(Phase)


def told(events: list[Event]) -> tuple[Phase, list[Order]]:
    phase: Phase = "running"
    given_orders: list[Order] = []
    for event in events:
        after, orders = decide(phase, event)
        assert PHASES.index(after) >= PHASES.index(phase), "no way back"
        phase = after
        given_orders += orders
    return phase, given_orders


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_any_history(events: list[Event]) -> None:
    phase, orders = told(events)
    asked = {"finish", "now", "lost"}
    assert (phase == "running") == (not asked & set(events)) == (not orders)
    for order in ("terminate", "kill", "time grace", "time kill"):
        assert orders.count(order) <= 1
    assert ("kill" in orders) == (phase == "ended")
    if orders:
        assert orders[0] == "hold", "nothing more is started before anything is ended"
    if "terminate" in orders and "kill" in orders:
        assert orders.index("terminate") < orders.index("kill")
    if {"now", "lost"} & set(events) or events.count("finish") > 1:
        assert phase == "ended"


@given(st.sampled_from(PHASES), st.sampled_from(EVENTS))
def test_every_clock_that_is_started_leads_on(phase: Phase, event: Event) -> None:
    after, orders = decide(phase, event)
    if "time grace" in orders:
        assert "terminate" in decide(after, "grace over")[1]
    if "time kill" in orders:
        assert "kill" in decide(after, "kill over")[1]
    assert after not in {"finishing", "terminating"} or after == phase or "time" in str(orders)


@pytest.mark.parametrize(
    ("events", "phase", "orders"),
    [
        (["finish"], "finishing", ["hold", "time grace"]),
        (
            ["finish", "grace over", "kill over"],
            "ended",
            ["hold", "time grace", "terminate", "time kill", "hold", "kill"],
        ),
        (["finish", "finish"], "ended", ["hold", "time grace", "hold", "kill"]),
        (["now"], "ended", ["hold", "kill"]),
        (["lost", "now", "finish"], "ended", ["hold", "kill"]),
        (["grace over", "kill over"], "running", []),
    ],
)
def test_as_the_specification_has_it(
    events: list[Event], phase: Phase, orders: list[Order]
) -> None:
    assert told(events) == (phase, orders)
