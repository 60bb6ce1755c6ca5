"""The end of a job on the terminal: its output as it comes, its exit status as ours."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from clsh.base.messages import tr
from clsh.cli import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clsh.jobs.engine import Stream

_FAILED = 1
_LOST = 12
_STOPPED = 143


def status_of(job: dict[str, Any], task: dict[str, Any] | None) -> int:
    """Return the exit status that stands for a job's end, `task` being its only one.

    That of the task, 128 and the signal's number, 12 for a lost one, 143 for a cancelled one.
    """
    if task is not None and task["state"] in {"done", "failed"}:
        if task["status"] is not None:
            return int(task["status"])
        number = signal.Signals.__members__.get(f"SIG{task['signal']}")
        return 128 + number if number else _FAILED
    if task is not None and task["state"] == "lost":
        return _LOST
    return {"done": 0, "cancelled": _STOPPED}.get(job["state"], _FAILED)


def wait(number: int) -> int:
    """Wait for the end of a job; return its exit status."""
    from clsh.jobs.forms import asking

    try:
        job = asking.wait(number)
    except KeyboardInterrupt:
        _goes_on(number)
        raise
    told = asking.job(number, limit=2)
    task = told["tasks"][0] if told["total"] == 1 else None
    if job["state"] != "done":
        reason = (task["reason"] if task else "") or job["reason"]
        said = tr("job {job} {state}", job=number, state=tr(job["state"]))
        render.talk(f"{said}: {reason}" if reason else said)
    return status_of(job, task)


def follow(number: int, task: int | None, *, error: bool) -> None:
    """Show what a task writes as it comes, until it has ended."""
    from clsh.jobs.forms import asking

    screens: dict[Stream, Screen] = {"output": Screen(), "error": Screen(error=True)}
    try:
        for stream, data in asking.follow(number, task, error=error):
            screens[stream].put(data)
        for screen in screens.values():
            screen.put(b"")
    except KeyboardInterrupt:
        _goes_on(number)
        raise


def show(parts: Iterable[bytes]) -> None:
    """Write an output file to stdout: as it is, or made safe when a terminal shows it."""
    screen = Screen()
    for data in parts:
        screen.put(data)
    screen.put(b"")


class Screen:
    """Where output goes: raw into files and pipes, line by line and safe on a terminal."""

    def __init__(self, *, error: bool = False) -> None:
        self._error = error
        self._safe = (sys.stderr if error else sys.stdout).isatty()
        self._begun = b""

    def put(self, data: bytes) -> None:
        """Write some; b"" writes what has begun a line too, since no more comes for now."""
        from clsh.cli.output.terminal import clean

        if not self._safe:
            render.put(data, error=self._error)
            return
        whole = self._begun + data
        end = whole.rfind(b"\n") + 1 if data else len(whole)
        self._begun = whole[end:]
        if end:
            render.put(clean(whole[:end]), error=self._error)


def _goes_on(number: int) -> None:
    render.talk(tr("job {job} goes on; `cl cancel {job}` ends it", job=number))
