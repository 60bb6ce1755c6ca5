from __future__ import annotations

import asyncio
import os
import pty
import tty
from typing import TYPE_CHECKING

import pytest

from clsh.base.errors import ClshError
from clsh.cli.output.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen:
    """Two pipes, or one terminal, in the place of stdout and stderr."""

    def __init__(self, *, terminal: bool = False) -> None:
        if terminal:
            self.reads, self.stdout = pty.openpty()
            tty.setraw(self.stdout)
            self.stderr = os.dup(self.stdout)
            self.reads_err = self.reads
        else:
            self.reads, self.stdout = os.pipe()
            self.reads_err, self.stderr = os.pipe()
        self.closed: list[ClshError | None] = []

    def console(self, *, colour: bool | None = None) -> Console:
        return Console(self.closed.append, colour=colour, stdout=self.stdout, stderr=self.stderr)

    def out(self) -> bytes:
        return os.read(self.reads, 65536)

    def err(self) -> bytes:
        return os.read(self.reads_err, 65536)


@pytest.fixture
def screen() -> Iterator[Screen]:
    yield from made(terminal=False)


@pytest.fixture
def terminal() -> Iterator[Screen]:
    yield from made(terminal=True)


def made(*, terminal: bool) -> Iterator[Screen]:
    screen = Screen(terminal=terminal)
    yield screen
    for fd in {screen.reads, screen.stdout, screen.reads_err, screen.stderr}:
        try:
            os.close(fd)
        except OSError:
            continue


async def test_a_pipe_gets_raw_bytes_with_a_plain_label(screen: Screen) -> None:
    console = screen.console()
    feed = console.feed("stdout", console.label("stdout", "node1") + b" ")
    feed.write(b"\x1b[2Jraw\r\n\xff")
    feed.end()
    console.feed("stderr", b"node1: ").write(b"wrong\n")
    console.talk("said")
    await console.flush()
    assert screen.out() == b"node1: \x1b[2Jraw\r\nnode1: \xff\n"
    assert screen.err() == b"node1: wrong\nsaid\n"
    assert await console.aclose()
    assert not console.has_status


async def test_a_terminal_gets_safe_text_with_coloured_labels(terminal: Screen) -> None:
    console = terminal.console()
    for index, stream in ((0, "stdout"), (1, "stdout"), (0, "stderr")):
        label = console.label(stream, "n", index)  # type: ignore[arg-type]  # a name in a tuple
        console.feed(stream, label + b" ").write(b"\x1b[2Jx\r\n")  # type: ignore[arg-type]  # same
    await console.aclose()
    assert terminal.out() == (b"\x1b[36mn:\x1b[0m x\n\x1b[32mn:\x1b[0m x\n\x1b[31mn:\x1b[0m x\n")
    assert console.has_status


@pytest.mark.parametrize("colour", [True, False])
async def test_colours_can_be_forced(screen: Screen, terminal: Screen, colour: bool) -> None:
    for one in (screen, terminal):
        console = one.console(colour=colour)
        assert (b"\x1b[" in console.label("stdout", "n")) is colour
        await console.aclose()


async def test_a_reader_that_went_away_is_told_once_and_quietly(screen: Screen) -> None:
    os.close(screen.reads)
    console = screen.console()
    for _ in range(3):
        console.text("stdout", b"x\n")
        await console.flush()
    await asyncio.sleep(0)
    assert screen.closed == [None]
    await console.aclose()


async def test_a_full_disk_behind_stdout_is_an_error(screen: Screen) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    console = Console(screen.closed.append, stdout=full, stderr=screen.stderr)
    console.text("stdout", b"x\n")
    await console.flush()
    await asyncio.sleep(0)
    assert [str(error) for error in screen.closed] == [
        "cannot write to standard output: No space left on device"
    ]
    await console.aclose()
    os.close(full)


async def test_a_stderr_that_went_away_is_nobodys_concern(screen: Screen) -> None:
    os.close(screen.reads_err)
    console = screen.console()
    console.talk("to nobody")
    console.text("stdout", b"x\n")
    await console.flush()
    assert screen.out() == b"x\n"
    assert screen.closed == []
    await console.aclose()


async def test_an_error_is_seen_although_nobody_reads_stdout(screen: Screen) -> None:
    console = screen.console()
    waits = [console.text("stdout", b"x" * 65536 + b"\n") for _ in range(100)]
    assert any(waits)
    console.talk("ERROR: seen")
    assert await asyncio.to_thread(screen.err) == b"ERROR: seen\n"
    assert await console.aclose(0.05) is False
    os.close(screen.reads)  # and the writer ends
    assert await console.aclose(5)


async def test_a_pager_behind_stdout_keeps_the_terminal_for_itself(
    screen: Screen, terminal: Screen
) -> None:
    console = Console(screen.closed.append, stdout=screen.stdout, stderr=terminal.stderr)
    console.status("1/2 done")
    await asyncio.sleep(0.05)
    console.talk("ERROR: seen")
    await console.aclose()
    assert terminal.err() == b"ERROR: seen\n"


async def test_the_status_line_is_for_terminals_only(screen: Screen, terminal: Screen) -> None:
    for one in (screen, terminal):
        console = one.console()
        console.status("1/2 done")
        await asyncio.sleep(0.05)
        console.talk("said")
        await console.aclose()
    assert screen.err() == b"said\n"
    shown = b""
    while b"said\n" not in shown:
        shown += terminal.err()
    assert shown == b"\r\x1b[K1/2 done\r\x1b[Ksaid\n"
