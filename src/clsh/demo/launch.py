"""Start what goes on in the background, and wait until it says that it is ready."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO


def launch(
    argv: Sequence[str], ready: set[str], log: Path, environ: Mapping[str, str], limit_s: float
) -> None:
    """Run `argv` until each word of `ready` is a line of its stdout; what it left runs on.

    Raises ClshError with the end of `log` (its stderr) for a word that does not come.
    """
    with log.open("a") as errors:
        process = subprocess.Popen(
            # The shell ends at once: what it started is no child of ours that we must wait for.
            ["sh", "-c", '"$@" &', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
            env=environ,
        )
    with process:
        said = _read_lines(process.stdout, len(ready), limit_s) if process.stdout else []
    if missing := ready - set(said):
        raise ClshError(
            f"the demo cluster did not start: {', '.join(sorted(missing))}",
            hint="; ".join(log.read_text(errors="replace").splitlines()[-3:]),
        )


def _read_lines(pipe: IO[bytes], count: int, limit_s: float) -> list[str]:
    """Return `count` lines from a pipe; fewer when its other end is closed or time is over.

    A closed end cannot be the only sign: a process that did its part may hold it open.
    """
    said = b""
    deadline = time.monotonic() + limit_s
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while said.count(b"\n") < count and poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        data = os.read(pipe.fileno(), 65536)
        if not data:
            break
        said += data
    return said.decode().splitlines()
