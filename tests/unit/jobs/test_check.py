from __future__ import annotations

import pytest

from clsh.jobs.check import LONGEST_ARGV, MOST_TASKS, check
from clsh.jobs.errors import RequestError
from clsh.jobs.model import Request

GOOD = [
    {},
    {"argv": ("x", "")},
    {"name": "größe 1", "key": "k", "notify": ("mail",)},
    {"send": ("0" * 64 + ":größe 1", "1" * 64 + "+x:y")},
    {"output": "out-%j-%t-%N-100%%", "error": "", "input": "/in", "directory": "~/100%"},
    {"environment": {"A_1": "", "b": "ü\n"}},
    {"kind": "batch", "array": (3, 1, 2), "at_once": 2},
    {"kind": "batch", "array": tuple(range(MOST_TASKS))},
    {"kind": "parallel", "tasks": 64, "tasks_per_node": 8, "once": True},
    {"metric": "named", "nodes": ("n1", "n2")},
    {"after": ((1, "ok"), (2, "any"))},
    {"restart": "own", "again": 3, "checkpoint_signal": "USR1", "restart_argv": ("a",)},
]

BAD = [
    ("argv", {"argv": ()}),
    ("argv", {"argv": ("",)}),
    ("argv", {"argv": ("a\0b",)}),
    ("argv", {"argv": ("a", "\udcff")}),
    ("argv", {"argv": ("a", "b" * LONGEST_ARGV)}),
    ("argv", {"argv": ("a",) * 10_001}),
    ("restart_argv", {"restart_argv": ("\0",)}),
    ("kind", {"kind": "heap"}),
    ("metric", {"metric": "luck"}),
    ("restart", {"restart": "maybe"}),
    ("name", {"name": "x" * 101}),
    ("name", {"name": "a\nb"}),
    ("key", {"key": "x" * 201}),
    ("notify", {"notify": ("",)}),
    ("notify", {"notify": ("https://10.0.0.1/hook",)}),
    ("notify", {"notify": ("a@x.org\nBcc: b@x.org",)}),
    ("notify", {"notify": tuple(f"a{n}@x.org" for n in range(11))}),
    ("notify", {"notify": ("tasks:ops",), "kind": "batch", "array": tuple(range(1001))}),
    ("output", {"output": "%x"}),
    ("error", {"error": "a%"}),
    ("input", {"input": "\0"}),
    ("directory", {"directory": "/" * 4096}),
    ("send", {"send": ("",)}),
    ("send", {"send": ("/etc/shadow",)}),
    ("send", {"send": ("0" * 64 + ":../x",)}),
    ("send", {"send": ("0" * 64 + ":x", "1" * 64 + "+x:x")}),
    ("send", {"send": tuple(f"{n:064}:{n}" for n in range(101))}),
    ("environment", {"environment": {"A=B": ""}}),
    ("environment", {"environment": {"1A": ""}}),
    ("environment", {"environment": {"A": "\0"}}),
    ("environment", {"environment": {"A": "x" * LONGEST_ARGV}}),
    ("priority", {"priority": 1001}),
    ("slots", {"slots": 0}),
    ("slots", {"slots": True}),
    ("slots", {"slots": 1.5}),
    ("memory", {"memory": -1}),
    ("time_limit", {"time_limit": -1}),
    ("gpus", {"gpus": -1}),
    ("tasks", {"tasks": 0}),
    ("tasks", {"tasks": 2}),
    ("tasks_per_node", {"tasks_per_node": 2}),
    ("once", {"once": True}),
    ("array", {"array": (1,)}),
    ("array", {"kind": "batch"}),
    ("array", {"kind": "batch", "array": (1, 1)}),
    ("array", {"kind": "batch", "array": (-1,)}),
    ("array", {"kind": "batch", "array": tuple(range(MOST_TASKS + 1))}),
    ("at_once", {"at_once": 1}),
    ("nodes", {"nodes": ("-oProxyCommand=x",)}),
    ("nodes", {"nodes": ("n1", "n1")}),
    ("nodes", {"metric": "named"}),
    ("after", {"after": ((0, "ok"),)}),
    ("after", {"after": ((1, "soon"),)}),
    ("after", {"after": ((1, "ok"),) * 1001}),
    ("again", {"again": 1}),
    ("checkpoint_signal", {"checkpoint_signal": "usr1; rm"}),
]


@pytest.mark.parametrize("more", GOOD)
def test_what_may_be_asked_for(more: dict[str, object]) -> None:
    check(Request(**{"argv": ("true",), **more}))  # type: ignore[arg-type]  # the fields are those of Request


@pytest.mark.parametrize(("field", "more"), BAD)
def test_what_may_not_names_its_field(field: str, more: dict[str, object]) -> None:
    with pytest.raises(RequestError) as told:
        check(Request(**{"argv": ("true",), **more}))  # type: ignore[arg-type]  # as above
    assert told.value.field == field
    assert str(told.value).startswith(f"{field}: ") or field == "nodes"
