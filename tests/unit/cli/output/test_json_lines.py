from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.cli.output.json_lines import JsonFeed, ended, over
from clsh.cli.output.lines import PIECE
from clsh.remote.fanout import Outcome
from clsh.remote.transport import Exit
from tests.unit.cli.scripted import node


def objects(*chunks: bytes) -> list[dict[str, object]]:
    put: list[bytes] = []
    feed = JsonFeed(put.append, "n1", "stdout")
    for chunk in chunks:
        feed.write(chunk)
    feed.end()
    feed.end()
    return [json.loads(line) for line in b"".join(put).splitlines()]


def test_a_line_is_an_object() -> None:
    assert objects(b"one\nt", b"wo \xed\x95\x9c\n") == [
        {"node": "n1", "stream": "stdout", "text": "one"},
        {"node": "n1", "stream": "stdout", "text": "two 한"},
    ]


def test_what_is_not_utf8_is_base64() -> None:
    assert objects(b"\xff\x00\n")[0]["base64"] == base64.b64encode(b"\xff\x00").decode()


def test_a_line_without_end_comes_in_marked_pieces() -> None:
    found = objects(b"x" * (PIECE - 1), b"xx", b"x\ny")
    assert [(len(str(one["text"])), one.get("newline", True)) for one in found] == [
        (PIECE + 1, False),
        (1, True),
        (1, False),
    ]


@given(st.lists(st.binary(max_size=20)))
def test_the_output_can_be_put_together_again(chunks: list[bytes]) -> None:
    whole = b""
    for one in objects(*chunks):
        text = one.get("text")
        whole += text.encode() if isinstance(text, str) else base64.b64decode(str(one["base64"]))
        whole += b"\n" if one.get("newline", True) else b""
    assert whole == b"".join(chunks)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (
            Outcome(node("n1"), "done", Exit(status=0), 1.23456),
            {"node": "n1", "state": "done", "exit": 0, "seconds": 1.235},
        ),
        (
            Outcome(node("n1"), "done", Exit(signal="TERM")),
            {"node": "n1", "state": "done", "exit": None, "seconds": 0, "signal": "TERM"},
        ),
        (
            Outcome(node("n1"), "lost", None, 2, "no answer"),
            {"node": "n1", "state": "lost", "exit": None, "seconds": 2, "reason": "no answer"},
        ),
    ],
)
def test_a_node_ends(outcome: Outcome, told: dict[str, object]) -> None:
    assert json.loads(ended(outcome)) == told


def test_the_run_ends() -> None:
    assert json.loads(over(3, 40, 2)) == {"exit": 3, "nodes": 40, "failed": 2}
