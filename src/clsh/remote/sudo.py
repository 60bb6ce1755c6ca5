"""A transport whose commands run as another user by sudo, the password given when asked.

sudo prompts with a random mark; only when that is seen on the command's stderr is the
password sent, once. A second mark means that it was wrong. A second random text says that
the command itself now runs: only then does its standard input flow, so the password never
becomes input of a command that sudo let through without asking (NOPASSWD, a ticket).

What sudo says before that (its lecture) is kept back, and is the reason when it refuses. A
user may not signal what runs as another, so signals and KILL are sent by sudo as well.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from clsh.base.errors import NodeError, NotAllowedError, UsageError
from clsh.nodes.model import user_name
from clsh.remote.quoting import in_sh
from clsh.remote.transport import Command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from typing import Any

    from clsh.base.errors import NodeLostError
    from clsh.nodes.model import Node
    from clsh.remote.transport import Exit, Session, SignalName, Sink, Stream, Transport

START_S = 60.0
"""How long sudo may take before the command starts; some ask for a confirmation by phone."""
_KILL_S = 0.3
_MOST_TALK = 64 * 1024

# The line is read by the login shell of the one who logs in, with or without sudo.
_OUTER = 'exec sudo "$@" "${SHELL:-/bin/sh}"'
_INNER = 'echo "$1 $$" >&2; exec "$3" -c "$2"'
# $1 is the signal, $2 the shell that became the command. Its process group is its own or, as
# sudoers has it, sudo's too: sudo passes on what it is sent, and nothing is to come twice.
_SIGNAL = (
    "[ -r /proc/$2/stat ] || { g=$(ps -o pgid= -p $2) && kill -$1 -$((g+0)); exit; }; "
    "s=$(cat /proc/$2/stat); set -- $1 ${s##*) }; "
    "[ $1 = KILL ] && { kill -KILL -$4; exit; }; "
    'sed -n "s/^\\([0-9]*\\) (\\(.*\\)) [A-Za-z] [0-9]* $4 .*/\\1 \\2/p" /proc/[0-9]*/stat '
    "2>/dev/null | while read -r p n; do [ $n = sudo ] || kill -$1 $p; done"
)


class SudoError(NodeError, NotAllowedError):
    """sudo did not let the command run on a node."""

    exit_code = NotAllowedError.exit_code
    state = "sudo"


class Sudo:
    """A transport on whose sessions commands run as `user`, see SudoSession."""

    def __init__(self, transport: Transport, password: str | None, user: str = "root") -> None:
        if password is not None and set(password) & {"\n", "\r", "\0"}:
            raise UsageError("a password is one line of text")
        self._transport = transport
        self._password = password
        self._user = user_name(user)

    async def open(self, node: Node, deadline_s: float) -> SudoSession:
        """Open a session; sudo is asked for each command."""
        session = await self._transport.open(node, deadline_s)
        return SudoSession(session, self._password, self._user)

    async def aclose(self) -> None:
        """Close the transport within."""
        await self._transport.aclose()


class SudoSession:
    """Runs commands as `user` on a session; closing it closes that one.

    With `password` None nothing is asked for: sudo lets the command run or it fails. With a
    tty the mark and the password go over the terminal, whose echo sudo turns off.
    """

    def __init__(self, session: Session, password: str | None, user: str = "root") -> None:
        self._session = session
        self._password = password
        self._user = user
        self._running: set[_Gate] = set()
        self._signals: set[asyncio.Task[None]] = set()

    @property
    def node(self) -> Node:
        """The node of the session within."""
        return self._session.node

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command` as the other user.

        Raises SudoError with sudo's words when it refuses, and when the password is wrong.
        """
        gate = _Gate(self.node.name, "stdout" if command.tty else "stderr", sink)
        gated = replace(command, line=self._line(gate, _INNER, gate.start, command.line))
        doing = asyncio.create_task(
            self._session.run(gated, gate, gate.input(self._password, stdin))
        )
        self._running.add(gate)
        try:
            exit_ = await self._until_done(doing, gate)
        except asyncio.CancelledError:
            ending: list[asyncio.Task[Any]] = [doing, *self._send("KILL", gate)]
            doing.cancel()
            await asyncio.wait(ending, timeout=_KILL_S)
            raise
        finally:
            self._running.discard(gate)
        if not gate.opened.is_set():
            raise SudoError(self.node.name, gate.words() or f"sudo ended with {exit_.code}")
        return exit_

    async def signal(self, name: SignalName) -> None:
        """Send a signal to the commands that now run by this session."""
        if any(not gate.pid for gate in self._running):
            await self._session.signal(name)
        if sent := self._send(name, *self._running):
            await asyncio.wait(sent)

    async def lost(self) -> NodeLostError:
        """Wait until the connection is gone."""
        return await self._session.lost()

    async def aclose(self) -> None:
        """Close the session within, when the signals on their way have been sent."""
        if self._signals:
            await asyncio.wait(self._signals, timeout=_KILL_S)
        await self._session.aclose()

    async def _until_done(self, doing: asyncio.Task[Exit], gate: _Gate) -> Exit:
        opened = asyncio.create_task(gate.opened.wait())
        try:
            await asyncio.wait({doing, opened}, timeout=START_S, return_when="FIRST_COMPLETED")
        finally:
            opened.cancel()
        if not doing.done() and not gate.opened.is_set():
            doing.cancel()
            await asyncio.wait({doing})
            said = gate.words() or "nothing was said"
            raise SudoError(self.node.name, f"no start within {START_S:g} s: {said}")
        return await asyncio.shield(doing)

    def _line(self, gate: _Gate, script: str, *args: str) -> str:
        asking = ["-n"] if self._password is None else ["-S", "-p", gate.prompt]
        sudo = [*asking, "-H", "-u", self._user, "--", "/bin/sh", "-c", script, "sh", *args]
        return in_sh(_OUTER, *sudo)

    def _send(self, name: SignalName, *gates: _Gate) -> list[asyncio.Task[None]]:
        """Begin to signal each command that has started; the tasks never raise."""
        begun = [asyncio.create_task(self._signal_one(name, g.pid)) for g in gates if g.pid]
        for task in begun:
            self._signals.add(task)
            task.add_done_callback(self._signals.discard)
        return begun

    async def _signal_one(self, name: SignalName, pid: str) -> None:
        gate = _Gate(self.node.name, "stderr", _Nothing())
        line = self._line(gate, f'echo "$1 $$" >&2; shift; {_SIGNAL}', gate.start, name, pid)
        try:
            await self._session.run(Command(line), gate, gate.input(self._password, None))
        except (NodeError, OSError):  # it is lost, or sudo now refuses: no more can be done
            return


