"""Processes of ssh: the control directory with its guard, and one master for each node.

The masters stand in the guard's process group. The guard, a shell that reads from a pipe of
ours, ends them all and removes the directory when the pipe closes: on `aclose`, and also
when clsh itself is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST = 104 - 17 - 9  # the socket's path on BSD, less ssh's temporary suffix and our name
_PLAIN = re.compile(r"/[A-Za-z0-9._/-]+")  # nothing that ssh would expand in a ControlPath
_GUARD = 'read -r _; rm -rf -- "$1"; kill -KILL 0'
_TAIL = 8192
_IN_PIPE = 4096  # POSIX: at least this much fits into a pipe without waiting

# ssh asks this for the password. A jump host's ssh, which is not the process that we
# started, gets none, and neither does a question for anything but a password.
_ASKPASS = """#!/bin/sh
[ "$PPID" = "$CLSH_MASTER" ] || exit 1
case $1 in *[Pp]assphrase*|*yes/no*|*PIN*) exit 1;; esac
IFS= read -r word && printf '%s\\n' "$word"
"""


class Guard:
    """The control directory, and the process that outlives us to clean up."""

    def __init__(self, directory: str, pid: int, pipe: int) -> None:
        self.directory = directory
        self._pid = pid
        self._pipe = pipe

    @classmethod
    def start(cls, *, askpass: bool) -> Guard:
        """Make the directory, 0700, and start the guard; blocks for some milliseconds."""
        directory = _directory(executable=askpass)
        if askpass:
            script = Path(directory, "askpass")
            script.touch(mode=0o700)
            script.write_text(_ASKPASS)
        reading, writing = os.pipe()
        try:
            pid = _spawn(["sh", "-c", _GUARD, "clsh-guard", directory], os.environ, reading, None)
        finally:
            os.close(reading)
        return cls(directory, pid, writing)

    def spawn(self, argv: Sequence[str], path: str, password: str | None) -> Master:
        """Start the master that will listen on `path`; its stdin has the password for askpass."""
        environ, stdin = dict(os.environ), None
        if password is not None:
            environ |= {
                "SSH_ASKPASS": f"{self.directory}/askpass",
                "SSH_ASKPASS_REQUIRE": "force",
            }
            argv = ["sh", "-c", 'CLSH_MASTER=$$; export CLSH_MASTER; exec "$@"', "sh", *argv]
            stdin = _pipe_with(password)
        reading, writing = os.pipe()
        try:
            pid = _spawn(argv, environ, stdin, writing, group=self._pid)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            if stdin is not None:
                os.close(stdin)
        return Master(pid, path, reading)

    async def aclose(self) -> None:
        """End all masters, with what they started, and remove the directory."""
        os.close(self._pipe)
        if await _reaped(self._pid, 0.7) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            await _reaped(self._pid, 0.2)


class Master:
    """One `ssh -N`: its stderr, its end and its control socket."""

    def __init__(self, pid: int, path: str, stderr: int) -> None:
        self.pid = pid
        self._path = path
        self._stderr = stderr
        self._said = b""
        self._code: int | None = None
        self._stopping = asyncio.Lock()
        self._silent = asyncio.Event()
        os.set_blocking(stderr, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(stderr, self._read)

    async def end(self, limit_s: float) -> tuple[str, int | None]:
        """Wait for the end, at most `limit_s`; return what was said to stderr, and the exit code.

        The code is None while the process lives, and negative for a signal.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._silent.wait()
        if self._code is None:
            self._code = await _reaped(self.pid, limit_s)
        return self._said.decode("utf-8", "replace"), self._code

    async def connect(self, others: Sequence[object]) -> socket.socket | None:
        """Return a connection to the control socket once it is there, None if it never is.

        ssh tells nobody that it listens, so the socket is tried for: a try costs 10
        microseconds, and with N `others` waiting tries are N times as seldom.
        """
        while True:
            attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            attempt.setblocking(False)
            if attempt.connect_ex(self._path) == 0:
                return attempt
            attempt.close()
            self._code = _reap(self.pid)
            if self._code is not None:
                return None
            await asyncio.sleep(0.002 + 0.0002 * len(others))

    async def stop(self) -> None:
        """End the process and reap it, within 0.7 s; idempotent."""
        async with self._stopping:
            for number, limit_s in ((signal.SIGTERM, 0.4), (signal.SIGKILL, 0.3)):
                if self._code is not None:
                    break
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
                self._code = await _reaped(self.pid, limit_s)
            if self._code is None or self._code < 0:  # it could not remove its socket
                await asyncio.to_thread(Path(self._path).unlink, missing_ok=True)
            self._close()

    def _read(self) -> None:
        data = os.read(self._stderr, _TAIL)
        if not data:
            self._close()
        self._said = (self._said + data)[-_TAIL:]

    def _close(self) -> None:
        if self._stderr >= 0:
            self._loop.remove_reader(self._stderr)
            os.close(self._stderr)
            self._stderr = -1
        self._silent.set()


def _directory(*, executable: bool) -> str:
    own = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"))
    for parent in (*own, "/tmp"):  # noqa: S108 - the name below it is random, and must be new
        path = f"{parent}/clsh-{os.urandom(6).hex()}"
        if not parent or not _PLAIN.fullmatch(path) or len(path) > _LONGEST:
            continue
        with contextlib.suppress(OSError):
            if executable and os.statvfs(parent).f_flag & getattr(os, "ST_NOEXEC", 0):
                continue
            Path(path).mkdir(mode=0o700)
            return path
    raise ClshError(
        "no directory for ssh's control sockets", hint="set TMPDIR to a directory of your own"
    )


def _pipe_with(password: str) -> int:
    data = password.encode("utf-8", "surrogateescape") + b"\n"
    if len(data) > _IN_PIPE:
        raise ClshError("the password is too long for ssh")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.write(writing, data)
    os.close(writing)
    return reading


def _spawn(
    argv: Sequence[str],
    environ: Mapping[str, str],
    stdin: int | None,
    stderr: int | None,
    *,
    group: int = 0,
) -> int:
    """Start a process in process group `group` (0: its own); None is /dev/null.

    Not by asyncio, which in Python 3.11 keeps a thread for each process.
    """
    actions: list[tuple[object, ...]] = []
    for descriptor, source in ((0, stdin), (1, None), (2, stderr)):
        if source is None:
            actions.append((os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0))
        else:
            actions.append((os.POSIX_SPAWN_DUP2, source, descriptor))
    # Python ignores SIGPIPE, and what is ignored stays so in what is started.
    return os.posix_spawnp(
        argv[0],
        list(argv),
        environ,
        file_actions=actions,
        setpgroup=group,
        setsigmask=(),
        setsigdef=[signal.SIGPIPE],
    )


def _reap(pid: int) -> int | None:
    """Reap a process; return its exit code (negative for a signal), None while it lives."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


async def _reaped(pid: int, limit_s: float) -> int | None:
    """Wait for the end of a process, at most `limit_s`; return its exit code then."""
    pause = 0.001
    while (code := _reap(pid)) is None and limit_s > 0:
        await asyncio.sleep(pause)
        limit_s -= pause
        pause = min(pause * 1.5, 0.02)
    return code
