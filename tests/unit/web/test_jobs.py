"""Jobs over the API: each answer against its schema, each refusal, and who sees what."""

from __future__ import annotations

import asyncio
import hashlib
import json
import pwd
from typing import Any

import pytest

from clsh.base.errors import ClshError, UnreachableError
from clsh.jobs.model import Place, Request
from clsh.jobs.notices.notice import Facts
from clsh.jobs.queue.notices import Fate
from clsh.jobs.sent.store import NoRoomError
from clsh.web.api.schemas import SCHEMAS
from tests.support.job_manager import FakeJobs
from tests.support.web import Browser, Got, a_control, a_monitor, an_app
from tests.unit.web.test_api import wrong

ROOT = 0
NOBODY = pwd.getpwnam("nobody").pw_uid
NAMELESS = 54321


def browsers(jobs: FakeJobs | None, *uids: int | None) -> list[Browser]:
    app = an_app(a_monitor(), a_control(owner_uid=NAMELESS - 1), jobs=jobs)
    return [Browser(app, uid) for uid in uids or (ROOT,)]


async def post(browser: Browser, body: Any, path: str = "/api/v1/jobs") -> Got:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await browser.ask(path, "POST", data)


async def submitted(browser: Browser, **fields: object) -> int:
    got = await post(browser, {"jobs": [{"argv": ["sleep", "1"], **fields}]})
    assert got.status == 201, got.text
    assert not wrong(got.json, {"$ref": "#/components/schemas/Submitted"})
    number: int = got.json["jobs"][0]
    return number


async def test_submitted_as_one_asks() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    body = {
        "jobs": [
            {"argv": ["a", "b c"], "memory": "4G", "time_limit": 60, "key": "k1"},
            {"argv": "echo 'x y'", "array": "0-9%2", "environment": {"A": "1"}},
        ]
    }
    got = await post(root, body)
    assert (got.status, got.json) == (201, {"jobs": [1, 2]})
    assert jobs.found[1].request == Request(("a", "b c"), memory=4 << 30, time_limit=60, key="k1")
    assert jobs.found[2].request.array == tuple(range(10))
    assert (await post(root, {"jobs": body["jobs"][:1]})).json == {"jobs": [1]}, "the same key"
    assert jobs.found[1].owner == "root"


async def test_for_somebody_else_if_one_may() -> None:
    jobs = FakeJobs()
    root, nobody = browsers(jobs, ROOT, NOBODY)
    assert (await post(root, {"jobs": [{"argv": "a"}], "owner": "alice"})).status == 201
    assert jobs.found[1].owner == "alice"
    got = await post(nobody, {"jobs": [{"argv": "a"}], "owner": "alice"})
    assert (got.status, got.json["error"]) == (403, "nobody may not submit for alice")


@pytest.mark.parametrize(
    ("body", "words", "parameter"),
    [
        (b"", "the body is no JSON", ""),
        (b"[" * 100_000, "the body is no JSON", ""),
        ([], "the body is no list of jobs", ""),
        ({"jobs": {}}, "the body is no list of jobs", ""),
        ({"jobs": [], "user": "root"}, "the body is no list of jobs", ""),
        ({"jobs": [{"argv": "a"}], "owner": 1}, "the body is no list of jobs", ""),
        ({"jobs": []}, "0 jobs at once", "jobs"),
        ({"jobs": [{"argv": "a"}] * 1001}, "1001 jobs at once", "jobs"),
        ({"jobs": ["a"]}, "job 1 is no object", "jobs"),
        ({"jobs": [{"argv": "a", "memory": "x"}]}, "memory cannot be 'x'", "memory"),
        ({"jobs": [{"argv": "a"}, {"argv": ""}]}, "job 2: no command was given", "argv"),
        ({"jobs": [{"argv": ["/bad"]}]}, "no such program", "argv"),
    ],
)
async def test_what_cannot_be_submitted(body: Any, words: str, parameter: str) -> None:
    jobs = FakeJobs()
    got = await post(browsers(jobs)[0], body)
    assert (got.status, got.json["error"]) == (400, words)
    assert got.json.get("parameter", "") == parameter
    assert got.json["hint"]
    assert not wrong(got.json, {"$ref": "#/components/schemas/Error"})
    assert jobs.found == {}


