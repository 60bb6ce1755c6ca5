"""What a long-running process writes down: one line an event, in a thread of its own.

The event loop never waits for a disk or a terminal. A full disk loses lines, nothing else;
the file is bounded. What a node said in an event cannot end the line or move a terminal.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import logging.handlers
import queue
import sys
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_LARGEST = 4 * 2**20
_OLD_FILES = 3
_MOST_WAITING = 10_000
_LONGEST = 4000


class _Lines(logging.Formatter):
    """`2026-01-31T12:00:00Z WARNING clsh.monitor: text`; a traceback follows on its lines."""

    def __init__(self, *, dated: bool) -> None:
        form = "%(levelname)s %(name)s: %(message)s"
        super().__init__(f"%(asctime)s {form}" if dated else form, "%Y-%m-%dT%H:%M:%SZ")

    def converter(self, timestamp: float | None) -> time.struct_time:
        return time.gmtime(timestamp)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return _safe(super().formatMessage(record))


def _safe(line: str) -> str:
    if len(line) > _LONGEST:
        line = f"{line[:_LONGEST]}..."
    return line if line.isprintable() else "".join(map(_shown, line))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class _Front(logging.handlers.QueueHandler):
    """Hands a record to the thread; drops it when that is far behind."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a record that holds nothing which may change or live on."""
        made = copy.copy(record)
        made.msg, made.args = record.getMessage(), None
        if record.exc_info:
            lines = traceback.format_exception(record.exc_info[1])
            made.exc_text = "\n".join(map(_safe, "".join(lines).splitlines()))
        made.exc_info = made.stack_info = None
        return made

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record


class _Thread(logging.handlers.QueueListener):
    def enqueue_sentinel(self) -> None:
        """Tell the thread to end; its queue may be full."""
        self.queue.put(None)  # type: ignore[attr-defined]  # typed as one that cannot wait


class _File(logging.handlers.RotatingFileHandler):
    """Tries again with each line what a full disk or a removed directory made impossible."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record
        with contextlib.suppress(OSError, ValueError):
            self.close()  # the next line opens the file anew


class _Terminal(logging.StreamHandler):  # type: ignore[type-arg]  # not generic when it runs
    """Standard error; a closed one is no reason to stop."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record


@contextlib.contextmanager
def writing(file: Path | None = None, *, level: int = logging.INFO) -> Generator[None]:
    """Write what is logged to `file`, or to stderr without one, until the end of the block.

    Warnings of other packages are kept, what they tell beyond is not.
    """
    handler: logging.Handler
    if file is None:
        handler = _Terminal(sys.stderr)
    else:
        handler = _File(
            file, maxBytes=_LARGEST, backupCount=_OLD_FILES, encoding="utf-8", delay=True
        )
    handler.setFormatter(_Lines(dated=file is not None))
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_WAITING)
    front = _Front(waiting)
    listener = _Thread(waiting, handler)
    root = logging.getLogger()
    ours = logging.getLogger("clsh")
    before = root.level, ours.level
    root.addHandler(front)
    root.setLevel(logging.WARNING)
    ours.setLevel(level)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(front)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        listener.stop()
        handler.close()
