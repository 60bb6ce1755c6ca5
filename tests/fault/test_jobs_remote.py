"""Attempts of the engine `remote`: two managers that start the same, a runner that is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.attempts import Driver, sleepers, until

if TYPE_CHECKING:
    from tests.support.demo import Demo

SPOOL = "/tmp/spool"


def one(name: str, script: str, node: str) -> list[Any]:
    return [name, "root", {"argv": ["sh", "-c", script]}, [[node, 1]]]


def test_two_managers_start_the_same_once(demo4: Demo) -> None:
    many = [one(f"two{n}", f"echo x >>/tmp/two{n}", "node1") for n in range(30)]
    with Driver(demo4, "root", SPOOL) as first, Driver(demo4, "root", SPOOL) as second:
        asked = [
            (driver, driver.send("start", *each)) for each in many for driver in (first, second)
        ]
        phases = {driver.answer(number)["phase"] for driver, number in asked}
        assert phases <= {"running", "ended"}
        until(lambda: {r["phase"] for r in second.ask("ask", *many)} == {"ended"})
    assert demo4.on("node1", "cat /tmp/two*").split() == ["x"] * 30


def test_a_runner_that_was_killed_is_lost_and_its_task_with_it(demo4: Demo) -> None:
    attempt = one("runner", "exec sleep 4713", "node4")
    with Driver(demo4, "root", SPOOL) as driver:
        driver.ask("start", *attempt)
        until(lambda: sleepers(demo4, "node4", "4713") == 1)
        demo4.on("node4", f"read p _ <{SPOOL}/runner/pid; kill -9 $p")

        def lost() -> bool:
            (said,) = driver.ask("ask", attempt)
            return bool(said["phase"] == "lost")

        until(lost)
    until(lambda: sleepers(demo4, "node4", "4713") == 0)
