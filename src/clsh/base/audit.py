"""Who changed what: one line of JSON for each act, appended and never rewritten.

    {"time": "2026-01-31T12:00:00.000Z", "who": "alice", "how": "session", "act": "login",
     "object": "", "outcome": "done", "address": "10.0.0.7"}

No secret is ever handed in. A file that grew to `_LARGEST` is renamed (`audit.log.1`), the
oldest of `_OLD_FILES` goes. What cannot be written is told in the log: a full disk must not
keep anybody from ending something.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from clsh.base.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clsh.base.clock import Clock
    from clsh.base.users import User

FILE_NAME = "audit.log"
_LARGEST = 8 * 2**20
_OLD_FILES = 9
_LONGEST = 1000

_log = logging.getLogger(__name__)


class Audit:
    """The file `audit.log` in a directory; without one nothing is kept."""

    def __init__(self, directory: Path | None, clock: Clock) -> None:
        self._file = directory / FILE_NAME if directory else None
        self._clock = clock
        self._lane = Lane("audit")

    async def note(
        self,
        who: User | str,
        act: str,
        what: str = "",
        *,
        outcome: str = "done",
        address: str = "",
    ) -> None:
        """Write one line; returns when the kernel has it, and never raises for the disk.

        `who` is a name alone where nobody is known by it: a login that failed. `act` is a
        word (`login`, `cancel`), `what` its object (`job 12`).
        """
        if self._file is None:
            return
        fields = {
            "time": stamp(self._clock.unix()),
            "who": who if isinstance(who, str) else who.name,
            "how": "" if isinstance(who, str) else who.how,
            "act": act,
            "object": what,
            "outcome": outcome,
            "address": address,
        }
        line = json.dumps({key: text[:_LONGEST] for key, text in fields.items()}) + "\n"
        file = self._file
        try:
            await self._lane.call(lambda: append(file, line.encode()))
        except OSError as error:
            _log.critical("the audit cannot be written (%s): %s", error.strerror, line.strip())

    async def read(self, since: float, limit: int) -> list[Mapping[str, str]]:
        """Return the newest `limit` lines since a moment (Unix seconds), the oldest first."""
        file = self._file
        if file is None:
            return []
        return await self._lane.call(lambda: list(deque(_lines(file, stamp(since)), limit)))

    def close(self) -> None:
        """Let the thread end when all is written."""
        self._lane.end()


def stamp(at: float) -> str:
    """Return a moment as the lines have it; they sort as moments do."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def append(file: Path, line: bytes) -> None:
    """Append a line in one write; raises OSError. A file that is full is put aside before."""
    descriptor = os.open(
        file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    try:
        size = os.fstat(descriptor).st_size
        if size < _LARGEST:
            _write(descriptor, line, size)
            return
    finally:
        os.close(descriptor)
    for number in range(_OLD_FILES - 1, -1, -1):
        old = file.with_name(f"{file.name}.{number}") if number else file
        if old.exists():
            old.replace(file.with_name(f"{file.name}.{number + 1}"))
    append(file, line)


def _write(descriptor: int, line: bytes, size: int) -> None:
    """Write a line whole or not at all: half of one would spoil the next."""
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise OSError(None, "there is no room for a line")


def _lines(file: Path, since: str) -> Iterator[Mapping[str, str]]:
    """Return the lines from a moment on; one that is none of ours is left out."""
    names = [f"{file.name}.{number}" for number in range(_OLD_FILES, 0, -1)]
    for one in [*(file.with_name(name) for name in names), file]:
        if not one.exists():
            continue
        with one.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    fields: object = json.loads(line)
                except ValueError:
                    continue
                if not isinstance(fields, dict):
                    continue
                known = cast("dict[str, str]", fields)
                if str(known.get("time", "")) >= since:
                    yield known
