"""Nodes that are cut off or die while the real manager runs jobs on them, over real ssh."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from clsh.jobs.forms import asking
from tests.support.manager import eventually
from tests.support.mortals import Clients, Ledger, Mortal
from tests.support.soak import figures, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.demo import Demo

JOBS = 500
CUTS = 20
CUT_S = sized(1.0, 30.0)
DOWN_S = sized(5.0, 60.0)
KEEPALIVE_S = sized(0.3, 4.0)  # the soak has what a manager has unsaid
PATIENCE_S = sized(100.0, 300.0)


@pytest.fixture
def manager(demo4: Demo, tmp_path: Path) -> Iterator[Mortal]:
    with Mortal(demo4, tmp_path / "manager", KEEPALIVE_S) as made:
        made.start()
        made.ready()
        yield made


def task(number: int) -> dict[str, Any]:
    (only,) = asking.job(number)["tasks"]
    return dict(only)


def reaches(number: int, state: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
    """Wait until a job's only task is in a state, and return it."""
    eventually(lambda: task(number)["state"] == state, within_s)
    return task(number)


def cut_off(demo4: Demo, names: Sequence[str], allow: Callable[[], None]) -> None:
    """Cut random ones of some nodes off: the link is down, or packets vanish without a word."""
    for _ in range(CUTS // 2):
        allow()
        cut = random.choice([demo4.unlinked, demo4.dropping])
        with cut(random.choice(names)):
            time.sleep(CUT_S)
        time.sleep(random.uniform(0, CUT_S / 10))


@pytest.mark.timeout(sized(300, 1500))
def test_cut_off_again_and_again_each_starts_at_most_once_and_ends(
    demo4: Demo, manager: Mortal
) -> None:
    """Two of the four nodes may be away at the same time."""
    began = time.monotonic()
    ledger = Ledger(demo4, "cut")
    clients = Clients(
        [
            ledger.request(f"c{n}", f"sleep 0.{random.randrange(10)}; exit {n % 3}")
            for n in range(JOBS)
        ]
    )
    with ThreadPoolExecutor(2) as threads:
        cutting = [
            threads.submit(cut_off, demo4, names, lambda: clients.allow(JOBS // CUTS))
            for names in (demo4.names[:2], demo4.names[2:])
        ]
    for one in cutting:
        one.result()
    clients.finish()
    jobs = manager.all_over(JOBS, PATIENCE_S)
    ran = ledger.started()
    assert {name: row["id"] for name, row in jobs.items()} == clients.acknowledged
    ended = {name: task(row["id"]) for name, row in jobs.items()}
    assert {name: one["status"] for name, one in ended.items()} == {
        f"c{n}": n % 3 for n in range(JOBS)
    }
    assert {one["attempt"] for one in ended.values()} == {1}
    assert ran == dict.fromkeys(clients.acknowledged, 1)
    figures(
        f"cut off for {CUT_S:g} s",
        jobs=JOBS,
        cuts=CUTS,
        lost=JOBS - len(ran),
        twice=sum(count > 1 for count in ran.values()),
        seconds=round(time.monotonic() - began, 1),
    )


@pytest.mark.timeout(sized(300, 600))
def test_a_link_that_is_down_hides_a_job_and_its_exit_code_comes_later(
    demo4: Demo, manager: Mortal
) -> None:
    began = time.monotonic()
    ledger = Ledger(demo4, "link")
    then = "until [ -e $0/go ]; do sleep 0.2; done; exit 7"
    wanted = {"nodes": ["node3"], "restart": "start", "again": 3}
    (number,) = asking.submit([ledger.request("link", then, **wanted)])
    reaches(number, "running")
    with demo4.unlinked("node3"):
        hidden = reaches(number, "unknown")
        assert "node3" in hidden["reason"]
        demo4.on("node1", "touch /shared/link/go")  # it ends while nobody can see it
        ends = time.monotonic() + DOWN_S
        while time.monotonic() < ends:
            assert task(number)["state"] == "unknown"
            time.sleep(0.2)
    told = reaches(number, "failed")
    assert (told["status"], told["attempt"]) == (7, 1)
    assert [one["node"] for one in told["nodes"]] == ["node3"]
    assert ledger.started() == {"link": 1}
    figures(
        f"link down for {DOWN_S:g} s", jobs=1, twice=0, seconds=round(time.monotonic() - began, 1)
    )


@pytest.mark.timeout(sized(300, 600))
def test_what_a_dead_node_ran_is_lost_and_starts_again_only_when_asked(
    demo4: Demo, manager: Mortal
) -> None:
    began = time.monotonic()
    ledger = Ledger(demo4, "dead")
    then = "[ -e $0/go ] || sleep 600"
    calm, again = asking.submit(
        [
            ledger.request("calm", then, nodes=["node2"]),
            ledger.request("again", then, nodes=["node2"], restart="start", again=1),
        ]
    )
    reaches(calm, "running")
    reaches(again, "running")
    demo4.on("node1", "touch /shared/dead/go")
    with demo4.killed("node2"):
        assert "node2" in reaches(calm, "unknown")["reason"]
        assert reaches(again, "unknown")["attempt"] == 1
    lost = reaches(calm, "lost")
    assert lost["reason"] == "the node was started again meanwhile"
    assert reaches(again, "done")["attempt"] == 2
    assert ledger.started() == {"calm": 1, "again": 2}
    asking.act("requeue", calm)
    assert reaches(calm, "done")["attempt"] == 2
    assert ledger.started() == {"calm": 2, "again": 2}
    figures("node dead", jobs=2, started_unasked=0, seconds=round(time.monotonic() - began, 1))
