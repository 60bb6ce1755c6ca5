"""Who wants to hear what."""

from __future__ import annotations

import pytest

from clsh.jobs.notices.wanted import Wanted, Wish, all_of, read

ALL = frozenset[Wish]({"begin", "end", "fail"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a@example.org", Wanted("a@example.org", frozenset({"end"}))),
        ("ops", Wanted("ops", frozenset({"end"}))),
        ("all:ops", Wanted("ops", ALL)),
        ("begin+fail:a+b@x.org", Wanted("a+b@x.org", ALL - {"end"})),
        ("tasks:ops", Wanted("ops", frozenset({"end"}), each=True)),
        ("tasks+fail:ops", Wanted("ops", frozenset({"fail"}), each=True)),
    ],
)
def test_what_is_said(text: str, wanted: Wanted) -> None:
    assert read(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", ":ops", "end:", "often:ops", "end+:ops", "http://10.0.0.1/x", "end:http://x/",
        "a@b@c", "a@x\nBcc: b@x", "ops\n", "a b", "@x.org", "/bin/sh", "a" * 65 + "@x.org",
        "<a@x.org>", "a@x.org, b@x.org",
    ],
)  # fmt: skip
def test_what_cannot_be_said(text: str) -> None:
    with pytest.raises(ValueError, match="a mail address or the name of a channel"):
        read(text)
    assert all_of([text, "ops"]) == (Wanted("ops", frozenset({"end"})),)


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("end:o", {"done", "failed", "lost", "cancelled"}),
        ("fail:o", {"failed", "lost"}),
        ("begin:o", set[str]()),
    ],
)
def test_ends_that_are_heard(text: str, states: set[str]) -> None:
    ends = ("done", "failed", "lost", "cancelled")
    assert {state for state in ends if read(text).hears_end(state)} == states
