"""The terminal as a screen that is drawn on: taken over, drawn by changed lines, given back.

A frame is one write, and holds only the lines that differ from those before; now and then
it holds all, for what others wrote on the terminal meanwhile (wall). A writer's thread does
it: a terminal that stands still (Ctrl-S) stops neither keys nor signals. The keys come from
a descriptor of our own, since making the one that we were given non-blocking would change
it for the shell as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
import tty
from typing import TYPE_CHECKING

from clsh.cli.monitoring.keys import decode, is_begun
from clsh.cli.output.writer import Target, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

_TAKE = b"\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, no cursor, no wrap
_GIVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN, _END = b"\x1b[?2026h", b"\x1b[?2026l"  # show the frame when it is whole
_ALL = 15
"""Every so many frames all lines are written."""
_REST_S = 0.05
"""How long the rest of a key may be on its way."""
_CLOSE_S = 0.3


def changes(old: Sequence[str], new: Sequence[str]) -> bytes:
    """Return what makes a terminal that shows `old` show `new`, as one frame; pure."""
    parts = [
        f"\x1b[{at};1H{line}\x1b[K"
        for at, line in enumerate(new, start=1)
        if at > len(old) or old[at - 1] != line
    ]
    if not parts:
        return b""
    return _BEGIN + "".join(parts).encode("utf-8", "replace") + _END


class Screen:
    """The terminal of `fd` while in `async with`; restored whatever happens in it.

    `on_key` gets each key by name, `on_change` is called when the whole has to be drawn
    anew: another size, or back from being stopped. Both are called in the event loop.
    Raises OSError when `fd` is no terminal that can be opened.
    """

    def __init__(
        self, fd: int, on_key: Callable[[str], None], on_change: Callable[[], None]
    ) -> None:
        self._fd = fd
        self._on_key = on_key
        self._on_change = on_change
        self._target = Target("terminal", fd)
        self._shown: Sequence[str] = ()
        self._frames = 0
        self._held = b""
        self._flush: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.gone = asyncio.Event()
        """Set when the terminal takes nothing any more."""

    async def __aenter__(self) -> Self:
        self._keys = os.open(os.ttyname(self._fd), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        self._loop = asyncio.get_running_loop()
        self._before: list[Any] = termios.tcgetattr(self._fd)
        self._writer = Writer(lambda _: self.gone.set())
        self._take()
        self._loop.add_reader(self._keys, self._read)
        self._loop.add_signal_handler(signal.SIGWINCH, self.redraw)
        self._loop.add_signal_handler(signal.SIGTSTP, self._stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop.remove_reader(self._keys)
        self._loop.remove_signal_handler(signal.SIGWINCH)
        self._loop.remove_signal_handler(signal.SIGTSTP)
        if self._timer:
            self._timer.cancel()
        if self._flush:
            self._flush.cancel()
        self._writer.put(self._target, _GIVE)
        await self._writer.aclose(_CLOSE_S)
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        os.close(self._keys)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines; a terminal that does not say has 80 x 24."""
        try:
            columns, lines = os.get_terminal_size(self._fd)
        except OSError:
            columns = lines = 0
        return columns or 80, lines or 24

    def draw(self, lines: Sequence[str]) -> None:
        """Show the lines; left out while the terminal has not taken the frame before."""
        if self._flush and not self._flush.done():
            return
        self._frames += 1
        if self._frames % _ALL == 0:
            self._shown = ()
        frame = changes(self._shown, lines)
        self._shown = lines
        if frame:
            self._writer.put(self._target, frame)
            self._flush = self._loop.create_task(self._writer.flush())

    def redraw(self) -> None:
        """Have everything drawn anew."""
        self._shown = ()
        self._writer.put(self._target, b"\x1b[2J")
        self._on_change()

    def _take(self) -> None:
        tty.setcbreak(self._fd, termios.TCSANOW)
        mode = termios.tcgetattr(self._fd)
        mode[0] &= ~termios.IXON  # Ctrl-S must not freeze the picture
        termios.tcsetattr(self._fd, termios.TCSANOW, mode)
        self._shown = ()
        self._writer.put(self._target, _TAKE + b"\x1b[2J")

    def _stop(self) -> None:
        """Give the terminal back and stop (Ctrl-Z), and take it again afterwards."""
        self._writer.put(self._target, _GIVE)
        self._stopping = self._loop.create_task(self._stopped())

    async def _stopped(self) -> None:
        await self._writer.flush()
        termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        self._loop.remove_signal_handler(signal.SIGTSTP)  # back to stopping, as by default
        os.kill(os.getpid(), signal.SIGTSTP)
        await asyncio.sleep(0)
        self._loop.add_signal_handler(signal.SIGTSTP, self._stop)
        self._take()
        self._on_change()

    def _read(self) -> None:
        try:
            data = os.read(self._keys, 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._keys)
            self.gone.set()
            return
        if self._timer:
            self._timer.cancel()
        self._held += data
        if is_begun(self._held):
            self._timer = self._loop.call_later(_REST_S, self._typed)
        else:
            self._typed()

    def _typed(self) -> None:
        data, self._held = self._held, b""
        for key in decode(data):
            self._on_key(key)
