"""A hostile node writes 60 escape sequences; the terminal of the reader does nothing of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal import CLSH, Terminal

if TYPE_CHECKING:
    from pathlib import Path

SEQUENCES = [
    # the cursor, over labels and lines of others
    b"\x1b[A", b"\x1b[10A", b"\x1b[2K", b"\x1b[1K", b"\x1b[2J", b"\x1b[3J", b"\x1b[H",
    b"\x1b[1;1H", b"\x1b[5G", b"\x1b[1;1f", b"\x1b[D", b"\x1b[100D", b"\x1b[s\x1b[H", b"\x1b7\x1b8",
    b"\x1bM", b"\x1bD", b"\x1bE", b"\x1bc", b"\x1b[!p", b"\x1b[5S", b"\x1b[5T", b"\x1b[3;5r",
    b"\x1b[4h", b"\x1b[20h", b"\x1b[10L", b"\x1b[10M", b"\x1b[10P", b"\x1b[10X", b"\x1b[10@",
    # modes: another screen, mouse reports, pasting, an invisible cursor
    b"\x1b[?1049h", b"\x1b[?1000h", b"\x1b[?2004h", b"\x1b[?25l", b"\x1b[?5h", b"\x1b[?7l",
    b"\x1b[>4;1m", b"\x1b=", b"\x1b(0", b"\x1b)0", b"\x1b%@", b"\x0e", b"\x0f",
    # questions that a terminal answers as if typed
    b"\x1b[6n", b"\x1b[5n", b"\x1b[c", b"\x1b[>c", b"\x1b[21t", b"\x1bZ", b"\x05",
    b"\x1bP$qm\x1b\\", b"\x1bP+q544e\x1b\\",
    # strings: title, clipboard, links, commands of multiplexers, never ended
    b"\x1b]0;owned\x07", b"\x1b]2;owned\x1b\\", b"\x1b]52;c;b3duZWQ=\x07", b"\x1b]8;;http://x\x07",
    b"\x1b]4;1;?\x07", b"\x1b_Gi=1\x1b\\", b"\x1b^owned\x1b\\", b"\x1bXowned\x1b\\",
    b"\x1bkowned\x1b\\", b"\x1b]0;owned",
    # the same in eight bits, in UTF-8 and raw, and hidden in one another
    b"\x9b2J", b"\xc2\x9b2J", b"\x9d0;owned\x9c", b"\xc2\x9d0;owned\xc2\x9c",
    b"\xc2\x90$qm\xc2\x9c", b"\xc2\x07\x9b2J", b"\x1b\x1b[2J", b"\x1b[\x1b[2J2J",
    b"\x1b]\x1b[2J\x07", b"\x1b[31\x1b[2Jm",
    b"\xc1\x9b[2J", b"\xe0\x82\x9b2J",
    # plain control characters
    b"\r", b"\b\b\b\b\b\b\b\b\b\b\b\b", b"\x0b", b"\x0c", b"\x07", b"\x7f", b"\x00",
    b"\x1a", b"\x18",
]  # fmt: skip
ALLOWED = re.compile(rb"(?:[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\x1b\[[0-9;]*m)*")


def numbered() -> bytes:
    return b"".join(b"%03d<%b>%03d\n" % (n, one, n) for n, one in enumerate(SEQUENCES))


@pytest.mark.parametrize("how", ["cat {}", "dd if={} bs=1 status=none", "cat {} >&2"])
@pytest.mark.parametrize("options", [[], ["-b"], ["--table"], ["--json"]])
def test_no_sequence_acts(tmp_path: Path, how: str, options: list[str]) -> None:
    assert len(SEQUENCES) >= 60
    file = tmp_path / "hostile"
    file.write_bytes(numbered())
    argv = [CLSH, "-h", "local://", *options, how.format(file)]
    with Terminal(argv, lines=300) as terminal:
        assert terminal.finish() == 0, terminal.text
    assert ALLOWED.fullmatch(terminal.raw.replace(b"\r\n", b"\n")), terminal.raw
    assert terminal.screen.answers == ""
    assert terminal.screen.title == ""
    if options == ["--json"]:
        return  # bytes that are no text come as base64
    shown = "\n".join(terminal.text)
    at = [shown.find(f"{n:03d}<") for n in range(len(SEQUENCES))]
    assert -1 not in at
    assert at == sorted(at)
    if not options:
        assert all(line.startswith("local: ") for line in terminal.text)


def test_files_and_pipes_get_the_raw_bytes(tmp_path: Path) -> None:
    import subprocess

    file = tmp_path / "hostile"
    file.write_bytes(numbered())
    piped = subprocess.run(
        [CLSH, "-h", "local://", f"cat {file}"], capture_output=True, check=True, timeout=30
    ).stdout
    assert piped == b"".join(b"local: %b\n" % line for line in numbered().split(b"\n")[:-1])
    out = tmp_path / "run"
    subprocess.run([CLSH, "-h", "local://", f"--out={out}/", f"cat {file}"], check=True, timeout=30)
    assert (out / "local.out").read_bytes() == numbered()


def test_a_colour_ends_with_its_line(tmp_path: Path) -> None:
    with Terminal([CLSH, "-h", "local://", r"printf '\033[31mred\n'; echo plain"]) as terminal:
        assert terminal.finish() == 0
    assert terminal.text == ["local: red", "local: plain"]
    assert terminal.screen.buffer[0][7].fg == "red"
    assert terminal.screen.buffer[1][7].fg == "default"
