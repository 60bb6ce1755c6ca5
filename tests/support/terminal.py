"""A terminal in which a command runs, as a person sees it: a pty, and pyte to read it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

CLSH = str(Path(sys.executable).parent / "clsh")


class _Screen(pyte.Screen):
    """A screen that keeps what a real terminal would type back."""

    def __init__(self, columns: int, lines: int) -> None:
        self.answers = ""
        super().__init__(columns, lines)

    def write_process_input(self, data: str) -> None:
        self.answers += data


class Terminal:
    """A running command, its screen so far and the bytes that made it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
        lines: int = 200,
        stdin: int | None = None,
    ) -> None:
        self.raw = b""
        self.screen = _Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(1, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv,
            stdin=theirs if stdin is None else stdin,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", **(env or {})},
            preexec_fn=take_terminal,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self._fd)

    @property
    def text(self) -> list[str]:
        """The lines of the screen that are not empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def read(self, seconds: float) -> bool:
        """Take what comes within a time; returns False at the end."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def until(self, text: str, seconds: float = 20) -> None:
        """Read until the screen shows `text`."""
        end = time.monotonic() + seconds
        while not any(text in line for line in self.screen.display):
            assert time.monotonic() < end, f"no {text!r} on: {self.text}"
            assert self.read(0.05), f"ended without {text!r}: {self.text}"

    def finish(self, seconds: float = 20) -> int:
        """Read to the end and return the exit status."""
        end = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < end, f"does not end: {self.text}"
        return self.process.wait(max(0.1, end - time.monotonic()))
