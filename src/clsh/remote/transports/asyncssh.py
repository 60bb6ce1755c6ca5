"""SSH in this process by asyncssh: the least work for each of many nodes.

Never prompts. Options of a Node that only this transport and openssh know: `identity` (a
private key file), `known_hosts` (a file), `config` (an ssh_config file).
"""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import TYPE_CHECKING, Any

from clsh.base.errors import UnreachableError
from clsh.nodes.model import Node, node_name
from clsh.remote.transports._asyncssh import asyncssh
from clsh.remote.transports._asyncssh.errors import explain
from clsh.remote.transports._asyncssh.host_keys import Trust, Verdict
from clsh.remote.transports._asyncssh.options import OptionsMaker
from clsh.remote.transports._asyncssh.session import SshSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncssh.packet import SSHPacketLogger

    from clsh.remote.transport import Session, Transport, TransportOptions

_KeyPairs = list[asyncssh.SSHKeyPair]

_JUMP_S = 30.0
_MSG_IGNORE = 2  # RFC 4253, 12
_KEY_TYPES = "ssh-ed25519,ecdsa-sha2-nistp*,rsa-sha2-512,rsa-sha2-256"

_log = logging.getLogger(__name__)


def build(options: TransportOptions) -> Transport:
    """Make the transport; it reads no file before the first connection."""
    return AsyncsshTransport(options)


class _Client(asyncssh.SSHClient):
    """What asyncssh asks while it connects, and tells when the connection is gone."""

    def __init__(self, verdict: Verdict, password: str | None) -> None:
        self.verdict = verdict
        self.gone: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._password = password

    def validate_host_public_key(  # the names are asyncssh's
        self,
        host: str,  # noqa: ARG002 - asyncssh's signature
        addr: str,  # noqa: ARG002 - asyncssh's signature
        port: int,  # noqa: ARG002 - asyncssh's signature
        key: asyncssh.SSHKey,
    ) -> bool:
        return self.verdict.accept(key)

    def kbdint_auth_requested(self) -> str | None:
        return None if self._password is None else ""

    def kbdint_challenge_received(
        self,
        name: str,  # noqa: ARG002 - asyncssh's signature
        instructions: str,  # noqa: ARG002 - asyncssh's signature
        lang: str,  # noqa: ARG002 - asyncssh's signature
        prompts: Sequence[tuple[str, bool]],
    ) -> Sequence[str] | None:
        """Answer one hidden question once, whatever its language, and no other."""
        if not prompts:
            return []
        password, self._password = self._password, None
        if password is None or len(prompts) > 1 or prompts[0][1]:
            return None
        return [password]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(exc)


class _Connection(asyncssh.SSHClientConnection):
    """Leaves out the empty message that asyncssh sends before each packet.

    It guards ciphers in CBC mode (RFC 4251, 9.3.1), and costs a system call each time.
    """

    def send_packet(
        self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None
    ) -> None:
        if pkttype != _MSG_IGNORE or str(self.get_extra_info("send_cipher")).endswith("-cbc"):
            super().send_packet(pkttype, *args, handler=handler)


