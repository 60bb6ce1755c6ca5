"""The interfaces to a node: Transport opens a Session, a Session runs commands.

Implementations are in `clsh.remote.transports`; one contract suite
(tests/contract/test_transports.py) runs over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from clsh.base.errors import NodeLostError
    from clsh.nodes.model import Node

Stream = Literal["stdout", "stderr"]
SignalName = Literal["INT", "QUIT", "TERM", "KILL", "HUP"]


@dataclass(frozen=True, slots=True)
class Command:
    """What a node is told to run.

    `line` goes to the login shell of the remote user as it is, as `ssh host LINE` does;
    quote an argv with `clsh.remote.quoting` first. With `tty` the command gets a terminal
    of `columns` x `rows`, and its stderr comes as stdout.
    """

    line: str
    tty: bool = False
    columns: int = 80
    rows: int = 24


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended: `status` 0-255, or the `signal` that ended it (`TERM`)."""

    status: int | None = None
    signal: str | None = None

    @property
    def code(self) -> int:
        """The status as a shell gives it: 128 + N for signal N, 255 when nothing is known."""
        if self.status is not None:
            return self.status
        return 128 + _NUMBERS.get(self.signal or "", 127)


_NUMBERS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10,
    "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
}  # fmt: skip


class Sink(Protocol):
    """Where the output of one command goes."""

    def write(self, stream: Stream, data: bytes) -> Awaitable[None] | None:
        """Take bytes as they were read, undecoded and in the order of their stream.

        Returns None when there is room for more, else an awaitable that completes when
        there is: until then the session does not read on from the node (back-pressure).
        An exception ends the command as a cancel does and is raised by `Session.run`.
        """


class Session(Protocol):
    """A connection to one node, used by one event loop; commands may run side by side."""

    @property
    def node(self) -> Node:
        """The node that this session reaches."""
        ...

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command` to its end and return how it ended; its output goes to `sink`.

        `stdin` is read as the command takes it, then its end is sent; None gives /dev/null
        or an empty input. All output has been written to the sink when this returns. A
        status other than 0 is not an error. A command that closes its input early stops
        the reading of `stdin`, nothing more.

        Raises NodeLostError when the connection dies before the end is known, NodeError when
        the node refuses to run commands, and whatever `sink` or `stdin` raised. A cancel
        KILLs the far process group, waits for that at most 0.3 s and leaves the session
        usable by others; processes that the far side detached (setsid, nohup in the
        background) go on, as with ssh.
        """
        ...

    async def signal(self, name: SignalName) -> None:
        """Send a signal to the process groups of all commands now running on this session.

        Where the far sshd refuses the signal request (root on OpenSSH before 9.8, forced
        commands) it is sent by a command on a channel of its own. Returns when it has been
        sent; does nothing when nothing runs. Never raises for a dead connection.
        """
        ...

    async def lost(self) -> NodeLostError:
        """Wait until the connection is gone, and return why, also after `aclose`.

        A dead link is noticed within 8 s by keep-alive, an ended one at once.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection; idempotent, never raises, bounded by 1 s.

        What is still being killed has 3 s before that.
        """
        ...


class Transport(Protocol):
    """A way to reach nodes."""

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Connect and authenticate within `deadline_s` seconds.

        Raises UnreachableError with the reason in words (name not known, refused, timed
        out, host key changed, permission denied). A cancel leaves no connection and no
        process behind.
        """
        ...

    async def aclose(self) -> None:
        """Release what all sessions shared; sessions are closed first. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """What `build(options)` of a transport is given; nothing here is per node.

    `keepalive_s` x `keepalive_count` bounds how long a dead link goes unnoticed.
    `password` answers password and keyboard-interactive prompts; it is never in an argv.
    `host_keys` is `accept-new` (people: a new host is stored, a changed key refused),
    `strict` or `off`. `ssh_config` replaces the user's file, `kex` is OpenSSH's
    KexAlgorithms, None for clsh's own order (see docs).
    """

    keepalive_s: float = 2.0
    keepalive_count: int = 3
    password: str | None = None
    host_keys: Literal["accept-new", "strict", "off"] = "accept-new"
    ssh_config: str | None = None
    known_hosts: str | None = None
    identities: tuple[str, ...] = ()
    kex: str | None = None
