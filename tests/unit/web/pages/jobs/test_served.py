"""The pages over the jobs themselves, not what stands for them in the other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsh.jobs.engines.memory import MemoryEngine
from clsh.jobs.model import Slots
from clsh.web.app import build
from clsh.web.pages import routes
from tests.support.asking import html
from tests.support.jobs import ALICE, ended, made, reached, run, running
from tests.support.web import Browser, a_control, a_monitor

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_list_and_a_job_of_many_tasks(tmp_path: Path) -> None:
    engine = MemoryEngine()
    engine.nodes = {f"n{number}": Slots(f"n{number}", 40) for number in (1, 2)}
    async with running(made(tmp_path, engine)) as jobs:
        monitor = a_monitor()
        app = build(monitor, a_control(owner_uid=0), pages=routes(monitor, jobs), jobs=jobs)
        root = Browser(app, 0)
        array = tuple(range(200, 0, -2))
        many, bad = await jobs.submit(
            ALICE,
            [run("exit", "3", kind="batch", array=array, name="sweep"), run("exit", "5")],
        )
        (long,) = await jobs.submit(ALICE, [run("sleep", "1000", name="long")])
        await ended(jobs, many, "failed")
        await ended(jobs, bad, "failed")
        await reached(jobs, long, lambda job, _: "running" in job.counts)
        listed = html(await root.ask("/jobs")).text
        assert "2 failed in the last day" in listed
        assert "exit status 5" in listed
        assert "100 of 100 tasks failed" in listed
        page = html(await root.ask(f"/jobs/{many}?at=20"))
        assert "on n[1-2]: 100 of 100 tasks failed." in page.text
        assert "21 to 40 of 100" in page.text
        indexes = [int(text) for text in page.words if text.isdigit()]
        assert list(array[20:40]) == [n for n in indexes if n in array[20:40]][:20]
        assert "1 to 20 of 100" in html(await root.ask(f"/jobs/{many}?only=failed")).text
        assert "No task is in this state." in html(await root.ask(f"/jobs/{many}?only=done")).text
        one = html(await root.ask(f"/jobs/{many}?task=2")).text
        assert "of task 2" in one
        assert "Requeue task 2" in one
        assert (await root.ask(f"/jobs/{many}/2/output")).status == 200
        assert (await root.ask(f"/jobs/{many}/3/output")).status == 404
        assert "running" in html(await root.ask(f"/jobs/{long}")).text
