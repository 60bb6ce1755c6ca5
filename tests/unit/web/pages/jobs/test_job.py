"""The page of a job: what it says of each state, its tasks, its output, what can be done."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from clsh.base.errors import ClshError, UnreachableError
from clsh.jobs.errors import NotNowError
from clsh.jobs.model import Request, Task
from clsh.jobs.notices.notice import Facts
from clsh.jobs.queue.notices import Fate
from tests.support.asking import html, parts, person, post
from tests.support.queued import Queued, on, some


async def test_a_running_job_says_for_how_long_where_and_why_there() -> None:
    page = html(await person("alice", some(Queued())).ask("/jobs/1"))
    for text in (
        "Job 1 cfd-mesh-42",
        "running for 2 h 14 min on node[1-2].",
        "node1: score 0.21, the lowest of 4; node2: score 0.30",
        "8 tasks",
        "step 4120 residual 3.1e-05",
        "warning: mesh is coarse",
        "Highest memory3 GB",
        "Tasks16",
    ):
        assert text in page.text
    assert "/c/demo/node1" in page.links()
    assert [given["data-chart"] for given in page.having("data-chart")] == [
        "load", "cpu", "memory", "network",
    ]  # fmt: skip
    assert [word for word in page.words if word in {"mpirun", "./solve", "--mesh", "42"}] == [
        "mpirun", "./solve", "--mesh", "42",
    ]  # fmt: skip
    assert re.search(r"submitted [\d:]+\s*started [\d:]+ after (59|60) s", page.text)
    assert "Owner:" not in page.text


async def test_a_failed_job_says_why_and_when() -> None:
    got = await person("alice", some(Queued())).ask("/jobs/5")
    page = html(got)
    assert "failed after 12 min on node2: RSS 8.2 GB of 8 GB allowed." in page.text
    assert "Ended withsignal KILL" in page.text
    assert "Memory limit8G" in page.text
    assert "Nothing was written." in page.text
    # The nodes' charts are of its time, and no figure of now stands at them.
    start, end = (float(one) for one in re.findall(r'data-(?:start|end)="([\d.]+)"', got.text))
    assert 720 <= end - start < 780
    assert 'data-follows=""' in got.text
    assert "of 4 cores" not in page.text
    assert "MB/s" not in page.text


async def test_who_was_told_of_it_and_who_could_not_be() -> None:
    queue = Queued()
    request = Request(("x",), notify=("ops", "a@example.org", "slow"))
    number = queue.add("alice", request, Task(0, 0, "done", 1, on("n"), "", 1.0, 2.0, 0))
    facts = Facts("end", number, None, "x", "alice", "done", 2.0, 1.0)
    queue.fates = [
        Fate("ops", facts, "told", 3.0, 1, ""),
        Fate("a@example.org", facts, "given up", 90000.0, 50, "OSError: \x1b[2J<b>no"),
        Fate("slow", facts, "waiting", 2.0, 0, ""),
    ]
    page = html(await person("alice", queue).ask("/jobs/1"))
    assert "ops was told" in page.text
    assert "a@example.org was not told, and will not be" in page.text
    assert "<b>no" in page.text
    assert "slow waits to be told" in page.text


async def test_a_waiting_job_has_no_output_no_charts_and_a_reason() -> None:
    page = html(await person("alice", some(Queued())).ask("/jobs/3"))
    assert "pending: needs 64 GB: node1, node2 are busy until about 12:40." in page.text
    assert "Not started yet." in page.text
    assert not page.having("data-chart")
    assert not [link for link in page.links() if link.endswith("/output")]


async def test_nodes_that_monitoring_does_not_know_are_no_links() -> None:
    queue = Queued()
    queue.add("alice", Request(("x",)), Task(0, 0, "running", 1, on("far"), "", time.time()))
    page = html(await person("alice", queue).ask("/jobs/1"))
    assert "far" in page.text
    assert not [link for link in page.links() if "far" in link]
    assert not page.having("data-chart")


async def test_a_job_whose_nodes_are_not_told_yet_says_so() -> None:
    queue = Queued()
    queue.add("alice", Request(("x",)), Task(0, 0, "starting", 1))
    page = html(await person("alice", queue).ask("/jobs/1"))
    assert "starting." in page.text
    assert "No node was chosen yet." in page.text


async def test_a_stretch_of_its_time_can_be_looked_at() -> None:
    got = await person("alice", some(Queued())).ask("/jobs/1?start=1000&end=1300")
    assert 'data-start="1000.0"' in got.text
    assert "/jobs/1" in html(got).links()
    assert "all of its time" in html(got).text
    data = parts(await person("alice", some(Queued())).ask("/jobs/1?as=data"))
    assert len(data["charts"]["load"]["curves"]) == 2


async def test_an_array_has_its_tasks_in_pages() -> None:
    alice = person("alice", some(Queued()))
    page = html(await alice.ask("/jobs/2"))
    keys = [given["data-key"] for given in page.having("data-key")]
    assert keys[:3] == ["hold", "cancel", "0"]
    assert len(keys) == 22
    assert "1 to 20 of 120" in page.text
    assert "all 120" in page.text
    assert "running 8" in page.text
    # One that runs is looked at first.
    assert "Output of task 50" in page.text
    assert "/jobs/2?at=20#tasks" in page.links()
    failed = html(await alice.ask("/jobs/2?only=failed&task=22"))
    keys = [given["data-key"] for given in failed.having("data-key")]
    assert keys == ["requeue22", "hold", "cancel", "5", "22", "39"]
    assert failed.text.count("exit status 3") >= 4
    assert "Output of task 22" in failed.text
    assert "/jobs/2?task=22#tasks" in failed.links()
    last = html(await alice.ask("/jobs/2?at=100"))
    assert "101 to 120 of 120" in last.text
    assert "/jobs/2?at=80#tasks" in last.links()
    assert "101 to 120 of 120" in html(await alice.ask("/jobs/2?at=5000")).text
    assert "/jobs/2#tasks" in html(await alice.ask("/jobs/2?at=20")).links()
    assert "1 to 20" in html(await alice.ask("/jobs/2?at=x")).text
    assert "No task is in this state." in html(await alice.ask("/jobs/2?only=lost")).text
    assert "cancel50" in [
        given["data-key"] for given in html(await alice.ask("/jobs/2?task=50")).having("data-key")
    ]


async def test_a_task_says_its_own_reason() -> None:
    queue = Queued()
    tasks = [
        Task(0, 1, "lost", 2, on("node1"), "", 1.0, 2.0, reason="its node went down"),
        Task(0, 2, "done", 1, on("node1"), "", 1.0, 2.0, 0),
    ]
    queue.add("alice", Request(("x",), "batch", array=(1, 2)), *tasks)
    page = html(await person("alice", queue).ask("/jobs/1"))
    assert "lost after 1.0 s on node1: task 1: its node went down." in page.text
    assert "Whyits node went down" in page.text
    assert "Attempt2" in page.text
    done = html(await person("alice", queue).ask("/jobs/1?task=2"))
    assert "Ended withexit status 0" in done.text


async def test_an_administrator_sees_whose_it_is() -> None:
    page = html(await person("root", some(Queued())).ask("/jobs/1"))
    assert "Owner: alice." in page.text
    assert "/jobs?owner=alice" in page.links()


async def test_an_open_page_is_told_what_is_written() -> None:
    queue = some(Queued())
    alice = person("alice", queue)
    got = await alice.ask("/jobs/1")
    news = parts(await alice.ask("/jobs/1?as=parts"))
    assert set(news["html"]) == {"say", "acts", "when", "facts", "places"}
    assert all(f'id="{name}"' in got.text for name in news["html"])
    assert "seen" not in news  # what is written changes without the jobs
    queue.write(1, b"\x1b[2Jstep <b>\n")
    news = parts(await alice.ask("/jobs/1?as=parts"))
    assert news["texts"]["output"][0].endswith("step <b>\n")
    assert news["texts"]["error"] == ["warning: mesh is coarse\n", ""]
    ended = parts(await alice.ask("/jobs/4?as=parts"))
    assert (await alice.ask(f"/jobs/4?as=parts&seen={ended['seen']}")).status == 204
    assert "tasks" in parts(await alice.ask("/jobs/2?as=parts"))["html"]


async def test_output_that_cannot_be_read_leaves_the_rest_of_the_page() -> None:
    queue = some(Queued())
    queue.unreadable = UnreachableError("node1", "no route to host")
    got = await person("alice", queue).ask("/jobs/1")
    assert got.status == 200
    assert "It cannot be read now: node1 unreachable: no route to host" in html(got).text


@pytest.mark.parametrize(
    ("number", "acts"),
    [(1, ["cancel"]), (2, ["hold", "cancel"]), (3, ["hold", "cancel"]), (4, ["requeue"]),
     (5, ["requeue"]), (6, ["release", "cancel"])],
)  # fmt: skip
async def test_what_can_be_done_depends_on_the_state(number: int, acts: list[str]) -> None:
    queue = some(Queued())
    queue.add("alice", Request(("x",), held=True))
    page = html(await person("alice", queue).ask(f"/jobs/{number}"))
    hidden = [given for given in page.having("value") if given.get("name") == "act"]
    assert [given["value"] for given in hidden] == acts
    # Each is asked for once more before it is done.
    assert sum(tag == "details" for tag, _ in page.elements) == len(acts)
    assert f"/jobs/new?like={number}" in page.links()


@pytest.mark.parametrize("act", ["cancel", "hold", "release", "requeue"])
@pytest.mark.parametrize("task", [None, 5])
async def test_acts_reach_the_service_and_lead_back(act: str, task: int | None) -> None:
    queue = some(Queued())
    fields = {"act": act} | ({} if task is None else {"task": str(task)})
    got = await post(person("alice", queue), "/jobs/2?task=5&lang=ko", fields)
    assert (got.status, got.headers["location"]) == (303, "/jobs/2?task=5&lang=ko")
    assert queue.acts == [(act, "alice", 2, task)]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotNowError("job 1 has ended already", hint="submit it again"), 409),
        (UnreachableError("node1", "no route to host"), 502),
        (ClshError("the disk is full"), 503),
    ],
)
async def test_an_act_that_cannot_be_says_why(error: ClshError, status: int) -> None:
    queue = some(Queued())
    queue.refuses = error
    got = await post(person("alice", queue), "/jobs/1", {"act": "cancel"})
    page = html(got)
    assert got.status == status
    assert "That was not done." in page.text
    assert str(error) in page.text
    assert "cfd-mesh-42" in page.text


async def test_other_acts_are_refused() -> None:
    queue = some(Queued())
    for act in ("", "delete", "__class__"):
        got = await post(person("alice", queue), "/jobs/1", {"act": act})
        assert got.status == 400
    assert queue.acts == []


async def test_states_are_not_said_before_a_node_said_them() -> None:
    queue = Queued()
    number = queue.add("alice", Request(("x",)), Task(0, 0, "starting", 1, on("node1")))
    alice = person("alice", queue)
    assert "starting" in html(await alice.ask("/jobs")).text
    queue.put(number, Task(0, 0, "unknown", 1, on("node1"), "", time.time()))
    for path in ("/jobs", "/jobs/1"):
        text = html(await alice.ask(path)).text
        assert "unknown" in text
        assert "running for" not in text
        assert "its node cannot be asked; it is not started again until that is clear" in text
    queue.put(number, Task(0, 0, "unknown", 1, on("node1"), reason="node1 is silent since 12:00"))
    assert "node1 is silent since 12:00" in html(await alice.ask("/jobs")).text


async def test_why_a_job_waits_for_others_or_its_release() -> None:
    queue = Queued()
    queue.add("alice", Request(("x",), held=True))
    second = queue.add("alice", Request(("x",), after=((1, "ok"), (7, "any"))))
    queue.put(second, Task(0, 0), state="waiting")
    third = queue.add("alice", Request(("x",)))
    queue.put(third, Task(0, 0), state="waiting")
    array = queue.add("alice", Request(("x",), "batch", array=tuple(range(99)), at_once=4))
    assert queue.found[array][0].state == "pending"
    fifth = queue.add("alice", Request(("x",)))
    queue.put(fifth, Task(0, 0), reason="no node has 64 GB")
    text = html(await person("alice", queue).ask("/jobs")).text
    for reason in (
        "until it is released", "for job 1, 7", "at most 4 at a time", "1 held",
        "no node has 64 GB",
    ):  # fmt: skip
        assert reason in text


async def test_what_never_began_did_not_end_with_anything() -> None:
    queue = Queued()
    task = Task(0, 0, "failed", ended=time.time(), reason="job 4 is not done")
    queue.add("alice", Request(("x",), after=((4, "ok"),)), task)
    text = html(await person("alice", queue).ask("/jobs/1")).text
    assert "failed: job 4 is not done." in text
    assert "Ended with" not in text
    assert "Download" not in text


async def test_a_cancelled_job_has_a_bar_too() -> None:
    queue = Queued()
    now = time.time()
    queue.add("alice", Request(("x",)), Task(0, 0, "cancelled", ended=now - 5), ago=65.0)
    page = html(await person("alice", queue).ask("/jobs/1"))
    assert re.search(r"ended [\d:]+ after (59|60) s", page.text)
    assert "cancelled" in page.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.9, "1.9 s"), (75, "75 s"), (2280, "38 min"), (8040, "2 h 14 min"), (7200, "2 h"),
     (86400 * 3 + 3600 * 4, "3 days 4 h"), (-5, "0.0 s")],
)  # fmt: skip
async def test_lengths_of_time_have_two_units_where_they_matter(seconds: float, text: str) -> None:
    queue = Queued()
    now = time.time()
    queue.add("alice", Request(("x",)), Task(0, 0, "done", 1, on("n"), "", now - seconds, now, 0))
    assert f"after {text} on" in html(await person("alice", queue).ask("/jobs/1")).text


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}\x1b[2J\u202e"


async def test_hostile_texts_stay_texts_on_every_page() -> None:
    queue = Queued()
    request = Request(
        (HOSTILE, HOSTILE), name=HOSTILE, directory=HOSTILE, output=HOSTILE, error=HOSTILE,
        environment={"A": HOSTILE}, notify=(HOSTILE,), nodes=("node1",), metric="named",
    )  # fmt: skip
    task = Task(0, 0, "failed", 1, on("node1"), HOSTILE, 1.0, 2.0, None, HOSTILE, HOSTILE, 1 << 20)
    queue.add(HOSTILE, request, task)
    queue.add("root", replace(request, kind="batch", array=(0, 1)), task, replace(task, index=1))
    queue.add("root", request, Task(0, 0, why=HOSTILE), reason="")
    for number in (1, 2):
        queue.write(number, HOSTILE.encode())
    root = person("root", queue)
    typed = {"act": HOSTILE, "task": HOSTILE, "argv": HOSTILE, "memory": HOSTILE, "kind": HOSTILE}
    for path in ("/jobs", "/jobs/1", "/jobs/2", "/jobs/3", "/jobs/new", f"/jobs/{HOSTILE}"):
        query = f"?q={HOSTILE}&owner={HOSTILE}&node={HOSTILE}&state={HOSTILE}&only={HOSTILE}"
        asked = [await root.ask(path), await root.ask(path + query)]
        if path != "/jobs" and HOSTILE not in path:
            asked.append(await post(root, path, typed))
        for got in asked:
            if "text/html" not in got.headers["content-type"]:
                continue
            assert "<script>alert" not in got.text
            typed_in = r'(value|href|action)="[^"]*"|<textarea.*?</textarea>'
            shown = re.sub(typed_in, "", got.text, flags=re.DOTALL)
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            page = html(got)  # which also refuses event handlers and texts in scripts
            assert not [tag for tag, _ in page.elements if tag == "img"]
            assert "49" not in [word.strip() for word in page.words]
