"""A child process as a command of a Session: its output to the sink, stdin to it, its end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from typing import TYPE_CHECKING, cast

from clsh.remote.transport import Exit
from clsh.remote.transports._outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from clsh.remote.transport import Command, SignalName, Sink

_KILL_S = 0.3
_END_OF_INPUT = b"\x04"
# A session leader without a terminal gets the first one that it opens.
_ON_TERMINAL = ("/bin/sh", "-c", 'exec <>"$0" >&0 2>&0 && exec "$@"')


class Child(asyncio.SubprocessProtocol):
    """A process in a session of its own (setsid), so that its group can be signalled."""

    def __init__(self, sink: Sink) -> None:
        self._outlet = Outlet(sink, self._flow, self._settled)
        self._process = cast("asyncio.SubprocessTransport", None)  # until it is started
        self._pid: int | None = None
        self._terminal: asyncio.ReadTransport | None = None
        self._writer: asyncio.WriteTransport | None = None
        self._on_terminal = False
        self._open = {"process"}  # what may still bring output
        self._exited = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(
        self, argv: Sequence[str], *, feed: bool, terminal: Command | None = None
    ) -> None:
        """Start `argv`, with the terminal that `terminal` wants, if any.

        `feed` tells whether stdin will be written; else it is /dev/null. Raises OSError when
        it cannot be started.
        """
        # asyncio forgets the process when it is cancelled while it starts one.
        starting = asyncio.create_task(self._start(argv, feed, terminal))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            if not starting.cancelled() and starting.exception() is None:
                self.fail(asyncio.CancelledError())
                await self._close()
            raise

    async def run(self, stdin: AsyncIterator[bytes] | None) -> Exit:
        """Wait for the end; when cancelled, or when sink or stdin fail, KILL the group."""
        feeder = asyncio.create_task(self._feed(stdin))
        feeder.add_done_callback(self._fed)
        try:
            await self._done
        except asyncio.CancelledError:
            self._outlet.fail(asyncio.CancelledError())
            raise
        finally:
            feeder.cancel()
            await self._close()
        if self._outlet.error is not None:
            raise self._outlet.error
        return self.exit

    def fail(self, error: BaseException) -> None:
        """KILL the group and make `run` raise `error`."""
        self._outlet.fail(error)

    @property
    def over(self) -> bool:
        """Whether the process has ended, or was never started."""
        return self._pid is None or self._exited.is_set()

    async def wait(self) -> None:
        """Wait until the process has ended."""
        if not self.over:
            await self._exited.wait()

    @property
    def exit(self) -> Exit:
        """How the process ended."""
        code = self._process.get_returncode()
        if code is not None and code < 0:
            return Exit(signal=signal.Signals(-code).name.removeprefix("SIG"))
        return Exit(status=code)

    def signal(self, name: SignalName) -> None:
        """Send a signal to the process group, once there is one."""
        if self._pid is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.Signals[f"SIG{name}"])

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)
        self._pid = self._process.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._outlet.put("stdout" if fd == 1 else "stderr", data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if fd == 0:
            self._writer = None
            self._writable.set()

    def process_exited(self) -> None:
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.ended("process")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Our own side.

    def ended(self, source: str) -> None:
        """Note that `source` brings no more output."""
        self._open.discard(source)
        self._settled()

    async def _start(self, argv: Sequence[str], feed: bool, terminal: Command | None) -> None:
        if terminal is not None:
            await self._start_on_terminal(argv, terminal)
            return
        await self._execute(argv, asyncio.subprocess.PIPE if feed else asyncio.subprocess.DEVNULL)
        self._writer = cast("asyncio.WriteTransport | None", self._process.get_pipe_transport(0))

    async def _execute(self, argv: Sequence[str], stdin: int) -> None:
        output = asyncio.subprocess.DEVNULL if self._on_terminal else asyncio.subprocess.PIPE
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self, *argv, stdin=stdin, stdout=output, stderr=output, start_new_session=True
        )

    async def _start_on_terminal(self, argv: Sequence[str], terminal: Command) -> None:
        self._on_terminal = True
        self._open.add("terminal")
        master, slave = os.openpty()
        size = struct.pack("HHHH", terminal.rows, terminal.columns, 0, 0)
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
        loop = asyncio.get_running_loop()
        try:
            await self._execute((*_ON_TERMINAL, os.ttyname(slave), *argv), slave)
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        writing = os.fdopen(os.dup(master), "wb", buffering=0)
        reading = os.fdopen(master, "rb", buffering=0)
        self._terminal, _ = await loop.connect_read_pipe(lambda: _Screen(self), reading)
        self._writer, _ = await loop.connect_write_pipe(lambda: _Keyboard(self), writing)

    def _flow(self, on: bool) -> None:
        for pipe in self._outputs():
            pipe.resume_reading() if on else pipe.pause_reading()

    def _outputs(self) -> list[asyncio.ReadTransport]:
        pipes = [self._process.get_pipe_transport(number) for number in (1, 2)]
        found = [self._terminal, *cast("list[asyncio.ReadTransport | None]", pipes)]
        return [pipe for pipe in found if pipe is not None and not pipe.is_closing()]

    def _settled(self) -> None:
        finished = not self._open and self._outlet.empty
        if not self._done.done() and (finished or self._outlet.error is not None):
            self._done.set_result(None)

    async def _feed(self, stdin: AsyncIterator[bytes] | None) -> None:
        if stdin is None:
            return
        async for data in stdin:
            await self._writable.wait()
            if self._writer is None or self._writer.is_closing():
                return
            self._writer.write(data)
        await self._writable.wait()
        if self._writer is None:
            return
        if self._on_terminal:
            self._writer.write(_END_OF_INPUT)
        else:
            self._writer.close()

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        if not feeder.cancelled() and (error := feeder.exception()) is not None:
            self._outlet.fail(error)

    async def _close(self) -> None:
        """End what is left, wait for that a little, and give the descriptors back."""
        if self._outlet.error is not None:
            self.signal("KILL")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_S):
                await self._exited.wait()
        for pipe in (self._terminal, self._writer):
            if pipe is not None:
                pipe.close()
        self._process.close()


class _Screen(asyncio.Protocol):
    """What a pseudo-terminal shows."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def data_received(self, data: bytes) -> None:
        self._child.pipe_data_received(1, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._child.ended("terminal")


class _Keyboard(asyncio.BaseProtocol):
    """What is typed into a pseudo-terminal."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def pause_writing(self) -> None:
        self._child.pause_writing()

    def resume_writing(self) -> None:
        self._child.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._child.pipe_connection_lost(0, exc)
