"""The end of what a task has written, as text that does nothing in a browser or a terminal."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError
from clsh.web.pages.words import visible

if TYPE_CHECKING:
    from clsh.base.users import User
    from clsh.jobs.engine import Stream
    from clsh.jobs.model import Task
    from clsh.jobs.service import Jobs
    from clsh.web.pages.words import Words

LIMIT = 32 * 1024
_WITHIN_S = 5.0
_LONGEST_LINE = 4000
# Sequences are taken out whole, so that no half of one stays readable between the words.
_SEQUENCES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]?"  # CSI
    r"|\x1b[\x20-\x2f]*[\x30-\x7e]?"  # every other escape
)
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True, slots=True)
class Tail:
    """What stands at the end of a file, or in `note` why nothing does; None is not known now.

    Both are plain texts, for scripts as well.
    """

    text: str | None = ""
    note: str = ""
    cut: bool = False


def clean(data: bytes, *, cut: bool = False) -> str:
    """Return output as plain text; with `cut` it begins in the middle of a line, which goes.

    A carriage return begins a line anew, as on a terminal: of a progress bar its last state
    stays. What cannot be seen is spelt out, marks of direction too.
    """
    if cut and 0 <= (end := data.find(b"\n")) < len(data) - 1:
        data = data[end + 1 :]
    elif cut:
        data = data.lstrip(bytes(range(0x80, 0xC0)))  # the rest of a character of UTF-8
    text = data.decode("utf-8", "replace")
    return "\n".join(map(_line, _SEQUENCES.sub("", text).split("\n")))


def _line(text: str) -> str:
    last = text.rstrip("\r").rpartition("\r")[2]
    shown = last if len(last) <= _LONGEST_LINE else last[:_LONGEST_LINE] + "..."
    return _UNSEEN.sub(lambda found: repr(found[0])[1:-1], shown)


async def read(service: Jobs, user: User, task: Task, stream: Stream, words: Words) -> Tail:
    """Return the end of what a task wrote to `stream`; a node that does not answer is a note."""
    if not task.attempt:
        return Tail(note=words.said("Not started yet."))
    try:
        async with asyncio.timeout(_WITHIN_S):
            data = await service.read(user, task.job, task.index, stream, -LIMIT, LIMIT)
    except TimeoutError:
        said = words.said("No answer from the node within {n} s.")
        return Tail(None, said.format(n=f"{_WITHIN_S:g}"))
    except ClshError as error:
        said = words.said("It cannot be read now: {reason}")
        return Tail(None, said.format(reason=visible(words.said(str(error)))))
    if not data:
        return Tail(note=words.said("Nothing was written."))
    cut = len(data) >= LIMIT
    return Tail(clean(data, cut=cut), cut=cut)
