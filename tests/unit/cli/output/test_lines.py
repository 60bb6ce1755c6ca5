from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.cli.output.lines import PIECE, Lines, labelled


def test_a_line_waits_until_it_is_whole() -> None:
    lines = Lines()
    assert lines.push(b"one\ntw") == b"one\n"
    assert lines.push(b"o") == b""
    assert lines.push(b"\nthree\nfour") == b"two\nthree\n"
    assert lines.rest() == b"four"
    assert lines.rest() == b""


@given(st.lists(st.binary(max_size=50)), st.sampled_from([b"\n", b"\n\n", b"a\nb"]))
def test_nothing_is_lost_or_added(chunks: list[bytes], more: bytes) -> None:
    lines = Lines()
    shown = b"".join(lines.push(chunk + more) for chunk in chunks) + lines.rest()
    assert shown == b"".join(chunk + more for chunk in chunks)


def test_a_line_without_end_is_cut_into_pieces() -> None:
    lines = Lines()
    shown = b"".join(lines.push(b"x" * 1000) for _ in range(200)) + lines.rest()
    assert [len(piece) for piece in shown.split(b"\n")] == [
        PIECE,
        PIECE,
        PIECE,
        200_000 - 3 * PIECE,
    ]


@pytest.mark.parametrize("character", ["é", "한", "😀"])
def test_a_cut_never_splits_a_character(character: str) -> None:
    lines = Lines()
    text = "x" + character * PIECE
    shown = lines.push(text.encode()) + lines.rest()
    assert shown.decode().replace("\n", "") == text
    assert max(map(len, shown.split(b"\n"))) <= PIECE


def test_bytes_that_are_no_characters_are_cut_anywhere() -> None:
    lines = Lines()
    shown = lines.push(b"\x80" * (PIECE + 10)) + lines.rest()
    assert shown == b"\x80" * PIECE + b"\n" + b"\x80" * 10


def test_each_line_gets_its_label_and_the_last_one_its_newline() -> None:
    assert labelled(b"a\n\nb\n", b"n: ") == b"n: a\nn: \nn: b\n"
    assert labelled(b"a\nb", b"n: ") == b"n: a\nn: b\n"
    assert labelled(b"\n", b"n: ") == b"n: \n"
    assert labelled(b"", b"n: ") == b""
