"""The two streams that a person or a pipe reads: labelled lines, talk, a status line.

Nothing here blocks the event loop: `clsh.cli.output.writer` writes. When stdout and stderr end in
the same place one writer keeps their order; otherwise each has its own, so that an error is
seen although `| less` does not read on.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.cli.output.feed import Feed
from clsh.cli.output.terminal import RESET, clean
from clsh.cli.output.writer import Target, Writer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from clsh.remote.transport import Stream

_COLOURS = ("36", "32", "33", "34", "35", "96", "92", "93", "94", "95")
_RED = "31"


class Console:
    """Standard output and standard error of this process, or other descriptors in tests.

    `on_closed` is called once when stdout cannot be written to any more: with None when
    nobody reads it (`| head`), else with the error.
    """

    def __init__(
        self,
        on_closed: Callable[[ClshError | None], None],
        *,
        colour: bool | None = None,
        stdout: int = 1,
        stderr: int = 2,
    ) -> None:
        self._on_closed = on_closed
        terminal = {fd: os.isatty(fd) for fd in (stdout, stderr)}
        self._targets: dict[Stream, Target] = {
            "stdout": Target("standard output", stdout),
            "stderr": Target("standard error", stderr),
        }
        self._safe: dict[Stream, bool] = {"stdout": terminal[stdout], "stderr": terminal[stderr]}
        self._colour: dict[Stream, bool] = {
            "stdout": terminal[stdout] if colour is None else colour,
            "stderr": terminal[stderr] if colour is None else colour,
        }
        self.has_status = terminal[stderr] and not _is_pipe(stdout)
        """Whether there is a place for the status line; a pager would draw over it."""
        talking = Writer(self._failed, status_fd=stderr if self.has_status else None)
        one = _same(stdout, stderr) or all(terminal.values())
        self._writers: dict[Stream, Writer] = {
            "stdout": talking if one else Writer(self._failed),
            "stderr": talking,
        }

    def feed(self, stream: Stream, label: bytes) -> Feed:
        """Return what writes a stream of a node as lines, `label` before each."""
        return Feed(self._put_to(stream), label, safe=self._safe[stream])

    def label(self, stream: Stream, node: str, index: int = 0) -> bytes:
        """Return `node:`, coloured where colours are shown; `index` picks the colour."""
        label = f"{node}:"
        if self._colour[stream]:
            colour = _RED if stream == "stderr" else _COLOURS[index % len(_COLOURS)]
            label = f"\x1b[{colour}m{label}{RESET}"
        return label.encode()

    def text(self, stream: Stream, data: bytes) -> asyncio.Future[None] | None:
        """Write whole lines without a label, made safe when a terminal shows them."""
        return self._put_to(stream)(clean(data) if self._safe[stream] else data)

    def talk(self, text: str) -> None:
        """Write one line for a person to stderr, in order with the output of the nodes."""
        self.text("stderr", text.encode("utf-8", "backslashreplace") + b"\n")

    def status(self, text: str) -> None:
        """Show one line below everything on the terminal of stderr, or nothing."""
        self._writers["stderr"].status(text.encode("utf-8", "backslashreplace"))

    async def flush(self) -> None:
        """Wait until everything has been written; a reader may take its time."""
        for writer in set(self._writers.values()):
            await writer.flush()

    async def aclose(self, wait_s: float | None = None) -> bool:
        """Write what is left and end; returns False when that takes more than `wait_s`."""
        ended = [await writer.aclose(wait_s) for writer in set(self._writers.values())]
        return all(ended)

    def _put_to(self, stream: Stream) -> Callable[[bytes], asyncio.Future[None] | None]:
        writer, target = self._writers[stream], self._targets[stream]
        return lambda data: writer.put(target, data)

    def _failed(self, target: Target) -> None:
        if target is not self._targets["stdout"] or target.error is None:
            return  # without a stderr there is nobody to tell
        if target.error.errno == errno.EPIPE:
            self._on_closed(None)
        else:
            self._on_closed(
                ClshError(
                    f"cannot write to {target.name}: {target.error.strerror}",
                    hint="the commands on the nodes have been stopped",
                )
            )


def _is_pipe(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)


def _same(one: int, other: int) -> bool:
    """Tell whether two descriptors are the same file, pipe or terminal."""
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
