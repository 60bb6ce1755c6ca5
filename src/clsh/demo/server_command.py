"""One command on a node of `clsh.demo.servers`: its process, its streams, its signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from asyncio.subprocess import PIPE, Process
from signal import Signals
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

_BLOCK = 65536
_QUEUED = 16


class _Running(NamedTuple):
    """A process, how its input is given (empty = its end), and where its outputs are read."""

    process: Process
    give: Callable[[bytes], Awaitable[None]]
    out: asyncio.StreamReader
    err: asyncio.StreamReader | None = None


class ServerCommand(asyncssh.SSHServerSession[bytes]):
    """Runs what a client asks for by /bin/sh in `home`; `commands` holds it while it runs."""

    def __init__(self, home: Path, user: str, commands: set[ServerCommand]) -> None:
        self._home = home
        self._user = user
        self._commands = commands
        self._line: str | None = None
        self._term = ""
        self._size = (24, 80)
        self._terminal: int | None = None
        self._process: Process | None = None
        self._input: asyncio.Queue[bytes] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._channel = chan
        # asyncssh leaves the type of its data open.
        self._write: Callable[[bytes, int | None], None] = cast("Any", chan).write

    def pty_requested(
        self,
        term_type: str,
        term_size: tuple[int, int, int, int],
        term_modes: Mapping[int, int],  # noqa: ARG002 - asyncssh's signature
    ) -> bool:
        """Take a terminal; its modes are left as they are."""
        self._term = term_type
        self._size = (term_size[1], term_size[0])
        return True

    def terminal_size_changed(
        self,
        width: int,
        height: int,
        pixwidth: int,  # noqa: ARG002 - asyncssh's signature
        pixheight: int,  # noqa: ARG002 - asyncssh's signature
    ) -> None:
        """Pass it on."""
        if self._terminal is not None:
            termios.tcsetwinsize(self._terminal, (height, width))

    def shell_requested(self) -> bool:
        """Run a login shell."""
        return True

    def exec_requested(self, command: str) -> bool:
        """Run a line of shell."""
        self._line = command
        return True

    def session_started(self) -> None:
        """Begin."""
        self._commands.add(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:  # noqa: ARG002 - asyncssh's signature
        """Keep input for the command; read no more when it does not take it."""
        self._input.put_nowait(data)
        if self._input.qsize() > _QUEUED:
            self._channel.pause_reading()

    def eof_received(self) -> bool:
        """Note the end of the input, and keep the channel open for the output."""
        self._input.put_nowait(b"")
        return True

    def pause_writing(self) -> None:
        """Read no more output."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on reading output."""
        self._writable.set()

    def signal_received(self, signal: str) -> None:
        """Signal the command; a name that is not known is passed over."""
        if f"SIG{signal}" in Signals.__members__:
            self.kill(Signals[f"SIG{signal}"])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """End what still runs."""
        self.kill(Signals.SIGKILL)
        self._task.cancel()

    def kill(self, signum: Signals) -> None:
        """Signal the command's process group; nothing once the command has ended."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)

    async def wait_closed(self) -> None:
        """Wait until the command has ended; raises nothing."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            with contextlib.ExitStack() as stack:
                status = await self._to_its_end(stack)
        except OSError as error:  # it could not be started
            self._write(f"{error}\n".encode(), EXTENDED_DATA_STDERR)
            status = 255
        finally:
            self._commands.discard(self)
        if status < 0:
            self._channel.exit_with_signal(Signals(-status).name.removeprefix("SIG"))
        else:
            self._channel.exit(status)

    async def _to_its_end(self, stack: contextlib.ExitStack) -> int:
        """Return the status as subprocess gives it: -N for signal N."""
        running = await (self._in_terminal(stack) if self._term else self._piped(stack))
        self._process = running.process
        feeding = asyncio.create_task(self._feed(running.give))
        stack.callback(feeding.cancel)
        try:
            await asyncio.gather(
                self._pass_on(running.out, None),
                self._pass_on(running.err, EXTENDED_DATA_STDERR),
            )
        finally:
            status = await running.process.wait()  # when cancelled, it has been killed
        return status

    async def _piped(self, stack: contextlib.ExitStack) -> _Running:
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        streams = [await _reader(end, stack) for end in (out, err)]
        try:
            process = await self._start(PIPE, out_end, err_end, start_new_session=True)
        finally:
            os.close(out_end)
            os.close(err_end)
        stdin = cast("asyncio.StreamWriter", process.stdin)
        stack.callback(stdin.close)

        async def give(data: bytes) -> None:
            if data:
                stdin.write(data)
                await stdin.drain()
            else:
                stdin.close()

        return _Running(process, give, *streams)

    async def _in_terminal(self, stack: contextlib.ExitStack) -> _Running:
        terminal, theirs = os.openpty()
        self._terminal = terminal
        termios.tcsetwinsize(terminal, self._size)
        out = await _reader(terminal, stack)
        try:
            process = await self._start(
                theirs, theirs, theirs, preexec_fn=lambda: os.login_tty(theirs)
            )
        finally:
            os.close(theirs)

        async def give(data: bytes) -> None:
            rest = data or b"\x04"
            while rest:
                try:
                    rest = rest[os.write(terminal, rest) :]
                except BlockingIOError:
                    await asyncio.sleep(0.02)

        return _Running(process, give, out)

    async def _start(self, stdin: int, stdout: int, stderr: int, **more: object) -> Process:
        argv = ["/bin/sh", "-l"] if self._line is None else ["/bin/sh", "-c", self._line]
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=self._home,
            env=self._environment(),
            **cast("Any", more),
        )

    async def _feed(self, give: Callable[[bytes], Awaitable[None]]) -> None:
        with contextlib.suppress(OSError):  # the command reads no more
            while True:
                data = await self._input.get()
                await give(data)
                if self._input.empty():
                    self._channel.resume_reading()

    async def _pass_on(self, reader: asyncio.StreamReader | None, kind: int | None) -> None:
        with contextlib.suppress(OSError):  # EIO is how the end of a terminal is told
            while reader and (data := await reader.read(_BLOCK)):
                self._write(data, kind)
                await self._writable.wait()

    def _environment(self) -> dict[str, str]:
        asked = self._channel.get_environment()
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "USER": self._user,
            "LOGNAME": self._user,
            "SHELL": "/bin/sh",
            **({"TERM": self._term} if self._term else {}),
            **{name: text for name, text in asked.items() if name.startswith(("LC_", "LANG"))},
        }


async def _reader(end: int, stack: contextlib.ExitStack) -> asyncio.StreamReader:
    """Return a reader of a descriptor, which `stack` closes."""
    reader = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(end, "rb", 0)
    )
    stack.callback(pipe.close)
    return reader