async def test_a_body_that_is_too_large() -> None:
    got = await post(browsers(FakeJobs())[0], {"jobs": [{"argv": ["x" * 300_000]}]})
    assert got.status == 413


async def test_when_the_queue_takes_none() -> None:
    jobs = FakeJobs()
    jobs.fails = ClshError("the disk is full", hint="make room")
    got = await post(browsers(jobs)[0], {"jobs": [{"argv": "a"}]})
    assert (got.status, got.json["error"], got.json["hint"]) == (
        503, "the disk is full", "make room",
    )  # fmt: skip


async def test_a_list() -> None:
    jobs = FakeJobs()
    root, nobody = browsers(jobs, ROOT, NOBODY)
    for browser, name in ((root, "b"), (nobody, "a"), (nobody, "c")):
        await submitted(browser, name=name)
    jobs.move(1, state="running", places=(Place("node7"),), started=5.0)

    async def ids(browser: Browser, query: str) -> list[int]:
        got = await browser.ask(f"/api/v1/jobs?{query}")
        assert got.status == 200, got.text
        assert not wrong(got.json, {"$ref": "#/components/schemas/JobList"})
        return [job["id"] for job in got.json["jobs"]]

    assert await ids(root, "") == [3, 2, 1]
    assert await ids(nobody, "") == [3, 2], "others' are not there"
    assert await ids(root, "sort=name") == [2, 1, 3]
    assert await ids(root, "owner=nobody&sort=id&limit=1&offset=1") == [3]
    assert await ids(root, "state=running&state=held") == [1]
    assert await ids(root, "node=node7") == [1]
    assert await ids(root, "q=sleep") == [3, 2, 1]
    assert await ids(root, "limit=0") == []
    got = (await root.ask("/api/v1/jobs?limit=1")).json
    assert (got["total"], got["states"]) == (3, {"running": 1, "pending": 2})
    assert got["jobs"][0]["command"] == "sleep 1"
    assert got["jobs"][0]["started"] is None
    assert (await root.ask("/api/v1/jobs?sort=luck")).status == 400


async def test_the_name_of_a_job_without_one_and_a_long_command() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root, argv=["/usr/bin/env", "x" * 5000])
    (job,) = (await root.ask("/api/v1/jobs")).json["jobs"]
    assert job["name"] == "env"
    assert len(job["command"]) == 1000


async def test_a_file_is_handed_in_piece_by_piece() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    path = f"/api/v1/jobs/files?upload={'0' * 32}&size=5"
    got = await post(root, b"\x00\xffa", path)
    assert (got.status, got.json) == (200, {"have": 3, "digest": ""})
    got = await post(root, b"bc", path + "&offset=3")
    assert got.json == {"have": 5, "digest": hashlib.sha256(b"\x00\xffabc").hexdigest()}
    assert not wrong(got.json, {"$ref": "#/components/schemas/Piece"})
    got = await post(root, b"x", f"/api/v1/jobs/files?upload={'0' * 32}")
    assert (got.status, got.json["parameter"]) == (400, "size")
    assert (await post(root, b"x" * (256 * 1024 + 1), path)).status == 413
    jobs.fails = NoRoomError("send", "your files would be more than 9 bytes", hint="wait")
    got = await post(root, b"x", path)
    assert (got.status, got.json["hint"]) == (400, "wait")


async def test_who_was_told_of_a_job() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    number = await submitted(root, notify=["ops"])
    facts = Facts("end", number, 3, "x", "root", "done", 2.0, 1.0)
    jobs.fates = [Fate("ops", facts, "given up", 9.0, 7, "OSError: no")]
    got = await root.ask(f"/api/v1/jobs/{number}")
    assert not wrong(got.json, {"$ref": "#/components/schemas/Job"})
    assert got.json["told"] == [
        {
            "who": "ops",
            "event": "end",
            "task": 3,
            "state": "given up",
            "at": 9.0,
            "tries": 7,
            "error": "OSError: no",
        }
    ]


