"""The options of an asyncssh connection to a node, made once and shared where nodes agree.

What a Node says goes before ssh_config, which goes before our defaults. Everything here
may read files: run it in a thread.
"""

from __future__ import annotations

import copy
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncssh
from asyncssh.kex import get_kex_algs

from clsh.remote.transports._asyncssh.host_keys import DEFAULT_FILES, KnownHosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsh.nodes.model import Node
    from clsh.remote.transport import TransportOptions

# The cheapest first among those that asyncssh holds safe; its other ones follow.
_CIPHERS = (b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com")
_KEX = (b"mlkem768x25519-sha256", b"curve25519-sha256", b"curve25519-sha256@libssh.org")
# A larger window is not faster, and it is what we hold for a reader that has stopped.
WINDOW = 256 * 1024
# What runs for long notices that a key was recorded, or removed, meanwhile.
_LOOK_AGAIN_S = 10.0
# What makes a value of ssh_config another one for each host.
_PER_HOST = re.compile(
    r"%[hnCrpkj]|^\s*(match\b|host(\s+|\s*=\s*)(?!\*\s*$))", re.IGNORECASE | re.MULTILINE
)
_INCLUDE = re.compile(r"^\s*include(?:\s+|\s*=\s*)(.+)$", re.IGNORECASE | re.MULTILINE)


class OptionsMaker:
    """Makes the options of each node; keys, known hosts and ssh_config are read once."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._made: dict[tuple[str | None, ...], asyncssh.SSHClientConnectionOptions] = {}
        self._known: dict[tuple[str, ...], KnownHosts] = {}
        self._looked_at: dict[tuple[str, ...], float] = {}
        self._reading = threading.Lock()
        self._config = _config_files(options.ssh_config)
        self._per_host: dict[tuple[str, ...], bool] = {}

    def ready(self, node: Node) -> asyncssh.SSHClientConnectionOptions | None:
        """Return options for `node` when others that were made before hold for it too."""
        files = self._files(node)
        made = self._made.get(self._key(node, files))
        return None if made is None else self._fitted(made, node, files)

    def _fitted(
        self,
        made: asyncssh.SSHClientConnectionOptions,
        node: Node,
        files: tuple[str, ...],
    ) -> asyncssh.SSHClientConnectionOptions:
        mine = copy.copy(made)
        if not self._per_host[files]:
            mine.host = mine.orig_host = node.host
            mine.port = node.port or made.port
            mine.username = node.user or made.username
        return mine

    def make(self, node: Node) -> asyncssh.SSHClientConnectionOptions:
        """Return the options for `node`.

        Raises ValueError, OSError or asyncssh.Error for a key or a configuration that
        cannot be used.
        """
        files = self._files(node)
        if files not in self._per_host:
            self._per_host[files] = any(_depends_on_host(Path(name)) for name in files)
        arguments = self._arguments(node, files)
        if self._per_host[files]:
            arguments |= {"username": node.user} if node.user else {}
            arguments |= {"port": node.port} if node.port else {}
        made = asyncssh.SSHClientConnectionOptions(**arguments)
        if made.config.get("Ciphers") is None:
            made.encryption_algs = _first(_CIPHERS, made.encryption_algs)
        if made.config.get("KexAlgorithms") is None and not self._options.kex:
            made.kex_algs = _first(_KEX, made.kex_algs)
        self._made[self._key(node, files)] = made
        return self._fitted(made, node, files)

    def known_hosts(
        self, node: Node, made: asyncssh.SSHClientConnectionOptions
    ) -> KnownHosts | None:
        """Return the known hosts for `node` if they were read, or looked at, just before."""
        files = self._known_files(node, made)
        looked_at = self._looked_at.get(files)
        if looked_at is None or time.monotonic() - looked_at > _LOOK_AGAIN_S:
            return None
        return self._known.get(files)

    def read_known_hosts(self, node: Node, made: asyncssh.SSHClientConnectionOptions) -> KnownHosts:
        """Return the known hosts for `node`, reading the files when others have written there."""
        files = self._known_files(node, made)
        with self._reading:
            known = self._known.get(files)
            if known is None or known.is_old():
                known = self._known[files] = KnownHosts(files)
            self._looked_at[files] = time.monotonic()
        return known

    def _known_files(
        self, node: Node, made: asyncssh.SSHClientConnectionOptions
    ) -> tuple[str, ...]:
        own = node.options.get("known_hosts") or self._options.known_hosts
        if own:
            return (own,)
        user = cast("list[str] | None", made.config.get("UserKnownHostsFile"))
        system = cast("list[str] | None", made.config.get("GlobalKnownHostsFile"))
        return (
            *(DEFAULT_FILES[:2] if user is None else user),
            *(DEFAULT_FILES[2:] if system is None else system),
        )

    def _files(self, node: Node) -> tuple[str, ...]:
        own = node.options.get("config")
        return _config_files(own) if own else self._config

    def _key(self, node: Node, files: tuple[str, ...]) -> tuple[str | None, ...]:
        own = (node.options.get("identity"), *files)
        if not self._per_host.get(files, True):
            return own
        return (*own, node.host, node.user, str(node.port))

    def _arguments(self, node: Node, files: tuple[str, ...]) -> dict[str, Any]:
        mine = self._options
        # asyncssh gives up one interval after the last of its requests.
        requests = max(1, mine.keepalive_count - 1)
        arguments: dict[str, Any] = {
            "host": node.host,
            "config": files or None,
            "password": mine.password,
            "ignore_encrypted": True,
            "known_hosts": ([], [], []),
            "keepalive_interval": mine.keepalive_s * mine.keepalive_count / (requests + 1),
            "keepalive_count_max": requests,
            "connect_timeout": None,
            "login_timeout": 0,
            "compression_algs": ["none"],
            "x509_trusted_certs": None,
            "gss_host": None,
            "gss_kex": False,
            "gss_auth": False,
            "host_based_auth": False,
            "x11_forwarding": False,
            "encoding": None,
            "window": WINDOW,
        }
        if mine.kex:
            arguments["kex_algs"] = _kex(mine.kex)
        identity = node.options.get("identity")
        if identities := (identity,) if identity else mine.identities:
            arguments["client_keys"] = [str(Path(name).expanduser()) for name in identities]
        return arguments


def _first(wanted: Sequence[bytes], algorithms: Sequence[bytes]) -> list[bytes]:
    front = [name for name in wanted if name in algorithms]
    return front + [name for name in algorithms if name not in front]


def _kex(text: str) -> str | tuple[()]:
    """OpenSSH's list (also with `+`, `-` or `^`) without the names that asyncssh lacks."""
    names = text.lstrip("+-^")
    known = {name.decode() for name in get_kex_algs()}
    kept = ",".join(name for name in names.split(",") if name in known)
    if not kept and names == text:
        raise ValueError(f"none of the key exchanges '{text}' can be done")
    return text[: len(text) - len(names)] + kept if kept else ()


def _config_files(own: str | None) -> tuple[str, ...]:
    """The files that ssh would read: `own` alone (as `ssh -F`), else the usual two."""
    if own:
        return () if own == os.devnull else (str(Path(own).expanduser()),)
    usual = (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config"))
    return tuple(str(path) for path in usual if path.is_file())


def _depends_on_host(path: Path) -> bool:
    text = path.read_text(errors="replace")
    if _PER_HOST.search(text):
        return True
    included = [
        found
        for pattern in " ".join(_INCLUDE.findall(text)).split()
        for found in _glob(Path("~/.ssh").expanduser() / Path(pattern).expanduser())
    ]
    return any(_depends_on_host(found) for found in included)


def _glob(path: Path) -> Iterator[Path]:
    return Path(path.anchor).glob(str(path.relative_to(path.anchor)))
