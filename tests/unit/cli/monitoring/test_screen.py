"""The screen of `cl top` on a real terminal: drawn by changes, restored whatever happens."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsh.cli.monitoring.screen import Screen, changes
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.unit.cli.monitoring.manager import FakeManager

CL = str(Path(sys.executable).with_name("cl"))
LINES = st.lists(st.text(alphabet="ab ", max_size=8).map(str.rstrip), min_size=5, max_size=5)


@given(old=LINES, new=LINES)
def test_what_is_drawn_is_what_is_shown(old: list[str], new: list[str]) -> None:
    screen = pyte.Screen(10, 5)
    stream = pyte.ByteStream(screen)
    stream.feed(changes([], old))
    stream.feed(changes(old, new))
    assert [line.rstrip() for line in screen.display] == new


def test_only_changed_lines_are_written() -> None:
    assert changes(["a", "b", "c"], ["a", "x", "c"]) == b"\x1b[?2026h\x1b[2;1Hx\x1b[K\x1b[?2026l"
    assert changes(["a"], ["a"]) == b""


class Top(Terminal):
    """`cl top` on a terminal whose settings can be looked at."""

    def __init__(self, *options: str, argv: Sequence[str] | None = None) -> None:
        super().__init__(argv or [CL, "top", *options], lines=24, columns=80)
        self.before = self.settings()

    def settings(self) -> object:
        return termios.tcgetattr(self._fd)[:4]

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def is_restored(self) -> bool:
        ends = [self.raw.rfind(code) for code in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?7h")]
        begins = self.raw.rfind(b"\x1b[?1049h")
        return min(ends) > begins and self.settings() == self.before


@pytest.fixture
def top(manager: FakeManager) -> Iterator[Top]:
    with Top("--interval", "0.2") as running:
        running.until("node2")
        yield running


def test_q_ends_and_restores(top: Top) -> None:
    assert top.settings() != top.before
    top.type("q")
    assert top.finish() == 0
    assert top.is_restored()


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 0), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_and_restores(top: Top, signum: signal.Signals, status: int) -> None:
    top.process.send_signal(signum)
    assert top.finish() == status
    assert top.is_restored()


def test_ctrl_c_is_a_way_to_leave(top: Top) -> None:
    top.type("\x03")
    assert top.finish() == 0
    assert top.is_restored()


def test_keys_change_the_picture_at_once(top: Top) -> None:
    top.type("p")
    top.until("COMMAND")
    top.until("노드 work")
    assert b"evil" not in top.raw
    top.type("\x1b")
    top.until("WRITE/s")
    top.type("/node2\r")
    top.until("only node2")
    assert not any(line.startswith("node1 ") for line in top.text)
    top.type("q")
    assert top.finish() == 0


def test_another_size_is_drawn_anew(top: Top) -> None:
    top.resize(100, 30)
    top.until("CORES")
    assert "q quit" in top.screen.display[29]
    top.resize(40, 8)
    end = time.monotonic() + 10
    while "q quit" not in top.screen.display[7]:
        assert time.monotonic() < end, top.text
        top.read(0.05)
    top.type("q")
    assert top.finish() == 0


def test_what_others_wrote_on_the_terminal_goes_away(top: Top) -> None:
    top._stream.feed(b"\x1b[5;1HBroadcast message")
    assert any("Broadcast" in line for line in top.screen.display)
    top.type("\x0c")
    end = time.monotonic() + 10
    while any("Broadcast" in line for line in top.screen.display):
        assert time.monotonic() < end
        top.read(0.05)


def test_stopped_by_ctrl_z_and_continued_by_the_shell(manager: FakeManager) -> None:
    line = f"{CL} top --interval 0.2; stty -a | grep -o .echo.; echo at the shell; read x; fg"
    with Top(argv=["bash", "-mc", line]) as top:
        top.until("node2")
        top.type("\x1a")
        top.until("at the shell")
        assert b" echo " in top.raw.split(b"\x1b[?1049l")[-1]
        assert top.raw.rfind(b"\x1b[?1049l") > top.raw.rfind(b"\x1b[?1049h")
        top.type("\n")
        top.until("q quit")
        top.type("q")
        assert top.finish() == 0
        assert top.raw.rfind(b"\x1b[?1049l") > top.raw.rfind(b"\x1b[?1049h")


def test_a_manager_that_goes_away_is_told_and_the_picture_stays(
    top: Top, manager: FakeManager
) -> None:
    del manager.answers["/api/v1/nodes"]
    top.until("no /api/v1/nodes")
    assert any(line.startswith("node1 ") for line in top.text)


def test_an_error_is_told_on_the_restored_terminal(manager: FakeManager) -> None:
    del manager.answers["/api/v1/nodes"]
    with Top() as top:
        assert top.finish() == 1
        assert top.is_restored()
        assert "cl: no /api/v1/nodes" in top.raw.split(b"\x1b[?1049l")[-1].decode()


def test_a_bug_restores_the_terminal(manager: FakeManager) -> None:
    manager.answers["/api/v1/nodes"] = {"nodes": ["no object"]}
    with Top() as top:
        assert top.finish() == 1
        assert top.is_restored()
        assert b"Traceback" in top.raw.split(b"\x1b[?1049l")[-1]


def test_it_ends_after_so_many_pictures(manager: FakeManager) -> None:
    with Top("-n", "2", "--interval", "0.2") as top:
        assert top.finish() == 0
    assert len([path for path, _ in manager.asked if path == "/api/v1/nodes"]) == 2


def test_a_terminal_that_takes_nothing_does_not_hold_up_a_signal(top: Top) -> None:
    before = os.read(top._fd, 65536)
    assert before is not None
    for _ in range(200):  # nobody reads: the buffer of the terminal fills up
        top.type("\x0c")
        time.sleep(0.005)
    top.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 5
    while top.process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert top.process.returncode == 143
    assert top.settings() == top.before


async def test_a_terminal_that_goes_away() -> None:
    ours, theirs = pty.openpty()
    keys: asyncio.Queue[str] = asyncio.Queue()
    try:
        async with Screen(theirs, keys.put_nowait, lambda: None) as screen:
            assert screen.size == (80, 24)  # it does not say
            screen._read()  # as when another reader was faster
            os.write(ours, b"a\x1b")
            async with asyncio.timeout(10):
                assert [await keys.get(), await keys.get()] == ["a", "escape"]
                os.close(ours)
                await screen.gone.wait()
            assert screen.size == (80, 24)
    finally:
        os.close(theirs)
