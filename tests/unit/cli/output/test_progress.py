from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios

import pytest

from clsh.cli.output import progress
from clsh.cli.output.console import Console
from clsh.cli.output.progress import Counts, line


def test_the_line_says_how_far_the_run_is() -> None:
    assert line(Counts(40, 12, 8), 3.4, 80) == "clsh: 12/40 done, 8 running  3 s"
    assert line(Counts(40, 12, 8, 2), 3.6, 80) == "clsh: 12/40 done, 8 running, 2 failed  4 s"


@pytest.mark.parametrize("columns", [0, 1, 10, 20])
def test_the_line_never_wraps(columns: int) -> None:
    assert len(line(Counts(40), 1, columns)) <= max(columns - 1, 0)


async def test_it_is_shown_when_a_run_lasts_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_S", 0.02)
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    reads, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    console = Console(lambda _: None, stdout=terminal, stderr=terminal)
    counts = Counts(2)
    showing = asyncio.create_task(progress.show(console, counts, terminal))
    await asyncio.sleep(0.1)
    counts.done = 1
    await asyncio.sleep(0.1)
    showing.cancel()
    await asyncio.wait([showing])
    await console.aclose()
    shown = os.read(reads, 65536)
    while not shown.endswith(b"s\r\x1b[K"):
        shown += os.read(reads, 65536)
    assert shown.startswith(b"\r\x1b[Kclsh: 0/2 done, 0 running  0 s")
    assert b"clsh: 1/2 done" in shown
    os.close(reads)
    os.close(terminal)


async def test_without_a_terminal_there_is_none() -> None:
    reads, pipe = os.pipe()
    console = Console(lambda _: None, stdout=pipe, stderr=pipe)
    await progress.show(console, Counts(2), pipe)  # returns at once
    await console.aclose()
    os.close(pipe)
    assert os.read(reads, 10) == b""
    os.close(reads)
