"""Whatever a node sends, a terminal that shows it stays as it is; the text stays readable."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.cli.output.terminal import clean

ALLOWED = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udc9f]|\x1b\[[0-9;:]{0,64}m)*")
PIECES = [
    *(b"\x1b", b"[", b"]", b"P", b"\xc2", b"\x9b", b"\x9d", b"2J", b"\x07", b"\r", b"m", b";"),
    *(b"\x1b[31m", b"\x1b[", b"\x1b]0;t\x07", b"\x1b\\", b"\n", "한".encode()),
]
PARTS = st.lists(st.one_of(st.binary(max_size=4), st.sampled_from(PIECES)), max_size=12)


@given(PARTS)
def test_nothing_that_acts_is_left(parts: list[bytes]) -> None:
    shown = clean(b"".join(parts)).decode("utf-8", "surrogateescape")
    assert ALLOWED.fullmatch(shown)


@given(PARTS)
def test_cleaning_twice_changes_nothing_more(parts: list[bytes]) -> None:
    text = re.compile(r"(\x1b\[0m)+$", re.MULTILINE)
    once = clean(b"".join(parts))
    twice = clean(once).decode("utf-8", "surrogateescape")
    assert text.sub("", twice) == text.sub("", once.decode("utf-8", "surrogateescape"))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_is_left_alone(text: str) -> None:
    assert clean(text.encode()).decode() == text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"tab\tand text\n", b"tab\tand text\n"),
        (b"10%\r20%\r\n", b"10%\n20%\n"),
        (b"dos\r\nlines\r\n", b"dos\nlines\n"),
        (b"\xc2\x07\x9b2Jx", b"\xc22Jx"),
        (b"\x1b[31mred\nplain\n", b"\x1b[31mred\x1b[0m\nplain\n"),
        (b"\x1b[1;38:2::1:2:3mx", b"\x1b[1;38:2::1:2:3mx\x1b[0m"),
        (b"\x1b[>4;1mx", b"x"),
        (b"\x1b[" + b"1;" * 40 + b"mx", b"x"),
        (b"\x1b]52;c;Y2xlYXI=\x07x", b"x"),
        (b"\x1b]0;title\nnext", b"\nnext"),
        (b"\xe9\xa8latin", b"\xe9\xa8latin"),
        (b"raw\x9bcsi", b"rawcsi"),
        (b"a\x08b\x7fc", b"abc"),
    ],
)
def test_examples(sent: bytes, shown: bytes) -> None:
    assert clean(sent) == shown