class AsyncsshTransport:
    """Connects; shares keys, agent, known hosts and jump hosts among all connections."""

    def __init__(self, options: TransportOptions) -> None:
        logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)
        self._options = options
        self._maker = OptionsMaker(options)
        self._making = asyncio.Lock()
        self._agents: dict[str, tuple[asyncssh.SSHAgentClient, asyncio.Task[_KeyPairs]]] = {}
        self._jumps: dict[tuple[str, str | None], asyncio.Task[asyncssh.SSHClientConnection]] = {}

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Connect to `node`; see Transport."""
        verdict: list[Verdict] = []
        try:
            async with asyncio.timeout(deadline_s):
                connection, client = await self._connect(node, verdict.append)
        except TimeoutError:
            raise UnreachableError(node.name, f"timed out after {deadline_s:g} s") from None
        except UnreachableError as error:  # of a jump host
            raise UnreachableError(node.name, str(error), hint=error.hint) from None
        except (OSError, ValueError, asyncssh.Error) as error:
            reason, hint = explain(error, verdict[-1] if verdict else None)
            raise UnreachableError(node.name, reason, hint=hint) from error
        return SshSession(node, connection, client.gone)

    async def aclose(self) -> None:
        """Close the jump hosts and the agent; see Transport."""
        for task in self._jumps.values():
            if task.done() and not _is_dead(task):
                task.result().abort()
            task.cancel()
        for agent, keys in self._agents.values():
            keys.cancel()
            agent.close()
        loading = [keys for _, keys in self._agents.values()]
        await asyncio.gather(*self._jumps.values(), *loading, return_exceptions=True)
        self._jumps.clear()
        self._agents.clear()

    async def _connect(
        self, node: Node, note: Callable[[Verdict], None]
    ) -> tuple[asyncssh.SSHClientConnection, _Client]:
        made, verdict = await self._prepare(node)
        note(verdict)
        client = _Client(verdict, self._options.password)
        made.protocol_factory = lambda: client
        made.client_keys = [*await self._agent_keys(made), *map(copy.copy, made.client_keys or ())]
        made.agent_path = None
        jump = node.jump or made.tunnel
        tunnel = await self._jump(str(jump), node.options.get("config")) if jump else None
        if made.proxy_command or made.canonicalize_hostname or made.config.has_match_final():
            connection = await self._connect_slowly(made, tunnel)
        else:
            connection = await _connect_directly(made, tunnel)
        try:
            await self._store(verdict)
        except BaseException:
            connection.abort()
            raise
        return connection, client

    async def _prepare(self, node: Node) -> tuple[asyncssh.SSHClientConnectionOptions, Verdict]:
        """Make options in a thread (files are read) unless all is there already."""
        maker = self._maker
        made = maker.ready(node)
        if made is None:
            async with self._making:
                if (made := maker.ready(node)) is None:
                    made = await asyncio.to_thread(maker.make, node)
        known = maker.known_hosts(node, made)
        if known is None:
            known = await asyncio.to_thread(maker.read_known_hosts, node, made)
        alias = made.host_key_alias
        host, port = (alias, 22) if alias else (made.host, made.port)
        trust = Trust()
        if self._options.host_keys == "off":
            made.known_hosts = None
        else:
            trust = known.trust(host, port)
            matched: Any = (trust.keys, trust.authorities, trust.revoked)
            made.known_hosts = matched
        if made.config.get("HostKeyAlgorithms") is None:
            if trust.keys:
                # After the types that are known, so that a changed key is seen and named.
                made.server_host_key_algs = f"+{_KEY_TYPES}"
            elif not trust.authorities:
                # A host certificate that no authority of ours signed is worth its plain key.
                made.server_host_key_algs = "-*-cert-*"
        return made, Verdict(self._options.host_keys, known, trust, host, port)

    async def _agent_keys(self, made: asyncssh.SSHClientConnectionOptions) -> _KeyPairs:
        path = made.agent_path
        if not path:
            return []
        if path not in self._agents:
            agent = asyncssh.SSHAgentClient(path)
            self._agents[path] = (agent, asyncio.create_task(_list_keys(agent)))
        keys = await asyncio.shield(self._agents[path][1])
        allowed = made.agent_identities
        return [copy.copy(key) for key in keys if not allowed or key.public_data in allowed]

    async def _jump(self, spec: str, config: str | None) -> asyncssh.SSHClientConnection:
        """Return the connection to a jump host, one for all nodes behind it."""
        key = (spec, config)
        task = self._jumps.get(key)
        if task is None or (task.done() and _is_dead(task)):
            task = self._jumps[key] = asyncio.create_task(self._open_jump(spec, config))
        return await asyncio.shield(task)

    async def _open_jump(self, spec: str, config: str | None) -> asyncssh.SSHClientConnection:
        before, _, last = spec.rpartition(",")
        user, _, host = last.rpartition("@")
        host, port = _host_and_port(host)
        options = {"config": config} if config else {}
        node = Node(node_name(host), host, user or None, port, jump=before or None, options=options)
        notes: list[Verdict] = []
        try:
            async with asyncio.timeout(_JUMP_S):
                connection, _ = await self._connect(node, notes.append)
        except (OSError, ValueError, asyncssh.Error) as error:
            reason, hint = explain(error, notes[-1] if notes else None)
            raise UnreachableError(f"jump host {last}", reason, hint=hint) from error
        return connection

    async def _connect_slowly(
        self,
        made: asyncssh.SSHClientConnectionOptions,
        tunnel: asyncssh.SSHClientConnection | None,
    ) -> asyncssh.SSHClientConnection:
        """For what asyncssh alone can do: ProxyCommand, canonical names, `Match final`."""
        return await asyncssh.connect(
            made.orig_host,
            made.port,
            options=made,
            config=None,
            tunnel=tunnel or None,
            username=made.username,
            known_hosts=made.known_hosts,
            client_keys=made.client_keys,
            client_factory=made.protocol_factory,
            agent_path=None,
            encryption_algs=[name.decode() for name in made.encryption_algs],
            kex_algs=[name.decode() for name in made.kex_algs],
        )

    @staticmethod
    async def _store(verdict: Verdict) -> None:
        if verdict.new_key is None:
            return
        try:
            same = await verdict.known.add(verdict.host, verdict.port, verdict.new_key)
        except OSError as error:
            _log.warning("the key of %s cannot be stored: %s", verdict.host, error)
            return
        if not same:
            verdict.changed(verdict.new_key)
            raise asyncssh.HostKeyNotVerifiable(verdict.reason)


async def _connect_directly(
    made: asyncssh.SSHClientConnectionOptions, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """As asyncssh.connect does, but with options that are made already."""
    loop = asyncio.get_running_loop()
    waiter = made.waiter = loop.create_future()
    connection = _Connection(loop, made, wait="auth")

    def factory() -> Any:
        return connection

    try:
        if tunnel is not None:
            await tunnel.create_connection(factory, made.host, made.port)
        else:
            await loop.create_connection(
                factory, made.host, made.port, family=made.family, local_addr=made.local_addr
            )
        await waiter
    except BaseException:
        waiter.cancel()
        connection.abort()
        raise
    return connection


async def _list_keys(agent: asyncssh.SSHAgentClient) -> _KeyPairs:
    try:
        return list(await agent.get_keys())
    except (OSError, ValueError):
        return []


def _is_dead(task: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    return task.cancelled() or task.exception() is not None or task.result().is_closed()


def _host_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port[1:]) if port else None
    host, colon, port = text.rpartition(":")
    if not colon or ":" in host:
        return text, None
    return host, int(port)