class _Nothing:
    """A sink for the output of a signal."""

    def write(self, stream: Stream, data: bytes) -> None:
        del stream, data


class _Gate:
    """The sink before the real one: finds the marks, keeps back what comes before the start."""

    def __init__(self, node: str, stream: Stream, sink: Sink) -> None:
        import secrets

        self._node = node
        self._stream = stream
        self._sink = sink
        self.prompt = f"[clsh-{secrets.token_hex(16)}]"
        self.start = f"clsh-{secrets.token_hex(16)}"
        self._started = re.compile(rb"%s (\d+)\r?\n" % self.start.encode())
        self._talk = bytearray()
        self._asked = asyncio.Event()
        self.opened = asyncio.Event()
        self.pid = ""

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        """Pass on what is the command's own."""
        if self.opened.is_set() or stream != self._stream:
            return self._sink.write(stream, data)
        self._talk += data
        found = self._started.search(self._talk)
        if found:
            self.pid = found[1].decode()
            self.opened.set()
            self._asked.set()
            rest = bytes(self._talk[found.end() :])
            return self._sink.write(stream, rest) if rest else None
        prompts = self._talk.count(self.prompt.encode())
        if prompts > 1:
            raise SudoError(self._node, "wrong password", hint="nothing was run on this node")
        if prompts:
            self._asked.set()
        if len(self._talk) > _MOST_TALK:
            raise SudoError(self._node, "endless talk before the command")
        return None

    async def input(
        self, password: str | None, stdin: AsyncIterator[bytes] | None
    ) -> AsyncIterator[bytes]:
        """Yield the password when it is asked for, and the input when the command runs."""
        await self._asked.wait()
        if not self.opened.is_set() and password is not None:
            yield password.encode(errors="surrogateescape") + b"\n"
        await self.opened.wait()
        if stdin is not None:
            async for data in stdin:
                yield data

    def words(self) -> str:
        """Return what sudo said, on one line, without our prompt."""
        text = self._talk.replace(self.prompt.encode(), b"").decode(errors="replace")
        return "; ".join(line.strip() for line in text.splitlines() if line.strip())
