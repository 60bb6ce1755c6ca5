"""SSH servers of our own on loopback, one a node, all in one process; needs no root.

Real SSH by asyncssh: commands are run by /bin/sh as the user who started this, in a home of
the node's own. Unlike sshd it kills what a connection runs when the connection is lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from signal import SIG_DFL, SIGINT, SIGKILL, SIGQUIT, SIGTERM, signal
from typing import TYPE_CHECKING, Any, cast

import asyncssh

from clsh.demo.layer import CONTROL, PASSWORD, inventory
from clsh.demo.server_command import ServerCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS = "127.0.0.1"
HELD = "held"  # a file, locked as long as the process runs
READY = "ready"


def _new_key() -> asyncssh.SSHKey:
    # asyncssh leaves the type of further arguments open.
    key: asyncssh.SSHKey = cast("Any", asyncssh).generate_private_key("ssh-ed25519")
    return key


class ServerNode:
    """One node; it has `port` and `host_key` (a public key's line) once it was started."""

    def __init__(self, home: Path, client_key: asyncssh.SSHKey) -> None:
        self.home = home
        self.port = 0
        self._key = _new_key()
        self.host_key = self._key.export_public_key().decode().strip()
        public = client_key.export_public_key().decode()
        self.clients = asyncssh.import_authorized_keys(public)
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.commands: set[ServerCommand] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._acceptor is not None

    async def start(self) -> None:
        """Listen, on the same port as before; idempotent. Raises OSError when that is taken."""
        if self._acceptor:
            return
        await asyncio.to_thread(self.home.mkdir, parents=True, exist_ok=True)
        self._acceptor = await asyncssh.listen(
            ADDRESS,
            self.port,
            server_factory=lambda: _Connection(self),
            server_host_keys=[self._key],
            reuse_address=True,
            encoding=None,
            line_editor=False,
        )
        self.port = self._acceptor.get_port()

    async def kill(self) -> None:
        """Listen no more, drop all connections and kill what they ran; idempotent."""
        if self._acceptor:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        commands = list(self.commands)
        for command in commands:
            command.kill(SIGKILL)
        for connection in list(self.connections):
            connection.abort()
            await connection.wait_closed()
        for command in commands:
            await command.wait_closed()


class Servers:
    """The nodes `names`, by name; `folder` gets `id_ed25519`, `known_hosts` and their homes."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        self._key = _new_key()
        self.nodes = {name: ServerNode(folder / "nodes" / name, self._key) for name in names}

    async def start(self) -> None:
        """Start every node, each on a free port, and write the files."""
        for node in self.nodes.values():
            await node.start()
        await asyncio.to_thread(self._write)

    async def aclose(self) -> None:
        """Kill every node."""
        for node in self.nodes.values():
            await node.kill()

    def _write(self) -> None:
        key = self._folder / "id_ed25519"
        key.touch(0o600)
        key.write_bytes(self._key.export_private_key())
        lines = [f"[{ADDRESS}]:{node.port} {node.host_key}\n" for node in self.nodes.values()]
        (self._folder / "known_hosts").write_text("".join(lines))
        (self._folder / "ssh_config").write_text("# Nothing of your own ssh_config is used.\n")
        places = {name: (ADDRESS, node.port) for name, node in self.nodes.items()}
        (self._folder / "clsh.toml").write_text(inventory(self._folder, "demo", places))


class _Connection(asyncssh.SSHServer):
    """One connection to a node: everyone by the one key, carol by her password."""

    def __init__(self, node: ServerNode) -> None:
        self._node = node
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._node.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        self._node.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._user = username
        if username != "carol":
            self._connection.set_authorized_keys(self._node.clients)
        return True

    def password_auth_supported(self) -> bool:
        return self._user == "carol"

    def validate_password(self, username: str, password: str) -> bool:
        return username == "carol" and password == PASSWORD

    def session_requested(self) -> ServerCommand:
        return ServerCommand(self._node.home, self._user, self._node.commands)


async def answer(servers: Servers, line: str) -> str:
    """Do what a line on the control socket asks (`alive`, `kill NODE`, `start NODE`)."""
    verb, _, name = line.partition(" ")
    if verb == "alive":
        return " ".join(f"{name}={int(node.alive)}" for name, node in servers.nodes.items())
    node = servers.nodes[name]
    try:
        await (node.kill() if verb == "kill" else node.start())
    except OSError as error:
        return f"{name}: {error}"
    return ""


async def serve(folder: Path, names: Sequence[str]) -> None:
    """Run the nodes until `down` is said on the control socket, or a TERM comes."""
    servers = Servers(folder, names)
    ended = asyncio.Event()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode().strip()
        if line == "down":
            ended.set()
        else:
            writer.write((await answer(servers, line)).encode())
        writer.close()

    asyncio.get_running_loop().add_signal_handler(SIGTERM, ended.set)
    await servers.start()
    server = await asyncio.start_unix_server(control, folder / CONTROL)
    await asyncio.to_thread(os.write, 1, f"{READY}\n".encode())  # for clsh.demo.launch
    await ended.wait()
    await servers.aclose()
    server.close()


if __name__ == "__main__":
    # The shell that started this in the background had these two ignored.
    signal(SIGINT, SIG_DFL)
    signal(SIGQUIT, SIG_DFL)
    home = Path(sys.argv[1])
    with (home / HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # until this process is gone
        asyncio.run(serve(home, sys.argv[2:]))
