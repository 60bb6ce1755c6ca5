"""Bytes of a terminal become keys."""

from __future__ import annotations

import pytest

from clsh.cli.monitoring.keys import decode, is_begun


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOC\x1bOD", ["right", "left"]),
        (b"\x1b[5~\x1b[6~", ["page-up", "page-down"]),
        (b"\x1b[H\x1b[4~", ["home", "end"]),
        (b"\x1b", ["escape"]),
        (b"\r\n\t\x7f\x0c", ["enter", "enter", "tab", "backspace", "ctrl-l"]),
        ("한<".encode(), ["한", "<"]),
        (b"\x1b[200~a\x01", ["a"]),
        (b"\xff", []),
    ],
)
def test_keys(data: bytes, keys: list[str]) -> None:
    assert decode(data) == keys


@pytest.mark.parametrize("data", [b"\x1b", b"\x1b[", b"\x1bO", b"a\x1b[5", "한".encode()[:2]])
def test_the_rest_may_be_on_its_way(data: bytes) -> None:
    assert is_begun(data)


@pytest.mark.parametrize("data", [b"a", b"\x1b[A", b"\x1b[5~", "한".encode(), "é".encode(), b""])
def test_a_whole_key(data: bytes) -> None:
    assert not is_begun(data)
