"""The `openssh` transport: the user's own ssh connects, we run commands through its master.

One foreground `ssh -N` with a control socket for each node does configuration, jumps, agent,
security keys and Kerberos as the user has them. Commands run as channels in mux proxy mode,
so none of them starts a process here, and the end of the ssh process is the node's loss.
Needs OpenSSH 7.4 or newer, for passwords 8.4.

`Node.options` may hold `config` (as ssh -F), `identity` and `known_hosts` (file names).
`TransportOptions.kex` is KexAlgorithms, over the user's own; when neither names any, the
quick ones go first, which on OpenSSH 9.0 to 9.8 gives up post-quantum protection for a
ninth of the cost (`_ssh_command.key_exchange`). A password is given to the node alone, not
to jump hosts. Forwardings of ports and displays in ssh_config are not made.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import subprocess
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, NodeLostError, UnreachableError
from clsh.remote import ssh_config, sweep
from clsh.remote.transport import Command, Exit
from clsh.remote.transports import _mux, _ssh_command
from clsh.remote.transports._mux_link import Channel, InputFailed, Link, LinkLostError, RefusedError
from clsh.remote.transports._ssh_command import PerChannel
from clsh.remote.transports._ssh_master import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clsh.nodes.model import Node
    from clsh.remote.transport import (
        Session,
        SignalName,
        Sink,
        Stream,
        Transport,
        TransportOptions,
    )
    from clsh.remote.transports._ssh_master import Master

_KILL_WAIT_S = 0.3
_SWEEP_S = 5.0
_KILLED_S = 3.0
_SIGNAL_S = 2.0
_LAST_WORDS_S = 0.2
_LISTINGS = 3
_SSH_FAILED = 255
_NO_SSH = "there is no ssh on this machine"
_NO_SSH_HINT = "install the OpenSSH client, or use --transport asyncssh"


def build(options: TransportOptions) -> Transport:
    """Return the transport."""
    return OpenSsh(options)


class OpenSsh:
    """Starts the masters; everything they leave behind is in one directory."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._guard: Guard | None = None
        self._starting = asyncio.Lock()
        self._kex: str | None = None
        self._configs: dict[str | None, ssh_config.Config] = {}
        self._count = 0
        self._connecting: list[Node] = []
        self._sessions: set[OpenSshSession] = set()

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Start a master and wait for its control socket."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._open(node, deadline_s)
        except TimeoutError:
            raise UnreachableError(node.name, f"timed out after {deadline_s:g} s") from None
        except UnreachableError:
            raise
        except FileNotFoundError:
            raise UnreachableError(node.name, _NO_SSH, hint=_NO_SSH_HINT) from None
        except ClshError as error:  # an ssh_config or a jump that cannot be used
            raise UnreachableError(node.name, str(error), hint=error.hint) from error
        except OSError as error:
            raise UnreachableError(node.name, f"cannot start ssh: {error}") from error

    async def _open(self, node: Node, deadline_s: float) -> Session:
        guard, directives = await self._prepare(node)
        self._count += 1
        path = f"{guard.directory}/{self._count}"
        argv = _ssh_command.master(
            node,
            self._options,
            path,
            deadline_s=deadline_s,
            named={directive.name for directive in directives},
            kex=self._kex,
        )
        master = guard.spawn(argv, path, self._options.password)
        self._connecting.append(node)
        try:
            link = await self._link(node, master)
        except BaseException:
            await master.stop()
            raise
        finally:
            self._connecting.remove(node)
        extras = _ssh_command.per_channel(directives, os.environ)
        session = OpenSshSession(node, master, link, extras, self._sessions.discard)
        self._sessions.add(session)
        return session

    async def _link(self, node: Node, master: Master) -> Link:
        connection = await master.connect(self._connecting)
        if connection is not None:
            with contextlib.suppress(LinkLostError):
                return await Link.over(connection)
        said, _ = await master.end(_LAST_WORDS_S)
        raise _unreachable(node, said)

    async def _prepare(self, node: Node) -> tuple[Guard, list[ssh_config.Directive]]:
        file = node.options.get("config") or self._options.ssh_config
        async with self._starting:
            if file not in self._configs:
                self._configs[file] = await asyncio.to_thread(ssh_config.load, file)
            if self._guard is None:
                asking = asyncio.create_task(asyncio.to_thread(_known_kex))
                try:
                    self._guard = await self._start_guard()
                finally:
                    self._kex = _ssh_command.key_exchange(await asking)
        return self._guard, self._configs[file].directives(node.host)

    async def _start_guard(self) -> Guard:
        askpass = self._options.password is not None
        starting = asyncio.create_task(asyncio.to_thread(Guard.start, askpass=askpass))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await (await starting).aclose()
            raise

    async def aclose(self) -> None:
        """Close all sessions, and end the guard with all that is left."""
        sessions = list(self._sessions)
        for session in sessions:
            session.hang_up()
        guard, self._guard = self._guard, None
        if guard is not None:
            await guard.aclose()  # ends all masters in one go
        await asyncio.gather(*(session.aclose() for session in sessions))


