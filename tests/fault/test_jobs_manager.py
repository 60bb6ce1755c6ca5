"""The real manager is killed while it takes and runs jobs on real nodes, over real ssh."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from clsh.jobs.forms import asking
from tests.support.mortals import Clients, Ledger, Mortal
from tests.support.soak import figures, sized

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.demo import Demo

SUBMISSIONS = sized(400, 2000)
KILLS = sized(12, 50)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_PAUSE_S", 0.05)


@pytest.mark.timeout(sized(300, 900))
def test_killed_at_random_none_is_lost_and_none_runs_twice(demo4: Demo, tmp_path: Path) -> None:
    """Some die while they start, most while they take, place, start and end jobs."""
    began = time.monotonic()
    ledger = Ledger(demo4, "killed")
    requests = [
        ledger.request(f"k{n}", f"sleep {random.choice([0, 0, 0, 0.3])}")
        for n in range(SUBMISSIONS)
    ]
    clients = Clients(requests)
    with Mortal(demo4, tmp_path / "manager") as manager:
        for kill in range(KILLS):
            manager.start()
            clients.allow(-(-SUBMISSIONS // KILLS))
            if kill % 5:
                manager.ready()
            time.sleep(random.uniform(0, 0.4))
            manager.kill()
        manager.start()
        clients.finish()
        manager.ready()
        jobs = manager.all_over(SUBMISSIONS)
    ran = ledger.started()
    assert {key: row["id"] for key, row in jobs.items()} == clients.acknowledged
    assert {row["state"] for row in jobs.values()} == {"done"}
    assert ran == dict.fromkeys(clients.acknowledged, 1)
    figures(
        "manager killed at random",
        submissions=SUBMISSIONS,
        kills=KILLS,
        retries=clients.retries,
        lost=SUBMISSIONS - len(ran),
        twice=sum(count > 1 for count in ran.values()),
        seconds=round(time.monotonic() - began, 1),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("claimed", [True, False])
def test_killed_between_a_start_and_its_record_only_the_claim_prevents_a_second(
    demo4: Demo, tmp_path: Path, *, claimed: bool
) -> None:
    """So the tests above can fail: without the claim on the node the same is found twice."""
    began = time.monotonic()
    ledger = Ledger(demo4, f"claimed-{claimed}")
    count, kills = 12, 2
    fault = "" if claimed else "unclaimed"
    clients = Clients([ledger.request(f"u{n}") for n in range(count)])
    with Mortal(demo4, tmp_path / "manager") as manager:
        for _ in range(kills):
            manager.start(f"{fault},dies")
            clients.allow(count // kills // 2)
            manager.died()
        manager.start(fault)
        clients.finish()
        manager.ready()
        manager.all_over(count)
    ran = ledger.started()
    assert set(ran) == set(clients.acknowledged)
    twice = sum(times > 1 for times in ran.values())
    assert (twice == 0) is claimed
    figures(
        f"killed at a start, {'with' if claimed else 'without'} the claim",
        submissions=count,
        kills=kills,
        twice=twice,
        seconds=round(time.monotonic() - began, 1),
    )
