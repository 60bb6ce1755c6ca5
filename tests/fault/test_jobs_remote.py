"""Attempts live through what kills their manager, their link, and not what kills their node."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.support.attempts import Driver, sleepers, until

if TYPE_CHECKING:
    from tests.support.demo import Demo

SPOOL = "/tmp/spool"
COUNT = 120


def one(name: str, script: str, node: str) -> list[Any]:
    return [name, "root", {"argv": ["sh", "-c", script]}, [[node, 1]]]


def test_a_manager_killed_again_and_again_starts_nothing_twice_and_loses_nothing(
    demo4: Demo,
) -> None:
    """Each attempt adds a line to a file of its own on the node: there must be just one."""
    chance = random.Random(4711)
    for name in demo4.names:
        demo4.on(name, "mkdir -p /tmp/ran")
    open_ = {
        f"k{n}": one(f"k{n}", f"echo x >>/tmp/ran/k{n}", demo4.names[n % 4]) for n in range(COUNT)
    }
    kills = 0
    for _ in range(60):
        with Driver(demo4, "root", SPOOL) as driver:
            driver.ask("slots")
            reports = driver.ask("ask", *open_.values())
            for report in reports:
                if report["phase"] == "ended":
                    del open_[report["id"]]
                assert report["phase"] in {"absent", "running", "ended"}, report
            if not open_:
                break
            absent = [r["id"] for r in reports if r["phase"] == "absent"]
            batch = [driver.send("start", *open_[name]) for name in absent[: COUNT // 8]]
            if batch and chance.random() < 0.8:
                driver.answer(batch[chance.randrange(len(batch))])
            kills += 1
    assert not open_
    assert kills >= 8
    seen = [line for name in demo4.names for line in demo4.on(name, "cat /tmp/ran/*").split()]
    assert len(seen) == COUNT


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


def test_a_node_that_was_started_again_has_lost_its_attempts(demo4: Demo) -> None:
    attempt = one("boot", "sleep 600", "node2")
    spool = "/var/lib/boot-spool"  # /tmp does not outlive the node
    with Driver(demo4, "root", spool) as driver:
        assert driver.ask("start", *attempt)["phase"] == "running"
        with demo4.killed("node2"):
            (said,) = driver.ask("ask", attempt)
            assert said["phase"] == "unknown"
        lost = driver.end_of("boot")
        assert (lost["phase"], lost["reason"]) == ("lost", "the node was started again meanwhile")
        (said,) = driver.ask("ask", attempt)
        assert said["phase"] == "lost"
        assert driver.ask("start", *attempt)["phase"] == "lost"
    demo4.on("node2", f"rm -rf {spool}")


def test_a_link_that_is_down_hides_an_attempt_and_its_exit_code_comes_later(demo4: Demo) -> None:
    attempt = one("link", "sleep 2; exit 9", "node3")
    with Driver(demo4, "root", SPOOL) as driver:
        assert driver.ask("start", *attempt)["phase"] == "running"
        with demo4.unlinked("node3"):

            def unknown() -> bool:
                (said,) = driver.ask("ask", attempt)
                assert said["phase"] in {"unknown", "running"}
                return bool(said["phase"] == "unknown")

            until(unknown)
            until(lambda: "9 0" in demo4.on("node3", f"cat {SPOOL}/link/status", check=False))
            assert "link" not in driver.told
        assert driver.end_of("link")["status"] == 9


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