@functools.cache
def _known_kex() -> tuple[str, ...]:
    run = subprocess.run(
        ["ssh", "-Q", "kex"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return tuple(run.stdout.split())


def _unreachable(node: Node, said: str) -> UnreachableError:
    reason = _ssh_command.reason(said) or "ssh ended without saying why"
    hint = ""
    if reason.startswith(_ssh_command.CHANGED):
        hint = "if the node was installed anew, remove the old key with ssh-keygen -R"
    return UnreachableError(node.name, reason, hint=hint)


def _silent_end(code: int | None) -> str:
    # ssh says at a lower log level than ours that nobody answers to keep-alive.
    return "no answer to keep-alive" if code == _SSH_FAILED else "the ssh process has ended"


class OpenSshSession:
    """A master and the connection to it."""

    def __init__(
        self,
        node: Node,
        master: Master,
        link: Link,
        extras: PerChannel,
        forget: Callable[[OpenSshSession], None],
    ) -> None:
        self._node = node
        self._master = master
        self._link = link
        self._extras = extras
        self._forget = forget
        self._reason = ""
        self._over = asyncio.Event()
        # In the order in which the commands were started, as `sweep.pick` needs it.
        self._running: list[Channel] = []
        self._sweeping = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._watch = asyncio.create_task(self._watch_link())

    @property
    def node(self) -> Node:
        """The node that this session reaches."""
        return self._node

    async def _watch_link(self) -> None:
        await self._link.lost.wait()
        if not self._reason:
            said, code = await self._master.end(_LAST_WORDS_S)
            why = self._link.reason or _ssh_command.reason(said) or _silent_end(code)
            self._reason = self._reason or why
        self._over.set()
        await self._master.stop()

    async def lost(self) -> NodeLostError:
        """Wait until the master or the connection to it is gone."""
        await self._over.wait()
        return NodeLostError(self._node.name, self._reason)

    async def run(
        self, command: Command, sink: Sink, stdin: AsyncIterator[bytes] | None = None
    ) -> Exit:
        """Run `command` on a channel of its own."""
        try:
            channel = await self._link.open()
            self._running.append(channel)
            try:
                channel.start(command, self._extras, has_input=stdin is not None)
                result = await self._follow(channel, sink, stdin)
            except BaseException:
                await self._end(channel)
                raise
        except LinkLostError:
            raise await self.lost() from None
        except RefusedError as error:
            raise NodeLostError(self._node.name, f"no command can be started: {error}") from None
        self._running.remove(channel)
        return result

    async def _follow(
        self, channel: Channel, sink: Sink, stdin: AsyncIterator[bytes] | None
    ) -> Exit:
        feeder = None if stdin is None else asyncio.create_task(channel.feed(stdin))
        result = Exit()
        try:
            while True:
                event = await channel.next()
                match event:
                    case _mux.Data(stream=stream, data=data):
                        if (wait := sink.write(stream, data)) is not None:
                            await wait
                        self._link.consumed(channel, len(data))
                    case _mux.Ended(status=status, signal=signal):
                        result = Exit(status, signal)
                    case _mux.InputClosed():
                        await _cancel(feeder)
                        channel.end_input()  # as ssh does
                    case _mux.Answered(request="exec", ok=False):
                        raise RefusedError("the server does not run it")
                    case InputFailed(error=error):
                        raise error
                    case _mux.Closed():
                        return result
                    case _:
                        pass
        finally:
            await _cancel(feeder)

    async def _end(self, channel: Channel) -> None:
        """Kill what runs on a channel that nobody follows any more; wait 0.3 s at most."""
        task = asyncio.create_task(self._kill(channel))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.wait({task}, timeout=_KILL_WAIT_S)

    async def _kill(self, channel: Channel) -> None:
        with contextlib.suppress(TimeoutError, LinkLostError, RefusedError):
            async with asyncio.timeout(_SWEEP_S):
                if not channel.ended and not await channel.signal("KILL"):
                    await self._sweep_one(channel)
        self._running.remove(channel)
        channel.close()
        await channel.closed.wait()

    async def signal(self, name: SignalName) -> None:
        """Ask sshd to signal each command, and sweep where it refuses."""
        running = [channel for channel in self._running if not channel.ended]
        with contextlib.suppress(TimeoutError, LinkLostError, RefusedError):
            async with asyncio.timeout(_SIGNAL_S):
                taken = await asyncio.gather(*(channel.signal(name) for channel in running))
                if not all(taken):
                    async with self._sweeping:
                        await self._aside(sweep.script(name))

    async def _sweep_one(self, channel: Channel) -> None:
        async with self._sweeping:
            for _ in range(_LISTINGS):
                before = self._running.copy()
                pids = sweep.parse(await self._aside(sweep.listing()))
                living = [other for other in before if not other.ended]
                if channel not in living:
                    return
                pid = sweep.pick(pids, living.index(channel), len(living))
                if pid is not None:
                    await self._aside(sweep.script("KILL", pid))
                    return

    async def _aside(self, line: str) -> bytes:
        """Run one of our scripts on the channel that commands leave free."""
        channel = await self._link.open(beside=True)
        output = _Output()
        try:
            channel.start(Command(line), PerChannel(), has_input=False)
            await self._follow(channel, output, None)
        finally:
            channel.close()
        return bytes(output.data)

    def hang_up(self) -> None:
        """Begin to close: nothing more is sent or waited for."""
        self._reason = self._reason or "closed"
        for task in self._ending:
            task.cancel()
        self._link.abort()

    async def aclose(self) -> None:
        """End the master, when what is being killed is dead."""
        try:
            if self._ending:
                await asyncio.wait(self._ending, timeout=_KILLED_S)
        finally:
            self.hang_up()
        self._forget(self)
        await asyncio.wait({self._watch}, timeout=1)


class _Output:
    """Keeps what a script of ours writes to stdout; a hostile node cannot fill our memory."""

    _MOST = 1 << 20

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, stream: Stream, data: bytes) -> None:
        """Keep stdout."""
        if stream == "stdout" and len(self.data) < self._MOST:
            self.data += data


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait({task})
