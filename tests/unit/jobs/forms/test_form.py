"""Reading the form, and what is said of values that it cannot have."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form
from clsh.jobs.forms.fields import BY_NAME, FIELDS, said
from clsh.jobs.model import Request

G = 1 << 30


def test_every_field_of_a_request_is_in_the_table_but_what_the_array_says() -> None:
    assert set(BY_NAME) == set(Request.__slots__) - {"at_once"}
    assert all(said(field.label) and said(field.help) and field.allowed() for field in FIELDS)


def test_a_new_request_has_the_defaults_of_the_table() -> None:
    read = form.read({"argv": "true"})
    assert read == Request(("true",))
    for field in FIELDS:
        if field.default:
            assert str(getattr(read, field.name)) == field.default, field.name


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("argv", "sh -c 'echo \"$1\"' x \"a b\"", ("sh", "-c", 'echo "$1"', "x", "a b")),
        ("name", "  a name ", "a name"),
        ("environment", "A=1\r\nB=x = y\n more\n\nC=", {"A": "1", "B": "x = y\nmore", "C": ""}),
        ("send", "a b, c,", ("a b", "c")),
        ("priority", "-7", -7),
        ("slots", " 8 ", 8),
        ("memory", "1.5G", 3 * G // 2),
        ("rss_limit", "512 MiB", G // 2),
        ("time_limit", "90", 90),
        ("time_limit", "10m", 600),
        ("time_limit", "0.5s", 1),
        ("time_limit", "10:30", 630),
        ("time_limit", "1:30:00", 5400),
        ("time_limit", "100:00:00", 360_000),
        ("time_limit", "2-12", 216_000),
        ("time_limit", "1-0:1:1", 86461),
        ("nodes", "b,node[8-10]", ("b", "node8", "node9", "node10")),
        ("after", "12, any:13,notok:14,12", ((12, "ok"), (13, "any"), (14, "notok"))),
        ("checkpoint_signal", "sigusr1", "USR1"),
        ("checkpoint_signal", "10", "USR1"),
        ("notify", "a@example.org,b@example.org", ("a@example.org", "b@example.org")),
        ("held", "Yes", True),
        ("held", "no", False),
        ("restart", "start", "start"),
        ("key", "", ""),
    ],
)  # fmt: skip
def test_texts_are_read(field: str, text: str, value: object) -> None:
    assert getattr(form.read({"argv": "true", field: text}), field) == value


@pytest.mark.parametrize(
    ("text", "indexes", "at_once"),
    [
        ("0-3", (0, 1, 2, 3), 0),
        ("0-99%10", tuple(range(100)), 10),
        ("1,3,7-9:2", (1, 3, 7, 9), 0),
        ("5, 1-2,2", (1, 2, 5), 0),
        ("1000000000", (10**9,), 0),
    ],
)
def test_arrays(text: str, indexes: tuple[int, ...], at_once: int) -> None:
    read = form.read({"argv": "true", "array": text})
    assert (read.kind, read.array, read.at_once) == ("batch", indexes, at_once)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "single"),
        ({"tasks": "1"}, "single"),
        ({"tasks": "4"}, "parallel"),
        ({"tasks_per_node": 2}, "parallel"),
        ({"array": "1"}, "batch"),
        ({"kind": "parallel"}, "parallel"),
    ],
)
def test_the_kind_is_guessed(given: dict[str, Any], kind: str) -> None:
    assert form.read({"argv": "true", **given}).kind == kind


def test_other_guesses() -> None:
    assert form.read({"argv": "a", "kind": "batch", "tasks": 3}).array == (0, 1, 2)
    assert form.read({"argv": "a", "nodes": "n1"}).metric == "named"
    assert form.read({"argv": "a", "nodes": "n1", "metric": "load"}).metric == "load"
    assert form.read({"argv": "a", "restart": "start"}).again == 1
    assert form.read({"argv": "a", "restart": "start", "again": "0"}).again == 0


def test_what_json_has() -> None:
    read = form.read(
        {
            "argv": ["a b", ""],
            "environment": {"A": "1\n2\r\n"},
            "memory": G,
            "time_limit": 60,
            "priority": -3,
            "nodes": ["n2", "n1", "n2"],
            "send": ["/a", "/b"],
            "held": True,
            "name": None,
        }
    )
    assert read == Request(
        ("a b", ""),
        environment={"A": "1\n2\r\n"},
        memory=G,
        time_limit=60,
        priority=-3,
        nodes=("n2", "n1"),
        metric="named",
        send=("/a", "/b"),
        held=True,
    )


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"argv": ""}, "argv", "no command was given"),
        ({"argv": []}, "argv", "no command was given"),
        ({"argv": "'a"}, "argv", "argv cannot be \"'a\""),
        ({"argv": ["a", 1]}, "argv", "argv cannot be ['a', 1]"),
        ({"argv": ["a\0"]}, "argv", "argv cannot be"),
        ({"argv": ["\udcff"]}, "argv", "argv cannot be"),
        ({"argv": ["x" * 131_072]}, "argv", "argv cannot be"),
        ({"nmae": "x"}, "nmae", "there is no field 'nmae'"),
        ({"name": "a\nb"}, "name", "name cannot be 'a\\nb'"),
        ({"output": "x" * 5000}, "output", "output cannot be 'xxx"),
        ({"environment": "A"}, "environment", "environment cannot be 'A'"),
        ({"environment": " A=1"}, "environment", "environment cannot be ' A=1'"),
        ({"environment": "A=1\nA=2"}, "environment", "environment cannot be"),
        ({"environment": {"A": 1}}, "environment", "environment cannot be"),
        ({"environment": {"A-B": "1"}}, "environment", "environment cannot be"),
        ({"environment": {"A": "\0"}}, "environment", "environment cannot be"),
        ({"priority": "high"}, "priority", "priority cannot be 'high'"),
        ({"priority": "2000000"}, "priority", "priority cannot be '2000000'"),
        ({"priority": True}, "priority", "priority cannot be True"),
        ({"slots": "0"}, "slots", "slots cannot be '0'"),
        ({"slots": "-1"}, "slots", "slots cannot be '-1'"),
        ({"slots": 10**9}, "slots", "slots cannot be 1000000000"),
        ({"slots": "²"}, "slots", "slots cannot be '²'"),
        ({"memory": "much"}, "memory", "memory cannot be 'much'"),
        ({"memory": "9999999T"}, "memory", "memory cannot be"),
        ({"memory": -1}, "memory", "memory cannot be -1"),
        ({"time_limit": "1:99"}, "time_limit", "time_limit cannot be '1:99'"),
        ({"time_limit": "9999-0"}, "time_limit", "time_limit cannot be"),
        ({"time_limit": 1.5}, "time_limit", "time_limit cannot be 1.5"),
        ({"array": "1-"}, "array", "array cannot be '1-'"),
        ({"array": "3-1"}, "array", "array cannot be '3-1'"),
        ({"array": "1-3:0"}, "array", "array cannot be '1-3:0'"),
        ({"array": "1-3%0"}, "array", "array cannot be '1-3%0'"),
        ({"array": "0-100000"}, "array", "array cannot be '0-100000'"),
        ({"array": "0-1000000000"}, "array", "array cannot be"),
        ({"array": [1, 2]}, "array", "array cannot be [1, 2]"),
        ({"metric": "luck"}, "metric", "metric cannot be 'luck'"),
        ({"metric": "named"}, "nodes", "no nodes are named"),
        ({"nodes": "-oProxyCommand=x"}, "nodes", "nodes cannot be '-oProxyCommand=x'"),
        ({"nodes": ["a b"]}, "nodes", "nodes cannot be ['a b']"),
        ({"nodes": "a[1"}, "nodes", "nodes cannot be 'a[1'"),
        ({"after": "soon:1"}, "after", "after cannot be 'soon:1'"),
        ({"after": "0"}, "after", "after cannot be '0'"),
        ({"restart": "own"}, "restart_argv", "needs a restart command"),
        ({"checkpoint_signal": "LOUD"}, "checkpoint_signal", "cannot be 'LOUD'"),
        ({"checkpoint_signal": "99"}, "checkpoint_signal", "cannot be '99'"),
        ({"send": ["a,b"]}, "send", "send cannot be ['a,b']"),
        ({"held": "maybe"}, "held", "held cannot be 'maybe'"),
        ({"held": 1}, "held", "held cannot be 1"),
        ({"kind": "batch"}, "array", "a batch job has no array"),
        ({"kind": "single", "tasks": 2}, "tasks", "a single job has no tasks"),
        ({"array": "1", "tasks": 2}, "tasks", "tasks and array do not go together"),
        ({"array": "1", "tasks_per_node": 2}, "tasks_per_node", "a batch job has no"),
        ({"kind": "parallel", "array": "1"}, "array", "a parallel job has no array"),
    ],
)  # fmt: skip
def test_errors_name_the_field_and_say_what_it_may_be(
    given: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(words)) as caught:
        form.read({"argv": "true", **given})
    assert caught.value.field == field
    assert caught.value.hint
    assert len(str(caught.value)) < 200


def test_nodes_keep_their_order() -> None:
    for nodes, text in (
        (("node1", "node2", "node3"), "node[1-3]"),
        (("node3", "node1"), "node3,node1"),
    ):
        request = Request(("true",), nodes=nodes, metric="named")
        assert form.texts(request)["nodes"] == text
        assert form.read(form.texts(request)) == request


def test_texts_are_what_people_write() -> None:
    request = Request(
        ("echo", "a b"), memory=3 * G // 2, time_limit=90061, held=True, restart="start", again=2
    )
    assert form.texts(request) == {
        "argv": "echo 'a b'",
        "kind": "single",
        "memory": "1536M",
        "time_limit": "1-1:01:01",
        "metric": "load",
        "restart": "start",
        "again": "2",
        "held": "yes",
    }
