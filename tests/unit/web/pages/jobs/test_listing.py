"""The list of jobs: whose they are, in which order, why they wait or failed."""

from __future__ import annotations

import re
import time

import pytest

from clsh.jobs.model import Request, Task
from clsh.jobs.wish import Wish
from tests.support.asking import Html, html, parts, person
from tests.support.queued import PEOPLE, Queued, on, some


def numbers(page: Html) -> list[str]:
    return [given["data-key"] for given in page.having("data-key")]


def a_job(queue: Queued, owner: str = "alice", state: str = "done", **values: object) -> int:
    now = time.time()
    given: dict[str, object] = {"started": now - 60, "ended": now - 30, "status": 0}
    task = Task(0, 0, state, 1, on("node1"), **(given | values))  # type: ignore[arg-type]  # a test's
    return queue.add(owner, Request(("true",)), task)


async def test_the_list_begins_with_the_answer() -> None:
    page = html(await person("alice", some(Queued())).ask("/jobs"))
    assert "2 running, 1 waiting, 1 failed in the last day. 5 jobs in all." in page.text
    assert page.text.index("2 running") < page.text.index("cfd-mesh-42")
    assert "/jobs?state=running" in page.links()
    assert next(given["aria-current"] for given in page.having("aria-current")) == "page"


async def test_without_jobs_there_is_the_way_to_the_first() -> None:
    page = html(await person("alice", Queued()).ask("/jobs"))
    assert "No job yet. Submit the first one." in page.text
    assert "/jobs/new" in page.links()
    assert not page.having("data-key")


async def test_each_row_says_where_for_how_long_and_why() -> None:
    page = html(await person("alice", some(Queued())).ask("/jobs"))
    for text in (
        "parallel, 16 tasksrunningnode[1-2]2 h 14 min",
        "batch, 50 of 120",
        "needs 64 GB: node1, node2 are busy until about 12:40",
        "RSS 8.2 GB of 8 GB allowed",
        "node41.9 s",
    ):
        assert text in page.text
    assert numbers(page) == ["5", "4", "3", "2", "1"]


async def test_a_user_sees_their_own_and_an_administrator_all_with_owners() -> None:
    queue = some(some(Queued(), "bob"), "alice")
    page = html(await person("alice", queue).ask("/jobs"))
    assert numbers(page) == ["10", "9", "8", "7", "6"]
    assert "bob" not in page.text
    assert "Owner" not in page.text
    # Nor by naming somebody else.
    assert numbers(html(await person("alice", queue).ask("/jobs?owner=bob"))) == numbers(page)
    everything = html(await person("root", queue).ask("/jobs"))
    assert len(numbers(everything)) == 10
    assert "Owner" in everything.text
    assert "/jobs?owner=bob" in everything.links()
    assert "/jobs?owner=root" in everything.links()
    assert numbers(html(await person("root", queue).ask("/jobs?owner=bob"))) == list("54321")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=running", "21"), ("state=queued", "3"), ("state=unfinished", "321"),
        ("state=done", "4"), ("state=held", ""), ("state=nonsense", "54321"), ("q=train", "3"),
        ("q=--night", "5"), ("node=node4", "42"), ("sort=id", "12345"), ("sort=name", "15243"),
        ("sort=-name", "34251"), ("sort=nonsense", "54321"), ("offset=3", "21"),
        ("offset=x", "54321"), ("offset=999999999999", "54321"), ("offset=77", ""),
    ],
)  # fmt: skip
async def test_the_list_is_filtered_and_sorted_by_the_service(query: str, shown: str) -> None:
    queue = some(Queued())
    page = html(await person("alice", queue).ask(f"/jobs?{query}"))
    assert "".join(numbers(page)) == shown
    if not shown:
        assert "No job matches." in page.text
    assert "5 jobs in all" in page.text


async def test_heads_turn_the_order_and_links_keep_the_filter() -> None:
    page = html(await person("alice", some(Queued())).ask("/jobs?q=s&state=unfinished&lang=ko"))
    assert "/jobs?q=s&state=unfinished&lang=ko&sort=id" in page.links()
    assert "/jobs?q=s&state=unfinished&lang=ko&sort=name" in page.links()
    assert "/jobs/1?lang=ko" in page.links()
    hidden = [given for given in page.having("type") if given["type"] == "hidden"]
    assert [(given["name"], given["value"]) for given in hidden] == [("lang", "ko")]
    (way,) = page.having("aria-sort")
    assert way["aria-sort"] == "descending"


