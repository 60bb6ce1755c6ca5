"""Notices in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clsh.jobs.notices import words
from clsh.jobs.notices.notice import Facts, Message

FACTS = Facts(
    "end", 12, None, "train", "alice", "failed", 2000.0, 1000.0, 1500.0, 3, "", "exit status 3",
    ("n1", "n2"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "job 12 (train) failed: exit status 3"),
        ({"state": "done", "reason": ""}, "job 12 (train) is done"),
        ({"state": "cancelled", "reason": "by bob"}, "job 12 (train) was cancelled: by bob"),
        ({"task": 4, "state": "lost", "reason": ""}, "task 4 of job 12 (train) was lost"),
        ({"event": "begin"}, "job 12 (train) runs on n1, n2"),
        ({"event": "begin", "nodes": ()}, "job 12 (train) runs"),
        ({"state": "folded", "reason": ""}, "job 12 (train): folded"),
        ({"name": "a\r\nBcc: x@y", "reason": "\x1b[31m\n"}, "job 12 (a  Bcc: x@y) failed:  [31m "),
        ({"name": "x" * 90, "reason": ""}, f"job 12 ({'x' * 60}) failed"),
    ],
)
def test_one_line_says_all(changes: dict[str, object], line: str) -> None:
    assert words.line(replace(FACTS, **changes)) == line  # type: ignore[arg-type]  # fields of Facts


def test_many_nodes_are_cut() -> None:
    facts = replace(FACTS, event="begin", nodes=tuple(f"n{n}" for n in range(25)))
    assert words.line(facts).endswith("n18, n19 (+5)")


def test_details() -> None:
    assert words.details(FACTS) == [
        ("job", "12"), ("owner", "alice"), ("state", "failed"), ("exit", "3"), ("nodes", "n1, n2"),
    ]  # fmt: skip
    many = replace(FACTS, task=3, status=None, signal="KILL", nodes=(), counts={"done": 2})
    assert words.details(many) == [
        ("job", "12"), ("owner", "alice"), ("task", "3"), ("state", "failed"), ("signal", "KILL"),
        ("done", "2"),
    ]  # fmt: skip
    bare = replace(FACTS, status=None, nodes=())
    assert words.details(bare) == [("job", "12"), ("owner", "alice"), ("state", "failed")]


def test_for_programs() -> None:
    message = Message("q1-12-end-5", FACTS)
    told = json.loads(words.as_json(message))
    assert (told["id"], told["job"], told["nodes"], told["text"]) == (
        "q1-12-end-5", 12, ["n1", "n2"], "job 12 (train) failed: exit status 3",
    )  # fmt: skip
    given = words.environment(message)
    assert given["CLSH_NOTICE_ID"] == "q1-12-end-5"
    assert (given["CLSH_JOB_STATUS"], given["CLSH_JOB_TASK"]) == ("3", "")
    other = words.environment(Message("x", replace(FACTS, task=4, status=None)))
    assert (other["CLSH_JOB_STATUS"], other["CLSH_JOB_TASK"]) == ("", "4")
