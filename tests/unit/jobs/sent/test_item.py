"""How a file that is sent along is named."""

from __future__ import annotations

import pytest

from clsh.jobs.sent.item import Item, all_of, folder, is_name, names, read

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("name", ["x", "größe 1.txt", ".hidden", "-rf", "a:b", "x" * 255])
@pytest.mark.parametrize("executable", [True, False])
def test_there_and_back(name: str, executable: bool) -> None:
    item = Item(DIGEST, name, executable)
    assert all_of([str(item)]) == (item,)


@pytest.mark.parametrize(
    "text",
    [
        "", "/etc/passwd", DIGEST, f"{DIGEST}:", f"{DIGEST}:.", f"{DIGEST}:..", f"{DIGEST}:a/b",
        f"{DIGEST}:../x", f"{DIGEST[:-1]}:x", f"{DIGEST.upper()}:x", f"{DIGEST}+s:x",
        f"{DIGEST}:a\nb", f"{DIGEST}: x", f"{DIGEST}:x ", f"{DIGEST}:a,b", f"{DIGEST}:{'x' * 256}",
        f"{DIGEST}:\x1b[2J", f"{DIGEST}:\0",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no file that was handed in"):
        read(text)


def test_for_people() -> None:
    assert names([f"{DIGEST}:a:b", f"{DIGEST}+x:c", "odd"]) == ["a:b", "c", "odd"]
    assert folder("/var/spool", "q-1.0.1") == "/var/spool/sent/q-1.0.1"


def test_a_name_that_is_no_text() -> None:
    assert not is_name("\udcff")
    assert not is_name("ä" * 128)
