"""The form: its fields, what it remembers and knows, what is wrong said at the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError, NotAllowedError
from clsh.jobs.errors import RequestError
from clsh.jobs.forms.fields import FIELDS
from clsh.jobs.model import Request
from clsh.monitor.model import Sample
from clsh.web.pages.jobs import posted
from tests.support.asking import Html, html, person, pictured, post
from tests.support.queued import Queued, some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.web import Got

TOKEN = "0123456789abcdef" * 2


def field(page: Html, name: str) -> dict[str, str]:
    found = [given for given in page.having("name") if given["name"] == name]
    if name == "kind":
        found = [given for given in found if "checked" in given]
    return found[-1]


def chosen(page: Html) -> list[str]:
    return [
        given["value"] for tag, given in page.elements if tag == "option" and "selected" in given
    ]


async def sent(queue: Queued, fields: Mapping[str, str], who: str = "alice") -> Got:
    return await post(person(who, queue), "/jobs/new", {"token": TOKEN, **fields})


async def test_every_field_is_there_with_its_help() -> None:
    got = await person("alice", Queued()).ask("/jobs/new")
    page = html(got)
    names = {given["name"] for given in page.having("name")} - {"viewport", "color-scheme"}
    assert names == {one.name for one in FIELDS} - {"key", "send"} | {"token"}
    for one in FIELDS:
        if one.name not in {"key", "kind"}:
            assert f'id="{one.name}-help"' in got.text
            assert f'for="{one.name}"' in got.text
    assert "Only the command is needed" in page.text
    assert {given["data-kinds"] for given in page.having("data-kinds")} == {
        "batch", "parallel", "batch parallel",
    }  # fmt: skip
    assert field(page, "kind")["value"] == "single"


async def test_files_that_were_handed_in_are_named_and_stay() -> None:
    queue = Queued()
    one, two = f"{'1' * 64}:data", f"{'2' * 64}+x:<b>go"
    files = {"send.10": two, "send.2": one}
    page = html(await sent(queue, {"argv": "", **files}))
    boxes = [given for given in page.having("name") if given["name"].startswith("send.")]
    assert [(given["name"], given["value"]) for given in boxes] == [
        ("send.1", one),
        ("send.2", two),
    ]
    assert "data" in page.text
    assert "<b>go" in page.text
    assert (await sent(queue, {"argv": "./go", **files})).status == 303
    assert queue.found[1][0].request.send == (one, two)
    again = html(await person("alice", queue).ask("/jobs/new?like=1"))
    assert len([1 for given in again.having("name") if given["name"].startswith("send.")]) == 2
    fresh = html(await person("alice", queue).ask("/jobs/new"))
    assert not [1 for given in fresh.having("name") if given["name"].startswith("send.")]
    told = html(await person("alice", queue).ask("/jobs/1"))
    assert "Send filesdata, <b>go" in told.text
    await sent(queue, {"argv": "x", "send.x": "/etc/passwd"})
    assert queue.found[2][0].request.send == ("/etc/passwd",), "the service refuses it"
    odd = html(await person("alice", queue).ask("/jobs/new?like=2"))
    assert not [1 for given in odd.having("name") if given["name"].startswith("send.")]


async def test_the_help_knows_the_cluster() -> None:
    queue = some(Queued())
    monitor = pictured(lost=["node3"])
    text = html(await person("alice", queue, monitor).ask("/jobs/new")).text
    for hint in (
        "the largest node has 4",
        "12 cores on 3 nodes are up",
        "the largest node has 15.6 GB",
        "3 are up, such as node1, node2, node4",
        "the least load now has node1: 0 % of its cores",
        "no node has told of one",
        "your last job is 5",
    ):
        assert hint in text
    monitor.grid.hear(Sample("demo", "node1", monitor.clock.unix(), {"gpu_num": 4.0}))
    assert (
        "4 on 1 nodes are up" in html(await person("alice", queue, monitor).ask("/jobs/new")).text
    )


async def test_without_nodes_there_is_a_form_all_the_same() -> None:
    monitor = pictured()
    monitor.grid.clusters.clear()
    text = html(await person("alice", Queued(), monitor).ask("/jobs/new")).text
    assert "largest node" not in text
    bare = pictured()
    bare.grid.clusters.clear()
    bare.grid.hear(Sample("x", "bare", bare.clock.unix(), {"y": 1.0}))
    text = html(await person("alice", Queued(), bare).ask("/jobs/new")).text
    assert "1 are up, such as bare" in text
    assert "least load" not in text


async def test_it_begins_with_the_values_of_the_last_job() -> None:
    queue = Queued()
    last = Request(
        ("./a b", "1"), "batch", "sweep", memory=4 << 30, array=(0, 1, 2), at_once=2, held=True,
        after=((7, "ok"),), nodes=("node1",), metric="load", restart="start", again=0, key="k",
        environment={"A": "1\n2"}, priority=-3,
    )  # fmt: skip
    queue.add("alice", last)
    queue.add("bob", Request(("./bobs",)))
    page = html(await person("alice", queue).ask("/jobs/new"))
    shown = {name: field(page, name)["value"] for name in ("argv", "name", "memory", "array")}
    assert shown == {"argv": "'./a b' 1", "name": "sweep", "memory": "4G", "array": "0-2%2"}
    assert field(page, "kind")["value"] == "batch"
    # What would be guessed otherwise is said, and what was for once is not.
    assert chosen(page) == ["load", "start"]
    assert field(page, "again")["value"] == "0"
    assert field(page, "after")["value"] == ""
    assert "checked" not in field(page, "held")
    assert "A=1 2" in page.text
    assert "Filled in as in job 1." in page.text
    assert "/jobs/new?like=none" in page.links()
    empty = html(await person("alice", queue).ask("/jobs/new?like=none"))
    assert field(empty, "argv")["value"] == ""


async def test_a_job_is_submitted_again_with_all_its_values() -> None:
    queue = some(Queued())
    queue.add("alice", Request(("x",), after=((1, "any"),), held=True, key="k"))
    queue.add("alice", Request(("y",)))
    alice = person("alice", queue)
    page = html(await alice.ask("/jobs/new?like=6"))
    assert field(page, "after")["value"] == "any:1"
    assert "checked" in field(page, "held")
    assert chosen(page) == [""]
    assert (await alice.ask("/jobs/new?like=99")).status == 404
    stranger = await person("bob", queue).ask("/jobs/new?like=6")
    assert stranger.status == 404
    assert "There is no job 6." in html(stranger).text


async def test_a_form_becomes_a_job_and_leads_to_it() -> None:
    queue = Queued()
    fields = {
        "argv": "./run 'a b' $HOME", "kind": "parallel", "name": "한국어", "tasks": "8",
        "tasks_per_node": "4", "memory": "2G", "time_limit": "1:30:00", "environment": "A=1\r\nB=2",
        "metric": "", "again": "", "held": "yes", "nodes": "node[1-2]",
    }  # fmt: skip
    got = await post(person("alice", queue), "/jobs/new?lang=ko", {"token": TOKEN, **fields})
    assert (got.status, got.headers["location"]) == (303, "/jobs/1?lang=ko")
    job, _ = queue.found[1]
    request = job.request
    assert job.owner == "alice"
    assert request.argv == ("./run", "a b", "$HOME")
    assert (request.kind, request.tasks, request.tasks_per_node) == ("parallel", 8, 4)
    assert (request.name, request.memory, request.time_limit) == ("한국어", 2 << 30, 5400)
    assert (request.environment, request.held) == ({"A": "1", "B": "2"}, True)
    assert (request.nodes, request.metric) == (("node1", "node2"), "named")


async def test_the_same_form_sent_twice_is_one_job_and_changed_it_is_another() -> None:
    queue = Queued()
    first = await sent(queue, {"argv": "./run"})
    again = await sent(queue, {"argv": "./run"})
    assert first.headers["location"] == again.headers["location"] == "/jobs/1"
    assert (await sent(queue, {"argv": "./run 2"})).headers["location"] == "/jobs/2"
    # Without a token of ours there is nothing to know it again by.
    for token in ("", "x", "x", "0" * 31, "0" * 31, "'" * 32):
        await sent(queue, {"argv": "./run", "token": token})
    assert len(queue.found) == 8
    assert all(job.request.key.startswith("web-") for job, _ in queue.found.values())


async def test_two_forms_have_two_tokens_and_a_refused_one_keeps_its_own() -> None:
    alice = person("alice", Queued())
    tokens = {field(html(await alice.ask("/jobs/new")), "token")["value"] for _ in range(2)}
    assert len(tokens) == 2
    again = html(await post(alice, "/jobs/new", {"token": TOKEN, "argv": ""}))
    assert field(again, "token")["value"] == TOKEN


async def test_what_is_wrong_is_said_at_each_field_and_what_was_typed_is_kept() -> None:
    queue = Queued()
    wrong = {
        "argv": "", "memory": "much", "time_limit": "<b>", "tasks": "0", "name": "fine", "key": "k",
        "kind": "single", "signal": "x",
    }  # fmt: skip
    got = await sent(queue, wrong)
    page = html(got)
    assert got.status == 422
    assert not queue.found
    invalid = [given["id"] for given in page.having("aria-invalid")]
    assert invalid == ["argv", "tasks", "memory", "time_limit"]
    for name in invalid:
        given = next(one for one in page.having("id") if one["id"] == name)
        assert f"{name}-error" in given["aria-describedby"]
        assert f"#{name}" in page.links()
    assert "no command was given: it is a program and its arguments" in page.text
    assert "memory cannot be 'much': it must be a size such as 512M, 4G or 1.5T" in page.text
    assert "time_limit cannot be '<b>'" in page.text
    assert field(page, "memory")["value"] == "much"
    assert field(page, "name")["value"] == "fine"
    # A field that is wrong is shown for whatever kind.
    shown = [given["data-kinds"] for given in page.having("data-kinds")]
    assert shown == ["batch", "parallel", "parallel"]


async def test_without_a_command_the_other_fields_are_looked_at_too() -> None:
    page = html(await sent(Queued(), {"argv": "", "kind": "batch"}))
    assert {"#argv", "#array"} <= set(page.links())
    assert field(page, "argv")["value"] == ""


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "batch"}, "array"),
        ({"metric": "named"}, "nodes"),
        ({"restart": "own"}, "restart_argv"),
        ({"kind": "single", "array": "0-3"}, "array"),
        ({"kind": "none of these"}, "kind"),
    ],
)
async def test_fields_that_do_not_go_together_are_named(fields: dict[str, str], name: str) -> None:
    got = await sent(Queued(), {"argv": "./run", **fields})
    page = html(got)
    assert got.status == 422
    assert f"#{name}" in page.links()
    assert f'id="{name}-error"' in got.text


@pytest.mark.parametrize(
    ("error", "status", "at"),
    [
        (RequestError("memory", "no node has 64 GB", hint="ask for less"), 422, "memory-error"),
        (RequestError("", "not today", hint="come back"), 422, ""),
        (RequestError("key", "an odd key"), 422, ""),
        (ClshError("the disk is full", hint="make room"), 503, ""),
        (NotAllowedError("root may not"), 403, ""),
    ],
)
async def test_what_the_service_refuses_is_said_too(error: ClshError, status: int, at: str) -> None:
    queue = Queued()
    queue.refuses = error
    got = await sent(queue, {"argv": "./run", "memory": "64G"})
    page = html(got)
    assert got.status == status
    assert str(error) in page.text
    assert error.hint in page.text
    assert (f'id="{at}"' in got.text) if at else ("-error" not in got.text)
    assert "Nothing was submitted." in page.text
    assert field(page, "memory")["value"] == "64G"


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"argv=x", "text/plain", 415),
        (b"argv=x", "", 415),
        (b"{}", "application/json", 415),
        (b"argv=%ff", "application/x-www-form-urlencoded", 400),
        (b"argv=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(200)), "application/x-www-form-urlencoded", 400),
        (b"argv=" + b"x" * 262_144, "application/x-www-form-urlencoded", 413),
        (b"argv=x&memory=%00", "application/x-www-form-urlencoded", 422),
    ],
)
async def test_what_no_form_of_ours_sends_is_refused(body: bytes, media: str, status: int) -> None:
    queue = Queued()
    got = await person("alice", queue).ask("/jobs/new", "POST", body, content_type=media)
    assert got.status == status
    assert not queue.found


def test_an_error_that_names_a_field_over_and_over_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: object) -> Request:
        raise RequestError("memory", "never good")

    monkeypatch.setattr("clsh.jobs.forms.form.read", read)
    made, wrong = posted.request({"argv": "x", "memory": "1"})
    assert made is None
    assert list(wrong) == ["memory"]
