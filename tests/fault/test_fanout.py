"""Many nodes at once, some of which are lost, dead, hung or too long at work."""

from __future__ import annotations

import asyncio
import errno
import math
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, DeadlineError, NotAllowedError, UsageError
from clsh.nodes.model import Node
from clsh.remote import fanout
from clsh.remote.fanout import FanOut, Outcome, Plan
from clsh.remote.transport import Exit, Stream
from clsh.remote.transports.memory import Call, Faults, Memory, MemorySession, answer
from tests.support.watched import (
    Watcher,
    nodes,
    now_s,
    run,
    sleeps,
    states,
    stubborn,
    work,
)

if TYPE_CHECKING:
    from clsh.remote.transport import Session, Sink

pytestmark = pytest.mark.hasty


async def test_all_well() -> None:
    programs = {"n1": answer(b"out", status=3)}
    outcomes, watcher = await run(Memory(programs), 3)
    assert states(outcomes) == "done done done"
    assert [outcome.code for outcome in outcomes] == [0, 3, 0]
    assert watcher.kept["n1"].data == b"out"
    assert watcher.kept["n0"].data == b"true\n"


async def test_no_nodes() -> None:
    outcomes, _ = await run(Memory(), 0)
    assert outcomes == []


async def test_the_window_bounds_what_runs_and_is_filled() -> None:
    outcomes, watcher = await run(Memory(default=answer(delay_s=0.01)), 40, window=7)
    assert states(outcomes) == " ".join(["done"] * 40)
    assert watcher.most == 7
    assert watcher.order == [f"n{i}" for i in range(40)]


async def test_each_way_to_fail() -> None:
    faults = {
        "n0": Faults(refuse="connection refused"),
        "n1": Faults(lose_after_bytes=2),
        "n2": Faults(lose_after_s=0.05),
        "n3": Faults(open_s=math.inf),
    }
    memory = Memory({"n2": sleeps, "n4": answer(status=5)}, faults)
    outcomes, watcher = await run(memory, 5, connect_timeout_s=0.1)
    assert states(outcomes) == "unreachable lost lost unreachable done"
    assert [outcome.code for outcome in outcomes] == [13, 12, 12, 13, 5]
    assert outcomes[0].reason == "connection refused"
    assert "timed out" in outcomes[3].reason
    assert outcomes[1].reason == "the connection ended"
    assert watcher.kept["n1"].data == b"tr", "output so far is kept"
    assert 0.05 <= outcomes[2].seconds < 0.5
    assert outcomes[1].exit is None
    assert set(watcher.kept) == {"n1", "n2", "n4"}


async def test_a_lost_node_ends_all_when_that_is_asked_for() -> None:
    memory = Memory(default=sleeps, faults={"n3": Faults(lose_after_s=0.05)})
    began = now_s()
    outcomes, _ = await run(memory, 20, window=10, on_lost="stop")
    assert now_s() - began < 0.5
    assert outcomes[3].state == "lost"
    assert {o.state for o in outcomes if o.node.name != "n3"} == {"stopped"}
    assert outcomes[15].seconds == 0.0
    assert outcomes[0].code == 1


async def test_an_unreachable_node_is_not_a_lost_one() -> None:
    memory = Memory(faults={"n0": Faults(refuse="no")})
    outcomes, _ = await run(memory, 3, on_lost="stop")
    assert states(outcomes) == "unreachable done done"


# Limits on time.


async def test_a_command_that_takes_too_long_gets_term() -> None:
    outcomes, _ = await run(Memory({"n0": sleeps}), 2, timeout_s=0.05)
    assert states(outcomes) == "timeout done"
    assert outcomes[0].exit == Exit(signal="TERM")
    assert outcomes[0].code == 124
    assert outcomes[0].reason == "no end after 0.05 s"
    assert 0.05 <= outcomes[0].seconds < 1


async def test_and_kill_when_it_does_not_heed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "KILL_S", 0.1)
    outcomes, _ = await run(Memory({"n0": stubborn}), 2, timeout_s=0.05)
    assert states(outcomes) == "timeout done"
    assert outcomes[0].exit is None
    assert 0.15 <= outcomes[0].seconds < 1


async def test_the_limit_is_the_commands_not_the_connections() -> None:
    outcomes, _ = await run(Memory(faults={"n0": Faults(open_s=0.2)}), 1, timeout_s=0.1)
    assert states(outcomes) == "done"


async def test_a_deadline_within_the_work_is_a_timeout() -> None:
    async def own(session: Session, sink: Sink) -> Exit:
        raise DeadlineError(session.node.name, "too late", hint="be early")

    (outcome,) = await FanOut(Memory(), Plan(), Watcher()).run(nodes(1), own)
    assert (outcome.state, outcome.reason, outcome.hint) == ("timeout", "too late", "be early")


