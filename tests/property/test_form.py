"""A request is the same after it was written and read again; bad texts are told, never worse."""

from __future__ import annotations

import contextlib
import json
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clsh.jobs.errors import RequestError
from clsh.jobs.forms import form, sbatch, spelling
from clsh.jobs.forms.fields import BY_NAME
from clsh.jobs.model import Request

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LINES = st.text(string.printable[:95], max_size=12).map(str.strip)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
NODES = st.lists(st.from_regex(r"node[0-9]{1,3}|[a-c]{1,2}", fullmatch=True), unique=True)
LISTS = st.lists(LINES.filter(lambda text: text and "," not in text), unique=True, max_size=3)
INDEXES = st.lists(st.integers(0, 300), unique=True, min_size=1).map(sorted)
AFTER = st.tuples(st.integers(1, 99), st.sampled_from(["ok", "notok", "any"]))
NUMBERS = st.integers(0, 1000)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    kind = draw(st.sampled_from(["single", "batch", "parallel"]))
    nodes = tuple(draw(NODES))
    metrics = ["load", "queue", "load+memory", "free", "round-robin", *(["named"] if nodes else [])]
    own: dict[str, Any] = {
        name: draw(LINES) for name in ("name", "directory", "input", "output", "error", "key")
    }
    own["kind"] = kind
    if kind == "parallel":
        own |= {"tasks": draw(st.integers(1, 1000)), "tasks_per_node": draw(NUMBERS)}
        own["once"] = draw(st.booleans())
    elif kind == "batch":
        own |= {"array": tuple(draw(INDEXES)), "at_once": draw(NUMBERS)}
    own["after"] = tuple(draw(st.lists(AFTER, unique=True)))
    own["metric"] = draw(st.sampled_from(metrics))
    own["restart"] = draw(st.sampled_from(["none", "start", "own", "criu"]))
    return Request(
        tuple(draw(st.lists(TEXTS, min_size=1, max_size=4))),
        **own,
        environment=draw(st.dictionaries(NAMES, TEXTS, max_size=3)),
        send=tuple(draw(LISTS)),
        priority=draw(st.integers(-1000, 1000)),
        slots=draw(st.integers(1, 100)),
        memory=draw(st.integers(0, 1 << 50)),
        rss_limit=draw(NUMBERS) << 30,
        time_limit=draw(st.integers(0, 10**7)),
        gpus=draw(NUMBERS),
        nodes=nodes,
        again=draw(NUMBERS),
        restart_argv=tuple(draw(st.lists(TEXTS, min_size=1, max_size=2))),
        checkpoint_signal=draw(st.sampled_from(["", "USR1", "TERM"])),
        notify=tuple(draw(LISTS)),
        held=draw(st.booleans()),
    )


@given(requests())
@settings(max_examples=300, deadline=None)
def test_a_request_is_the_same_when_it_was_written_and_read(request: Request) -> None:
    assert form.read(json.loads(json.dumps(form.native(request)))) == request
    # A form sends lines with a carriage return, and so cannot keep those of a value.
    if "\r" not in "".join(form.texts(request).values()):
        assert form.read(form.texts(request)) == request


@given(st.lists(st.integers(0, 10**9), unique=True).map(sorted), st.integers(0, 10**6))
def test_indexes_come_back(indexes: list[int], at_once: int) -> None:
    if indexes:
        text = spelling.from_array(indexes, at_once)
        assert spelling.array(text) == (tuple(indexes), at_once)


@given(st.dictionaries(st.sampled_from(sorted(BY_NAME)), st.text() | st.integers() | st.none()))
@settings(max_examples=500, deadline=None)
def test_any_texts_are_read_or_refused_by_the_field(given_: dict[str, Any]) -> None:
    with contextlib.suppress(RequestError):
        form.texts(form.read(given_))


OPTIONS = st.sampled_from(
    ["-J", "-a", "-t", "-n", "-N 1", "-c", "--mem=", "--mem-per-cpu=", "-d", "--gres=", "--export=",
     "-o", "--nice=", "--signal=", "--mail-type=", "-w", "-x", "--what", "-", "--", "=", "-H"]
)  # fmt: skip


@given(st.lists(st.tuples(OPTIONS, st.text(string.printable, max_size=8)), max_size=4))
@settings(max_examples=500, deadline=None)
def test_any_script_is_read_or_refused(lines: list[tuple[str, str]]) -> None:
    script = "#!/bin/sh\n" + "".join(f"#SBATCH {option} {text}\n" for option, text in lines)
    with contextlib.suppress(RequestError):
        sbatch.read(script.encode(), "x.sh")
