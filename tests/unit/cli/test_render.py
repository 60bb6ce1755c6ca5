from __future__ import annotations

import io
import sys

import pytest

from clsh.base.errors import ClshError, NodeLostError
from clsh.cli import render


def test_data_and_talk_are_apart(capsys: pytest.CaptureFixture[str]) -> None:
    render.say("data")
    render.talk("talk")
    assert capsys.readouterr() == ("data\n", "talk\n")


def test_an_error_is_told_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.fail(ClshError("it broke", hint="mend it")) == 1
    assert render.fail(NodeLostError("n1", "no answer"), "cl") == 12
    assert capsys.readouterr().err == (
        "clsh: it broke\n  mend it\ncl: n1 connection lost: no answer\n"
    )


def test_a_stream_that_lacks_a_letter_shows_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    render.say("한")
    assert stream.buffer.getvalue() == b"\\ud55c\n"


def test_nobody_reads_the_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    render.talk("to nobody")
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        render.say("data that is lost is an error")