# Rolling runs.


async def test_a_batch_begins_when_the_one_before_has_ended() -> None:
    memory = Memory({"n1": answer(delay_s=0.1)}, {"n2": Faults(refuse="no")})
    watcher = Watcher()
    plan = Plan(batch=3, delay_s=0.1)
    loop = asyncio.get_running_loop()
    starts: dict[str, float] = {}

    async def noting(session: Session, sink: Sink) -> Exit:
        starts[session.node.name] = loop.time() - began
        return await work(session, sink)

    began = loop.time()
    outcomes = await FanOut(memory, plan, watcher).run(nodes(7), noting)
    assert states(outcomes) == "done done unreachable done done done done"
    assert max(starts["n0"], starts["n1"]) < 0.1
    assert all(0.2 <= starts[name] < 0.3 for name in ("n3", "n4", "n5"))
    assert 0.3 <= starts["n6"] < 0.4


async def test_the_window_holds_within_a_batch() -> None:
    _, watcher = await run(Memory(default=answer(delay_s=0.01)), 9, window=2, batch=4)
    assert watcher.most == 2


async def test_stopped_between_two_batches() -> None:
    began = now_s()
    outcomes, _ = await run(Memory(), 3, lambda fan: fan.stop("finish"), batch=1, delay_s=100)
    assert now_s() - began < 0.5
    assert states(outcomes) == "done stopped stopped"


@pytest.mark.parametrize("plan", [{"window": 0}, {"batch": 0}, {"batch": -1}])
def test_a_plan_that_could_never_end(plan: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Plan(**plan)  # type: ignore[arg-type]  # numbers all


# Hung nodes.


async def test_nodes_that_hang_while_connecting_lend_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All places are taken by hung nodes at first, and the others do not wait for them."""
    monkeypatch.setattr(fanout, "LEND_S", 0.05)
    faults = {f"n{i}": Faults(open_s=math.inf) for i in range(4)}
    memory = Memory(default=answer(delay_s=0.01), faults=faults)
    outcomes, watcher = await run(memory, 24, window=4, connect_timeout_s=1)
    assert {o.state for o in outcomes[:4]} == {"unreachable"}
    assert max(outcome.seconds for outcome in outcomes[4:]) < 0.1
    assert watcher.most <= 4


async def test_a_node_that_connects_late_waits_for_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fanout, "LEND_S", 0.02)
    memory = Memory(default=answer(delay_s=0.5), faults={"n0": Faults(open_s=0.3)})
    outcomes, watcher = await run(memory, 4, window=1)
    assert states(outcomes) == "done done done done"
    assert watcher.most == 1, "never two commands at a time, as -f 1 promises"
    assert watcher.order == ["n1", "n0", "n2", "n3"], "its turn comes next"


async def test_a_node_that_connects_late_finds_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "LEND_S", 0.02)
    memory = Memory(faults={"n0": Faults(open_s=0.4)})
    outcomes, watcher = await run(memory, 4, window=1)
    assert states(outcomes) == "done done done done"
    assert watcher.order == ["n1", "n2", "n3", "n0"]
    assert watcher.most == 1


async def test_a_late_node_is_stopped_while_it_waits_for_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fanout, "LEND_S", 0.01)
    faults = {"n0": Faults(open_s=0.1)}
    memory = Memory({"n1": answer(delay_s=0.6)}, faults)
    loop = asyncio.get_running_loop()
    watcher = Watcher()
    fan = FanOut(memory, Plan(window=1), watcher)
    loop.call_later(0.3, fan.stop, "finish")
    outcomes = await fan.run(nodes(3), work)
    assert states(outcomes) == "stopped done stopped"
    assert watcher.order == ["n1"]
    assert not memory.sessions


async def test_no_more_places_are_lent_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "LEND_S", 0.02)
    faults = {f"n{i}": Faults(open_s=math.inf) for i in range(10)}
    most = 0

    class Counting(Memory):
        opening = 0

        async def open(self, node: Node, deadline_s: float) -> MemorySession:
            nonlocal most
            self.opening += 1
            most = max(most, self.opening)
            try:
                return await super().open(node, deadline_s)
            finally:
                self.opening -= 1

    await run(Counting(faults=faults), 10, window=2, connect_timeout_s=0.2)
    assert most == 4


async def test_hung_and_slow_nodes_do_not_slow_the_others() -> None:
    """p95 of the others within 10 %, with 3 of 60 hung and 2 slow."""

    async def p95(faults: dict[str, Faults]) -> float:
        programs = {"n7": answer(delay_s=0.6), "n8": answer(delay_s=0.6)} if faults else {}
        memory = Memory(programs, faults, default=answer(delay_s=0.2))
        outcomes, _ = await run(memory, 60, window=30, connect_timeout_s=0.8)
        others = sorted(o.seconds for o in outcomes if o.state == "done" and o.seconds < 0.5)
        assert len(others) >= 55
        return others[len(others) * 95 // 100]

    alone = await p95({})
    beside = await p95({f"n{i}": Faults(open_s=math.inf) for i in range(3)})
    assert beside <= alone * 1.1 + 0.01


# Our own side fails.


class Full:
    """A sink on a disk that is full."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, stream: Stream, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device", "out/n1.out")


