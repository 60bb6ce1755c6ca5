"""Output as plain text: no sequence acts, a progress bar is its last state, all is bounded."""

from __future__ import annotations

import time
from datetime import UTC

import pytest

from clsh.base.errors import UnreachableError
from clsh.jobs.model import Request, Task
from clsh.web.pages.jobs import tail
from clsh.web.pages.words import Words
from tests.support.queued import PEOPLE, Queued, on

WORDS = Words("en", UTC, 1_800_000_000.0)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain\n", "plain\n"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]52;c;aGk=\x1b\\after", "after"),
        (b"\x1bPq#0\x1b\\after\x1b[?1049h", "after"),
        (b"\x1b]never ends\nnext", "\nnext"),
        (b"\xc2\x9b31mred\xc2\x9d0;x\xc2\x9cafter", "redafter"),
        (b"10 %\r50 %\r100 %\r\nnext\r", "100 %\nnext"),
        (b"bell\x07 back\x08 nul\x00", r"bell\x07 back\x08 nul\x00"),
        ("\u202egnp.exe \u2066x\ufeff".encode(), r"\u202egnp.exe \u2066x\ufeff"),
        (b"bad \xff\xfe utf-8", "bad \ufffd\ufffd utf-8"),
        ("한국어 中文\ttab".encode(), "한국어 中文\ttab"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_acts_is_taken_out_and_what_hides_is_spelt(data: bytes, text: str) -> None:
    assert tail.clean(data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"half a line\nwhole\n", "whole\n"),
        (b"one endless line", "one endless line"),
        ("국어 only one line".encode()[1:], "어 only one line"),
        (b"only its newline\n", "only its newline\n"),
    ],
)
def test_the_rest_of_a_line_is_left_out(data: bytes, text: str) -> None:
    assert tail.clean(data, cut=True) == text


def test_an_endless_line_is_shortened() -> None:
    assert len(tail.clean(b"x" * 30_000)) == 4003


@pytest.mark.parametrize("data", [b"\x1b" * 32768, b"\x1b]" * 16384, b"\r" * 32768, b"[" * 32768])
def test_no_output_takes_long(data: bytes) -> None:
    begun = time.monotonic()
    tail.clean(data)
    assert time.monotonic() - begun < 5  # a quadratic one takes minutes


async def test_a_tail_says_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queued()
    task = Task(1, 0, "running", 1, on("node1"))
    queue.add("alice", Request(("true",)), task)
    alice = PEOPLE["alice"]

    async def note() -> str:
        found = await tail.read(queue, alice, task, "output", WORDS)
        assert found.text == ("" if found.note == "Nothing was written." else None)
        return found.note

    assert await note() == "Nothing was written."
    queue.unreadable = UnreachableError("node1", "no <route> to 'host'\x1b")
    assert await note() == "It cannot be read now: node1 unreachable: no <route> to 'host'\\x1b"
    queue.hangs = True
    monkeypatch.setattr(tail, "_WITHIN_S", 0.01)
    assert await note() == "No answer from the node within 0.01 s."
    waiting = await tail.read(queue, alice, Task(1, 0), "output", WORDS)
    assert waiting.note == "Not started yet."


async def test_only_the_end_is_read() -> None:
    queue = Queued()
    task = Task(1, 0, "running", 1, on("node1"))
    queue.add("alice", Request(("true",)), task)
    queue.write(1, b"0123456789abcde\n" * 4096)
    found = await tail.read(queue, PEOPLE["alice"], task, "output", WORDS)
    assert found.cut
    assert found.text == "0123456789abcde\n" * 2047