async def test_one_job_with_its_tasks() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root, array="0-2", output="o-%t")
    jobs.move(1, 1, state="failed", status=None, signal="KILL", reason="RSS 8.2 GB of 8 GB",
             places=(Place("n1", 2),), attempt=1, started=7.0)  # fmt: skip
    got = (await root.ask("/api/v1/jobs/1")).json
    assert not wrong(got, {"$ref": "#/components/schemas/Job"})
    assert [task["index"] for task in got["tasks"]] == [0, 1, 2]
    assert got["request"]["array"] == "0-2"
    task = got["tasks"][1]
    assert (task["nodes"], task["signal"], task["status"]) == (
        [{"node": "n1", "ranks": 2}], "KILL", None,
    )  # fmt: skip
    got = (await root.ask("/api/v1/jobs/1?state=pending&offset=1&limit=1")).json
    assert (got["total"], [task["index"] for task in got["tasks"]]) == (2, [2])


@pytest.mark.parametrize("path", ["/api/v1/jobs/9", "/api/v1/jobs/9/output"])
async def test_a_job_of_somebody_else_is_told_as_one_that_is_not(path: str) -> None:
    jobs = FakeJobs()
    root, nobody = browsers(jobs, ROOT, NOBODY)
    missing = (await nobody.ask(path.replace("9", "1"))).json
    await submitted(root)
    foreign = await nobody.ask(path.replace("9", "1"))
    assert foreign.status == 404
    assert foreign.json == missing


async def test_numbers_that_no_job_has() -> None:
    (root,) = browsers(FakeJobs())
    for number in ("0", "-1", "x", "1" * 20):
        assert (await root.ask(f"/api/v1/jobs/{number}")).status == 400


async def test_output_as_it_is() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root)
    data = b"<script>alert(1)</script>\x1b[2J\xff\0" * 100
    jobs.out[1, 0, "output"] = data
    jobs.out[1, 0, "error"] = b"oh"
    got = await root.ask("/api/v1/jobs/1/output?limit=1000")
    assert got.body == data[:1000]
    assert got.headers["content-type"] == "text/plain; charset=utf-8"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-store"
    assert (got.headers["clsh-next"], got.headers["clsh-ended"]) == ("1000", "no")
    assert (await root.ask("/api/v1/jobs/1/output?stream=error")).body == b"oh"
    got = await root.ask("/api/v1/jobs/1/output?tail=5")
    assert got.body == data[-5:]
    assert "clsh-next" not in got.headers
    jobs.move(1, state="done", status=0)
    got = await root.ask(f"/api/v1/jobs/1/output?offset={len(data) - 3}")
    assert (got.body, got.headers["clsh-ended"]) == (data[-3:], "no")
    got = await root.ask(f"/api/v1/jobs/1/output?offset={len(data)}&wait=15")
    assert (got.body, got.headers["clsh-ended"]) == (b"", "yes"), "at once"


async def test_output_is_waited_for() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root)
    asking = asyncio.create_task(root.ask("/api/v1/jobs/1/output?wait=15"))
    await asyncio.sleep(0.05)
    assert not asking.done()
    jobs.out[1, 0, "output"] = b"at last"
    got = await asking
    assert (got.body, got.headers["clsh-ended"]) == (b"at last", "no")
    asking = asyncio.create_task(root.ask("/api/v1/jobs/1/output?wait=15&offset=7"))
    await asyncio.sleep(0.05)
    jobs.move(1, state="failed", status=1)
    got = await asking
    assert (got.body, got.headers["clsh-ended"], got.headers["clsh-next"]) == (b"", "yes", "7")


async def test_output_that_does_not_come() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root)
    got = await root.ask("/api/v1/jobs/1/output?wait=1")
    assert (got.status, got.body, got.headers["clsh-ended"]) == (200, b"", "no")


async def test_output_of_a_task() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root, array="3,5")
    jobs.out |= {(1, 3, "output"): b"three", (1, 5, "output"): b"five"}
    assert (await root.ask("/api/v1/jobs/1/output")).body == b"three", "the first"
    assert (await root.ask("/api/v1/jobs/1/output?task=5")).body == b"five"
    got = await root.ask("/api/v1/jobs/1/output?task=4")
    assert (got.status, got.json["error"], got.json["hint"]) == (
        404, "job 1 has no task 4", "its tasks are 3 to 5",
    )  # fmt: skip


