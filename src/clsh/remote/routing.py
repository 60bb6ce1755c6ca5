"""Which transport reaches a node: the one that is forced, its own, or what `auto` finds.

`auto` is asyncssh, which costs least, as long as it is known to treat the person's
ssh_config as OpenSSH does; with one directive beyond that, a security key, or a Kerberos
ticket that may be needed, it is openssh: the person's own ssh.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base import plugins
from clsh.base.errors import ClshError, UnreachableError
from clsh.remote import ssh_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clsh.nodes.model import Node
    from clsh.remote.transport import Session, Transport, TransportOptions

PACKAGE = "clsh.remote.transports"
_AUTO = "auto"
_SSH = {_AUTO, "asyncssh", "openssh"}
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_dsa")
_SECURITY_KEYS = (b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com")


def check(name: str) -> None:
    """Raise ConfigError when no transport has this name; loads none of ours. Reads files."""
    if name != _AUTO and name not in plugins.names(PACKAGE):
        plugins.find(PACKAGE, name)


class Routed:
    """A Transport that hands each node to another one, loaded when first needed.

    `forced` reaches all nodes that are reached by SSH; containers and this machine keep
    their own way. With a `forced` that does not exist every `open` raises ConfigError; `check`
    tells it beforehand.
    """

    def __init__(self, options: TransportOptions, forced: str | None = None) -> None:
        self._options = options
        self._forced = None if forced == _AUTO else forced
        self._made: dict[str, Transport] = {}
        self._making = asyncio.Lock()
        self._judge = Judge(options)

    async def open(self, node: Node, deadline_s: float) -> Session:
        """Open `node` by its transport."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        try:
            transport = await self._transport(await self._name(node))
        except ClshError as error:
            if self._forced is not None and node.transport in _SSH:
                raise  # the same for every node
            raise UnreachableError(node.name, str(error), hint=error.hint) from error
        return await transport.open(node, max(0.0, end - loop.time()))

    async def _name(self, node: Node) -> str:
        name = node.transport
        if self._forced is not None and name in _SSH:
            name = self._forced
        if name != _AUTO:
            return name
        return await self._judge.choose(node)

    async def _transport(self, name: str) -> Transport:
        if name not in self._made:
            async with self._making:
                if name not in self._made:
                    build = await asyncio.to_thread(plugins.find, PACKAGE, name)
                    self._made[name] = build(self._options)
        return self._made[name]

    async def aclose(self) -> None:
        """Close every transport that was loaded."""
        made, self._made = list(self._made.values()), {}
        await asyncio.gather(*(transport.aclose() for transport in made))


class Judge:
    """Resolves `auto`, reading each ssh_config and each key once."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._configs: dict[str | None, ssh_config.Config] = {}
        self._choices: dict[tuple[object, ...], str] = {}
        self._is_security_key = functools.cache(_is_security_key)
        self._lock = asyncio.Lock()

    async def choose(self, node: Node) -> str:
        """Return `asyncssh` or `openssh`.

        Raises ClshError when only openssh will do and there is no ssh on this machine.
        """
        known = (node.host, node.jump, *sorted(node.options.items()))
        async with self._lock:
            if known not in self._choices:
                self._choices[known] = await asyncio.to_thread(self._choose, node)
        return self._choices[known]

    def _choose(self, node: Node) -> str:
        why = self._why_openssh(node)
        if why is None:
            return "asyncssh"
        if shutil.which("ssh") is None:
            raise ClshError(
                f"only OpenSSH understands {why}, and there is no ssh on this machine",
                hint="install the OpenSSH client, or use --transport asyncssh to go on without it",
            )
        return "openssh"

    def _why_openssh(self, node: Node) -> str | None:
        file = node.options.get("config") or self._options.ssh_config
        if file not in self._configs:
            self._configs[file] = ssh_config.load(file)
        config = self._configs[file]
        directives = config.directives(node.host)
        ticket = _has_ticket(os.environ)
        hops = [node.jump] if node.jump else _values(directives, "proxyjump")
        for host in (node.host, *(host for hop in hops for host in ssh_config.jumps(hop))):
            if found := ssh_config.foreign(config.directives(host), ticket=ticket):
                return f"'{found.name} {found.value}' ({found.where})"
        for path in self._keys(node, directives):
            if self._is_security_key(path):
                return f"the security key {path}"
        return None

    def _keys(self, node: Node, directives: Iterable[ssh_config.Directive]) -> list[Path]:
        own = node.options.get("identity")
        named = [*([own] if own else []), *self._options.identities]
        named += _values(directives, "identityfile")
        home = str(Path.home())
        paths = [Path(name.replace('"', "").replace("%d", home)).expanduser() for name in named]
        return paths or [Path(home, ".ssh", name) for name in _DEFAULT_KEYS]


def _values(directives: Iterable[ssh_config.Directive], name: str) -> list[str]:
    return [directive.value for directive in directives if directive.name == name]


def _has_ticket(environ: Mapping[str, str]) -> bool:
    """Tell whether there may be a Kerberos ticket; only its usual places are looked at."""
    return bool(environ.get("KRB5CCNAME")) or Path(f"/tmp/krb5cc_{os.getuid()}").exists()  # noqa: S108 - where Kerberos has it


def _is_security_key(path: Path) -> bool:
    """Tell whether an identity file, or its public half, belongs to a FIDO key."""
    for file in (path.with_name(path.name + ".pub"), path):
        try:
            data = file.read_bytes()
        except OSError:
            continue
        if any(kind in data or kind in _unwrapped(data) for kind in _SECURITY_KEYS):
            return True
    return False


def _unwrapped(data: bytes) -> bytes:
    """Return what is between the BEGIN and END lines of a private key, b"" for other files."""
    lines = [line for line in data.splitlines() if line and not line.startswith(b"-----")]
    try:
        return base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error:
        return b""
