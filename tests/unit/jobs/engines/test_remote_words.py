"""The pure parts of the engine `remote`: what is refused, and what nodes say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.base.errors import UsageError
from clsh.jobs.engine import Launch
from clsh.jobs.engines._remote import answers, command
from clsh.jobs.engines._remote.answers import Answer, Hello
from clsh.jobs.model import Place, Request


def launch(name: str = "q-1.0.1", owner: str = "alice", **request: Any) -> Launch:
    places = Place("n1"), Place("n2", 3)
    return Launch(name, owner, 1, 0, 1, Request(("true",), **request), places)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(("x",), restart="criu"), "checkpoints by criu"),
        (Request(("x\0",)), "NUL byte"),
        (Request(("x",), environment={"A": "\0"}), "NUL byte"),
        (Request(("x",), environment={"A;id": "1"}), "bad variable name"),
        (Request(()), "nothing to run"),
    ],
)
def test_what_has_no_equivalent_is_told(request_: Request, words: str) -> None:
    (said,) = command.complaints(request_)
    assert words in said


def test_nothing_is_said_of_what_can_be_done() -> None:
    assert command.complaints(Request(("x",), environment={"A": "1"})) == []


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "-a", "a b", "a\nb", "x" * 201, "é"])
def test_a_name_of_an_attempt_is_never_a_path_or_an_option(name: str) -> None:
    with pytest.raises(UsageError):
        command.check_names(launch(name))


@pytest.mark.parametrize("owner", ["", "-u", "a b", "a;id", "$(id)", "A", "a\n", "0"])
def test_an_owner_is_never_code(owner: str) -> None:
    with pytest.raises(UsageError):
        command.check_names(launch(owner=owner))


def test_good_names_are_taken() -> None:
    command.check_names(launch())


def test_a_parallel_attempt_has_its_hosts_by_address() -> None:
    text = command.start_call(1, launch(kind="parallel"), {"n1": "10.0.0.1", "n2": "h2"}).decode()
    assert "10.0.0.1 slots=1\nh2 slots=3\n" in text
    assert "ranks=4" in text


def test_a_task_of_a_batch_knows_its_index() -> None:
    assert b"SLURM_ARRAY_TASK_ID=0" in command.start_call(1, launch(kind="batch"), {})
    assert b"SLURM_ARRAY_TASK_ID" not in command.start_call(1, launch(), {})


def test_output_in_the_spool_is_read_by_its_owner() -> None:
    def line(by: str) -> str:
        return command.read_line(launch(), "error", 5, 9, by=by, spool="/s")

    assert line("alice").startswith("exec /bin/sh -c")
    assert line("root").startswith("runuser -u alice -- /bin/sh -c")
    assert "/s/q-1.0.1/own" in line("root")
    assert "/own" not in line("alice")


def test_lines_are_read() -> None:
    assert answers.answer(b"clsh 4 a absent") == Answer(4, "a", "absent")
    assert answers.answer(b"clsh - a running\r") == Answer(None, "a", "running")
    ended = answers.answer(b"clsh 4 a ended 3 77 10.5 12.5 too \x1b[2J big")
    assert ended == Answer(4, "a", "ended", 3, 77, 2.0, "too ?[2J big")
    assert answers.hello("2 4 0 root /a b") == Hello(2, 4096, 0, "root", "/a b")
    assert answers.hello("2 x") is None


@pytest.mark.parametrize(
    "line", [b"", b"clsh", b"Welcome!", b"clsh 1 a nonsense", b"clsh 1 a ended x", b"clsh x a lost"]
)
def test_lines_that_cannot_be_read_are_dropped(line: bytes) -> None:
    assert answers.answer(line) is None


@given(st.binary(max_size=300), st.sampled_from([b"", b"clsh ", b"clsh 1 a ended "]))
def test_no_line_is_a_fault(data: bytes, before: bytes) -> None:
    said = answers.answer(before + data)
    assert said is None or said.words.isprintable()


@pytest.mark.parametrize(
    ("said", "status", "signal", "reason"),
    [
        (Answer(1, "a", "ended", 0), 0, "", ""),
        (Answer(1, "a", "ended", 137), None, "KILL", ""),
        (Answer(1, "a", "ended", 143, 9 << 30, 0, "rss"), None, "TERM",
         "RSS 9 GB of 8 GB allowed"),
        (Answer(1, "a", "ended", 255), 255, "", ""),
    ],
)  # fmt: skip
def test_ends(said: Answer, status: int | None, signal: str, reason: str) -> None:
    told = answers.report(said, launch(rss_limit=8 << 30), 100.0)
    assert (told.phase, told.status, told.signal, told.reason) == ("ended", status, signal, reason)
    assert told.nodes == ("n1", "n2")


def test_an_end_is_dated_by_our_clock() -> None:
    assert answers.report(Answer(1, "a", "lost", age_s=7.0), launch(), 100.0).at == 93.0


def test_what_is_not_known_is_unknown() -> None:
    assert answers.report(Answer(1, "a", "starting"), launch(), 1.0).phase == "unknown"
    assert answers.report(Answer(1, "a", "absent"), launch(), 1.0).phase == "absent"