async def test_pages_are_made_on_the_server() -> None:
    queue = Queued()
    for _ in range(120):
        a_job(queue)
    alice = person("alice", queue)
    first = html(await alice.ask("/jobs"))
    assert "1 to 50 of 120" in first.text
    assert numbers(first)[0] == "120"
    assert "/jobs?offset=50" in first.links()
    assert "newer" not in first.text
    last = html(await alice.ask("/jobs?offset=100"))
    assert "101 to 120 of 120" in last.text
    assert "/jobs?offset=50" in last.links()
    assert "older" not in last.text
    assert "/jobs" in html(await alice.ask("/jobs?offset=50&sort=id")).links()
    assert queue.asked[0] == Wish()
    beyond = html(await alice.ask("/jobs?offset=900"))
    assert "/jobs?offset=100" in beyond.links()


async def test_what_has_ended_is_asked_for_once() -> None:
    queue = some(Queued())
    alice = person("alice", queue)
    await alice.ask("/jobs")
    assert sorted(queue.fetched) == [1, 3, 4, 5]  # not for the tasks of the array
    await alice.ask("/jobs")
    assert sorted(queue.fetched[4:]) == [1, 3]
    queue.put(4, Task(4, 0, "failed", 2, on("node1"), "", 1.0, time.time(), 7))
    assert "exit status 7" in html(await alice.ask("/jobs")).text


async def test_only_so_many_ended_jobs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clsh.web.pages.jobs.details._MOST_KEPT", 2)
    queue = Queued()
    for _ in range(3):
        a_job(queue)
    alice = person("alice", queue)
    await alice.ask("/jobs")
    await alice.ask("/jobs")
    assert len(queue.fetched) == 3 + 1


async def test_a_job_that_is_removed_meanwhile_keeps_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queued()
    a_job(queue)

    async def gone(*_: object) -> dict[int, list[Task]]:
        return {}

    monkeypatch.setattr(queue, "few", gone)
    assert numbers(html(await person("alice", queue).ask("/jobs"))) == ["1"]


async def test_failures_are_counted_down_to_yesterday() -> None:
    queue = Queued()
    for age in [2 * 86400.0] * 80 + [60.0] * 150:
        a_job(queue, state="failed", status=1, ended=time.time() - age)
    assert "150 failed in the last day" in html(await person("alice", queue).ask("/jobs")).text


async def test_failures_of_days_ago_are_no_news() -> None:
    queue = Queued()
    a_job(queue, state="failed", status=1, ended=time.time() - 2 * 86400)
    assert "failed in the last day" not in html(await person("alice", queue).ask("/jobs")).text


async def test_an_open_list_is_told_what_is_new_and_else_nothing() -> None:
    queue = some(Queued())
    alice = person("alice", queue)
    got = await alice.ask("/jobs")
    news = parts(await alice.ask("/jobs?as=parts"))
    assert set(news["html"]) == {"say", "rows", "pager"}
    for name, text in news["html"].items():
        assert f'id="{name}"' in got.text
        assert text.strip() in got.text
    asked = len(queue.asked)
    quiet = await alice.ask(f"/jobs?as=parts&seen={news['seen']}")
    assert (quiet.status, quiet.body, len(queue.asked)) == (204, b"", asked)
    await queue.cancel(PEOPLE["alice"], 3)
    assert (await alice.ask(f"/jobs?as=parts&seen={news['seen']}")).status == 200


@pytest.mark.parametrize("language", ["en", "ko", "zh"])
@pytest.mark.parametrize("path", ["/jobs", "/jobs?state=failed", "/jobs/1", "/jobs/2", "/jobs/new"])
async def test_every_page_is_whole_in_every_language(path: str, language: str) -> None:
    got = await person("alice", some(Queued())).ask(path, accept_language=language)
    page = html(got)
    assert got.status == 200
    assert {"en": 'lang="en"', "ko": 'lang="ko"', "zh": 'lang="zh-CN"'}[language] in got.text[:60]
    assert not re.search(r"\{\w+\}", page.text)
    ids = [given["id"] for given in page.having("id")]
    assert len(ids) == len(set(ids))
    assert got.headers["cache-control"] == "no-store"
