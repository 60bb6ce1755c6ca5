"""Know processes by pid and start time, and end them without ever hitting another. Linux."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `start` (clock ticks since boot) tells it from a later one of its pid."""

    pid: int
    parent: int
    start: int


def parse_stat(text: str) -> Process:
    """Return the process that a `/proc/PID/stat` describes (proc(5): fields 1, 4 and 22)."""
    # The command's name may itself hold spaces and parentheses.
    before, _, after = text.rpartition(")")
    fields = after.split()
    return Process(int(before.split(" ", 1)[0]), int(fields[1]), int(fields[19]))


def find(pid: int, start: int | None = None) -> Process | None:
    """Return the process `pid`, or None when it is gone or began at another time."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    process = parse_stat(text)
    return process if start in {None, process.start} else None


def everyone() -> list[Process]:
    """Return all processes that now run."""
    pids = (entry.name for entry in _PROC.iterdir() if entry.name.isdigit())
    return [process for pid in pids if (process := find(int(pid)))]


def words(pid: int) -> list[str]:
    """Return the command line of a process, empty when it is gone."""
    try:
        return os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).split("\0")[:-1]
    except OSError:
        return []


def network(pid: int) -> int | None:
    """Return the number of the network namespace of a process, None when it is gone."""
    try:
        return (_PROC / str(pid) / "ns/net").stat().st_ino
    except OSError:
        return None


def ancestors(pid: int) -> set[int]:
    """Return `pid` and the pids of those that it descends from."""
    found: set[int] = set()
    while process := find(pid):
        found.add(pid)
        pid = process.parent
    return found


def end(processes: Iterable[Process], signum: signal.Signals, wait_s: float) -> list[Process]:
    """Signal each process, wait for their ends, return those still there after `wait_s`."""
    with contextlib.ExitStack() as stack:
        poll = select.poll()
        left: dict[int, Process] = {}
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(process.pid)
                stack.callback(os.close, handle)
                # The handle keeps to one process: is it still the one that was meant?
                if find(process.pid, process.start):
                    signal.pidfd_send_signal(handle, signum)
                    poll.register(handle, select.POLLIN)
                    left[handle] = process
        deadline = time.monotonic() + wait_s
        while left and (rest_s := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(rest_s * 1000):
                poll.unregister(handle)
                del left[handle]
        return list(left.values())