async def test_a_full_disk_fails_that_node_and_no_other() -> None:
    async def floods(call: Call) -> int:
        while True:
            await call.write("stdout", b"x" * 1000)
            await asyncio.sleep(0)

    class OneFull(Watcher):
        def opened(self, node: Node) -> Sink:
            usual = super().opened(node)
            return Full(100_000) if node.name == "n1" else usual

    outcomes = await FanOut(Memory({"n1": floods}), Plan(), OneFull()).run(nodes(3), work)
    assert states(outcomes) == "done failed done"
    assert outcomes[1].reason == "No space left on device: out/n1.out"
    assert outcomes[1].code == 1


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied", ""),
        (OSError("odd"), "odd", ""),
        (NotAllowedError("not you", hint="ask"), "not you", "ask"),
        (ClshError("too much"), "too much", ""),
    ],
)
async def test_no_place_for_the_output(error: Exception, reason: str, hint: str) -> None:
    class Refusing(Watcher):
        def opened(self, node: Node) -> Sink:
            raise error

    memory = Memory()
    outcomes = await FanOut(memory, Plan(), Refusing()).run(nodes(2), work)
    assert states(outcomes) == "failed failed"
    assert (outcomes[0].reason, outcomes[0].hint) == (reason, hint)
    assert not memory.ran


async def test_a_blocked_sink_blocks_its_node_alone_and_can_be_stopped() -> None:
    class Blocked:
        async def write(self, stream: Stream, data: bytes) -> None:
            await asyncio.sleep(1000)

    class OneBlocked(Watcher):
        def opened(self, node: Node) -> Sink:
            usual = super().opened(node)
            return Blocked() if node.name == "n0" else usual

    watcher = OneBlocked()
    memory = Memory(default=answer(b"data"))
    fan = FanOut(memory, Plan(), watcher)
    asyncio.get_running_loop().call_later(0.1, fan.stop, "now")
    outcomes = await fan.run(nodes(3), work)
    assert states(outcomes) == "stopped done done"
    assert outcomes[1].seconds < 0.1


async def test_a_defect_in_the_work_is_raised_when_all_has_ended() -> None:
    async def broken(session: Session, sink: Sink) -> Exit:
        if session.node.name == "n1":
            raise ZeroDivisionError("ours")
        return await work(session, sink)

    memory = Memory(default=sleeps)
    watcher = Watcher()
    with pytest.raises(ZeroDivisionError, match="ours"):
        await FanOut(memory, Plan(), watcher).run(nodes(3), broken)
    assert not memory.sessions
    assert len(watcher.outcomes) == 3


async def test_a_defect_in_the_observer_is_raised_when_all_has_ended() -> None:
    class Broken(Watcher):
        def ended(self, outcome: Outcome) -> None:
            super().ended(outcome)
            raise ZeroDivisionError(outcome.node.name)

    memory = Memory({"n0": sleeps, "n2": sleeps})
    watcher = Broken()
    with pytest.raises(ZeroDivisionError, match="n1"):
        await FanOut(memory, Plan(), watcher).run(nodes(3), work)
    assert not memory.sessions
    assert len(watcher.outcomes) == 3


# Sessions are closed side by side.


async def test_sessions_close_beside_each_other_and_hold_up_nobody() -> None:
    class Slow(Memory):
        async def open(self, node: Node, deadline_s: float) -> MemorySession:
            session = await super().open(node, deadline_s)

            class Session(MemorySession):
                __slots__ = ()

                async def aclose(self) -> None:
                    await asyncio.sleep(0.1)
                    await super().aclose()

            session.__class__ = Session
            return session

    began = now_s()
    outcomes, _ = await run(Slow(), 50, window=2)
    assert now_s() - began < 0.4
    assert max(outcome.seconds for outcome in outcomes) < 0.05
