"""Who may see the pages of jobs, and what is kept of them: nothing. Files are for keeping."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from clsh.base.errors import ClshError, UnreachableError
from clsh.web import app as web
from clsh.web.pages.jobs import files
from tests.support.asking import html, person, pictured, post
from tests.support.queued import PEOPLE, Queued, some
from tests.support.web import Browser, a_control

PATHS = ("/jobs", "/jobs/new", "/jobs/1", "/jobs/1/0/output")
FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": "http://evil.example.org"},
    {"origin": "null"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
)


@pytest.mark.parametrize("path", PATHS)
async def test_anonymous_is_sent_to_the_login_and_back(path: str) -> None:
    for name in ("", "nobody"):
        browser = person(name, some(Queued()))
        got = await browser.ask(path, accept="text/html")
        assert (got.status, got.headers["location"]) == (303, f"/login?next={quote(path, '')}")
        assert got.body == b""
        assert (await browser.ask(f"{path}?as=parts")).status == 401
    got = await person("", Queued()).ask("/jobs?state=done&q=a%20b", accept="text/html")
    assert got.headers["location"] == "/login?next=%2Fjobs%3Fstate%3Ddone%26q%3Da%2520b"


@pytest.mark.parametrize("path", ["/jobs/new", "/jobs/1"])
async def test_anonymous_changes_nothing(path: str) -> None:
    queue = some(Queued())
    got = await post(person("", queue), f"{path}?x=1", {"argv": "true", "act": "cancel"})
    assert got.status == 401
    assert (queue.acts, len(queue.found)) == ([], 5)


@pytest.mark.parametrize("path", ["/jobs/new", "/jobs/1"])
@pytest.mark.parametrize("headers", FOREIGN)
async def test_pages_of_others_change_nothing(path: str, headers: dict[str, str]) -> None:
    queue = some(Queued())
    got = await person("alice", queue).ask(
        path, "POST", b"argv=true&act=cancel",
        content_type="application/x-www-form-urlencoded", **headers,
    )  # fmt: skip
    assert got.status == 403
    assert (queue.acts, len(queue.found)) == ([], 5)


@pytest.mark.parametrize(
    "path", ["/jobs/1", "/jobs/1?task=0", "/jobs/1/0/output", "/jobs/1?as=data"]
)
async def test_a_job_of_others_is_answered_like_one_that_is_not(path: str) -> None:
    queue = some(Queued())
    bob = person("bob", queue)
    there, missing = await bob.ask(path), await bob.ask(path.replace("/1", "/77", 1))
    assert (there.status, missing.status) == (404, 404)
    assert there.headers.keys() == missing.headers.keys()
    if "as=" not in path:
        assert html(there).text.replace("job 1", "job 77") == html(missing).text
    acts = [await post(bob, f"/jobs/{number}", {"act": "cancel"}) for number in (1, 77)]
    assert [got.status for got in acts] == [404, 404]
    assert queue.acts == []


@pytest.mark.parametrize("name", ["0", "-1", "x", "1e3", "\u0661", "9" * 40, "1.0", "%2e%2e"])
async def test_what_is_no_number_is_no_job(name: str) -> None:
    got = await person("root", some(Queued())).ask(f"/jobs/{name}")
    assert got.status == 404
    assert "There is no job" in html(got).text


async def test_nothing_private_is_kept_by_anybody() -> None:
    alice = person("alice", some(Queued()))
    for path in PATHS:
        got = await alice.ask(path)
        assert got.status == 200
        assert got.headers["cache-control"] == "no-store"
        assert "etag" not in got.headers


async def test_too_long_an_address_is_refused() -> None:
    assert (await person("alice", Queued()).ask("/jobs?q=" + "x" * 5000)).status == 414


@pytest.mark.parametrize(
    ("path", "name", "body"),
    [
        ("/jobs/4/0/output", "job-4.out", b"3.141592653\n"),
        ("/jobs/1/0/error", "job-1.err", b"warning: mesh is coarse\n"),
        ("/jobs/2/50/output", "job-2.50.out", b""),
    ],
)
async def test_a_file_is_for_keeping(path: str, name: str, body: bytes) -> None:
    got = await person("alice", some(Queued())).ask(path)
    assert got.status == 200
    assert got.body == body
    assert got.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert "script-src" not in got.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/jobs/4/1/output", "/jobs/4/x/output", "/jobs/4/0/input"])
async def test_what_is_no_file_is_not_there(path: str) -> None:
    assert (await person("alice", some(Queued())).ask(path)).status == 404


async def test_a_large_file_comes_whole_and_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = some(Queued())
    data = bytes(range(256)) * 4096
    queue.written[4, 0, "output"] = data
    assert (await person("alice", queue).ask("/jobs/4/0/output")).body == data
    monkeypatch.setattr(files, "_CHUNK", 1000)
    names = {"index": "0", "stream": "output"}
    answer: Any = await files.download(queue, PEOPLE["alice"], 4, names, 3)  # type: ignore[arg-type]  # as far as pages ask
    pieces = [piece async for piece in answer.body_iterator]
    assert [len(piece) for piece in pieces] == [1000, 1000, 1000]


async def test_a_file_that_cannot_be_read_says_why_or_is_broken_off() -> None:
    queue = some(Queued())
    queue.unreadable = UnreachableError("node4", "no route to host")
    got = await person("alice", queue).ask("/jobs/4/0/output")
    assert got.status == 502
    assert "no route to host" in got.text
    queue.unreadable = None
    queue.written[4, 0, "output"] = b"x" * 600_000
    alice = PEOPLE["alice"]
    answer: Any = await files.download(queue, alice, 4, {"index": "0", "stream": "output"})  # type: ignore[arg-type]  # as far as pages ask
    pieces = answer.body_iterator
    assert await anext(pieces)
    queue.unreadable = UnreachableError("node4", "no route to host")
    with pytest.raises(UnreachableError):
        await anext(pieces)


async def test_a_queue_that_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queued()

    async def fails(*_: object) -> None:
        raise ClshError("the queue of jobs is not open yet", hint="try again in a moment")

    monkeypatch.setattr(queue, "jobs", fails)
    for path in ("/jobs", "/jobs/new"):
        got = await person("alice", queue).ask(path, accept="text/html")
        assert got.status == 503
        assert "the queue of jobs is not open yet" in got.text
        assert "try again in a moment" in got.text


async def test_without_jobs_there_are_no_pages_of_them() -> None:
    browser = Browser(web.build(pictured(), a_control()))  # type: ignore[arg-type]  # as far as pages ask
    assert (await browser.ask("/jobs")).status == 404


def test_every_route_of_jobs_is_declared() -> None:
    app: Any = web.build(pictured(), a_control(), jobs=Queued())  # type: ignore[arg-type]  # as far as pages ask
    found = {
        (method, route.path)
        for route in app.router.routes
        if getattr(route, "path", "").startswith("/jobs")
        for method in route.methods - {"HEAD"}
    }
    assert found == {
        ("GET", "/jobs"), ("GET", "/jobs/new"), ("POST", "/jobs/new"), ("GET", "/jobs/{job}"),
        ("POST", "/jobs/{job}"), ("GET", "/jobs/{job}/{index}/{stream}"),
    }  # fmt: skip
    declared = {path for path, need in web.PAGES.items() if need == "user"} - {"/account"}
    assert {path for _, path in found} == declared
