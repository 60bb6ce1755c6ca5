"""A run over many nodes that is ended by us: gently, at once, or by a cancel."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clsh.nodes.model import Node
from clsh.remote import fanout
from clsh.remote.fanout import FanOut, Outcome, Plan
from clsh.remote.transport import Exit
from clsh.remote.transports.memory import Faults, Memory, MemorySession, answer
from tests.support.clocks import hastily
from tests.support.watched import Watcher, nodes, now_s, run, sleeps, states, stubborn, work

if TYPE_CHECKING:
    from clsh.remote.transport import Session, Sink

pytestmark = pytest.mark.hasty


# Stopping.


async def test_finish_lets_what_runs_end_and_starts_nothing() -> None:
    memory = Memory(default=answer(delay_s=0.2), faults={"n3": Faults(open_s=math.inf)})
    outcomes, watcher = await run(memory, 8, lambda fan: fan.stop("finish"), window=4)
    assert states(outcomes) == "done done done stopped stopped stopped stopped stopped"
    assert outcomes[3].seconds > 0
    assert [o.seconds for o in outcomes[4:]] == [0.0] * 4
    assert set(watcher.kept) == {"n0", "n1", "n2"}


async def test_after_the_grace_comes_term_then_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "KILL_S", 0.2)
    memory = Memory({"n0": sleeps, "n1": stubborn, "n2": answer(delay_s=0.1)})
    began = now_s()
    outcomes, _ = await run(memory, 4, lambda fan: fan.stop("finish"), grace_s=0.1)
    assert 0.35 <= now_s() - began < 1
    assert states(outcomes) == "stopped stopped done done"
    assert outcomes[0].exit == Exit(signal="TERM")
    assert outcomes[1].exit is None


async def test_a_second_finish_is_now() -> None:
    def twice(fan: FanOut) -> None:
        fan.stop("finish")
        fan.stop("finish")

    began = now_s()
    outcomes, _ = await run(Memory(default=stubborn), 4, twice)
    assert now_s() - began < 0.5
    assert states(outcomes) == "stopped stopped stopped stopped"


async def test_now_ends_64_nodes_at_once() -> None:
    times: list[float] = []

    def act(fan: FanOut) -> None:
        times.append(now_s())
        fan.stop("now")

    outcomes, _ = await run(Memory(default=stubborn), 200, act)
    assert now_s() - times[0] < 0.25
    assert {outcome.state for outcome in outcomes} == {"stopped"}
    assert sum(outcome.seconds > 0 for outcome in outcomes) == 64


class Clinging(Memory):
    """Its sessions take no notice of a cancel, and do not close."""

    ends: asyncio.Future[None]

    async def open(self, node: Node, deadline_s: float) -> MemorySession:
        session = await super().open(node, deadline_s)
        made = self

        class Session(MemorySession):
            __slots__ = ()

            async def run(self, *_: object) -> Exit:
                made.ends = asyncio.get_running_loop().create_future()
                while not made.ends.done():
                    try:
                        await asyncio.shield(made.ends)
                    except asyncio.CancelledError:
                        continue
                return Exit(0)

            async def aclose(self) -> None:
                await asyncio.sleep(1000)

        session.__class__ = Session
        return session


async def test_now_does_not_wait_for_a_session_that_clings() -> None:
    memory = Clinging()
    told: list[Outcome] = []

    class Listing(Watcher):
        def ended(self, outcome: Outcome) -> None:
            told.append(outcome)

    fan = FanOut(memory, Plan(), Listing(), lingers=True)
    asyncio.get_running_loop().call_later(0.05, fan.stop, "now")
    began = now_s()
    (outcome,) = await fan.run(nodes(1), work)
    took_s = now_s() - began
    unsettled = fan.unsettled
    memory.ends.set_result(None)
    await asyncio.sleep(0.01)
    assert took_s < 0.55
    assert unsettled
    assert outcome.state == "stopped"
    assert told == [outcome], "what comes later is told to nobody"


async def test_now_does_not_wait_for_goodbyes() -> None:
    class Polite(Memory):
        async def open(self, node: Node, deadline_s: float) -> MemorySession:
            session = await super().open(node, deadline_s)

            class Session(MemorySession):
                __slots__ = ()

                async def aclose(self) -> None:
                    await asyncio.sleep(1000)

            session.__class__ = Session
            return session

    for lingers, limit_s in ((True, 0.4), (False, fanout.CLOSE_S + 0.4)):
        fan = FanOut(Polite(default=sleeps), Plan(), Watcher(), lingers=lingers)
        asyncio.get_running_loop().call_later(0.05, fan.stop, "now")
        began = now_s()
        assert states(await fan.run(nodes(2), work)) == "stopped stopped"
        assert now_s() - began < limit_s
        assert fan.unsettled
        await fan.settle(0)
        await asyncio.sleep(0.01)
        assert not fan.unsettled


async def test_a_killing_is_not_broken_off_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "KILL_S", 0.05)
    cleaned: list[str] = []

    async def tidy(session: Session, sink: Sink) -> Exit:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.2)
            cleaned.append(session.node.name)
        return Exit(0)

    fan = FanOut(Memory(), Plan(timeout_s=0.05), Watcher())
    asyncio.get_running_loop().call_later(0.15, fan.stop, "now")
    outcomes = await fan.run(nodes(2), tidy)
    assert states(outcomes) == "timeout timeout"
    assert cleaned == ["n0", "n1"]


@pytest.mark.parametrize("how", ["finish", "now"])
async def test_stopped_before_it_began(how: Literal["finish", "now"]) -> None:
    memory = Memory()
    fan = FanOut(memory, Plan(), Watcher())
    fan.stop(how)
    assert states(await fan.run(nodes(3), work)) == "stopped stopped stopped"
    assert memory.opened == 0


async def test_a_cancel_of_the_run_ends_all() -> None:
    memory = Memory(default=stubborn)
    watcher = Watcher()
    doing = asyncio.create_task(FanOut(memory, Plan(), watcher).run(nodes(5), work))
    await asyncio.sleep(0.05)
    doing.cancel()
    began = now_s()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert now_s() - began < 0.3
    assert not memory.sessions
    assert len(watcher.outcomes) == 5


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(["ok", "slow", "lost", "dead", "hung", "stubborn"]), max_size=8),
    st.lists(st.tuples(st.sampled_from(["finish", "now"]), st.floats(0, 0.04)), max_size=3),
    st.integers(1, 5),
    st.sampled_from([None, 1, 3]),
)
def test_each_node_has_one_outcome_whatever_happens(
    kinds: list[str],
    stops: list[tuple[Literal["finish", "now"], float]],
    window: int,
    batch: int | None,
) -> None:
    programs = {"slow": answer(delay_s=0.02), "lost": sleeps, "stubborn": stubborn}
    faults = {
        "lost": Faults(lose_after_s=0.01),
        "dead": Faults(refuse="no"),
        "hung": Faults(open_s=math.inf),
    }
    memory = Memory(
        {f"n{i}": programs[kind] for i, kind in enumerate(kinds) if kind in programs},
        {f"n{i}": faults[kind] for i, kind in enumerate(kinds) if kind in faults},
    )

    async def body() -> list[Outcome]:
        loop = asyncio.get_running_loop()
        watcher = Watcher()
        plan = Plan(window, 0.1, 0.2, batch, on_lost="continue", grace_s=0.03)
        fan = FanOut(memory, plan, watcher)
        for how, when in stops:
            loop.call_later(when, fan.stop, how)
        async with asyncio.timeout(20):
            outcomes = await fan.run(nodes(len(kinds)), work)
        assert set(watcher.outcomes) == {f"n{i}" for i in range(len(kinds))}
        assert watcher.most <= window
        assert not memory.sessions
        return outcomes

    fanout_kill, fanout.KILL_S = fanout.KILL_S, 0.03
    try:
        outcomes = hastily(body())
    finally:
        fanout.KILL_S = fanout_kill
    if not stops:
        means = {"ok": "done", "slow": "done", "dead": "unreachable", "hung": "unreachable"}
        means |= {"lost": "lost", "stubborn": "timeout"}
        assert [outcome.state for outcome in outcomes] == [means[kind] for kind in kinds]