async def test_output_on_a_node_that_is_away() -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root)
    jobs.fails = UnreachableError("node1", "timed out")
    got = await root.ask("/api/v1/jobs/1/output")
    assert (got.status, got.json["error"]) == (502, "node1 unreachable: timed out")


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs/1"])
async def test_waiting_for_something_new(path: str) -> None:
    jobs = FakeJobs()
    (root,) = browsers(jobs)
    await submitted(root)
    version = (await root.ask(path)).json["version"]
    asking = asyncio.create_task(root.ask(f"{path}?seen={version}&wait=15"))
    await asyncio.sleep(0.05)
    assert not asking.done()
    jobs.move(1, state="running")
    got = (await asking).json
    assert got["version"] > version
    assert "running" in json.dumps(got)
    got = (await root.ask(f"{path}?seen={got['version']}&wait=1")).json
    assert got["version"] == jobs.version, "nothing new after a while"


@pytest.mark.parametrize("name", ["cancel", "hold", "release", "requeue"])
async def test_acts(name: str) -> None:
    jobs = FakeJobs()
    root, nobody = browsers(jobs, ROOT, NOBODY)
    await submitted(root, array="0-1")
    jobs.move(1, 0, state="running")
    got = await post(root, b"", f"/api/v1/jobs/1/{name}")
    assert (got.status, got.json) == (200, {"job": 1, "task": None})
    assert not wrong(got.json, {"$ref": "#/components/schemas/Acted"})
    jobs.move(1, 0, state="running")
    got = await post(root, b"", f"/api/v1/jobs/1/{name}?task=0")
    assert jobs.acts[:1] == [(name, 1, None)]
    assert jobs.acts[-1] == (name, 1, 0)
    assert (await post(nobody, b"", f"/api/v1/jobs/1/{name}")).status == 404
    assert (await root.ask(f"/api/v1/jobs/1/{name}")).status == 405


async def test_not_now() -> None:
    (root,) = browsers(FakeJobs())
    await submitted(root)
    got = await post(root, b"", "/api/v1/jobs/1/requeue")
    assert (got.status, got.json["error"]) == (409, "job 1 has not run yet")


async def test_a_manager_without_jobs() -> None:
    (root,) = browsers(None)
    for path in ("/api/v1/jobs", "/api/v1/jobs/1", "/api/v1/jobs/1/output"):
        got = await root.ask(path)
        assert (got.status, got.json["error"]) == (503, "this manager runs no jobs")
    assert (await post(root, {"jobs": [{"argv": "a"}]})).status == 503
    assert (await post(root, b"", "/api/v1/jobs/1/cancel")).status == 503


@pytest.mark.parametrize(
    ("uid", "status"), [(None, 401), (NAMELESS, 401), (NOBODY, 200), (ROOT, 200)]
)
async def test_who_may(uid: int | None, status: int) -> None:
    got = await browsers(FakeJobs(), uid)[0].ask("/api/v1/jobs")
    assert got.status == status
    if status != 200:
        assert got.json["error"]


async def test_the_owner_of_the_manager_handles_all() -> None:
    jobs = FakeJobs()
    app = an_app(a_monitor(), a_control(owner_uid=NOBODY), jobs=jobs)
    await submitted(Browser(app, ROOT))
    assert (await Browser(app, NOBODY).ask("/api/v1/jobs/1")).status == 200


async def test_the_text_of_a_request_never_says_who_asks() -> None:
    (stranger,) = browsers(FakeJobs(), None)
    got = await stranger.ask("/api/v1/jobs", authorization="Bearer x", x_remote_user="root")
    assert got.status == 401


async def test_a_route_that_forgot_to_need_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object) -> None:
        return None

    monkeypatch.setattr("clsh.web.app.who", none)
    assert (await browsers(FakeJobs())[0].ask("/api/v1/jobs")).status == 500


def test_the_form_is_described() -> None:
    shape: Any = SCHEMAS["JobRequest"]
    assert shape["properties"]["memory"]["anyOf"] == [{"type": "string"}, {"type": "integer"}]
    assert "argv" in shape["required"]
