"""A real OpenSSH sshd on a loopback port for tests, with keys of its own, as root or not.

As root it runs in a mount namespace with a passwd file of its own, so that it can also
serve an ordinary user who exists nowhere else (`user=ORDINARY`).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clsh.nodes.model import Node, node_name
from clsh.remote.transport import TransportOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = "/usr/sbin/sshd"
ORDINARY = "clshuser"
ORDINARY_UID = 31337


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def keygen(path: Path, *extra: str) -> Path:
    """Make an ed25519 key pair without passphrase; `extra` goes to ssh-keygen."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]
    subprocess.run([*argv, *extra], check=True, stdin=subprocess.DEVNULL)
    return path


@dataclass
class Sshd:
    """One sshd; `user` logs in with the private key `identity`, `known_hosts` knows it."""

    folder: Path
    user: str = field(default_factory=getpass.getuser)
    extra: str = ""
    address: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port(self.address)
        self.identity = keygen(self.folder / "id_user")
        self.host_key = keygen(self.folder / "host_key")
        self.authorized = self.folder / "authorized_keys"
        self.authorized.write_text(self.identity.with_suffix(".pub").read_text())
        self.known_hosts = self.folder / "known_hosts"
        self.trust()
        self.log = self.folder / "sshd.log"
        self._pid_file = self.folder / "sshd.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def trust(self) -> None:
        """Write the host key that is now in use into `known_hosts`."""
        self.known_at(self.port).replace(self.known_hosts)

    def known_at(self, port: int) -> Path:
        """A known_hosts file for this server reached at another port, as through a relay."""
        path = self.folder / f"known_hosts-{port}"
        public = self.host_key.with_suffix(".pub").read_text()
        path.write_text(f"[{self.address}]:{port} {public}")
        return path

    def new_host_key(self) -> None:
        """Change the host key, as a reinstalled or an impersonated host does, and restart."""
        self.stop()
        for path in (self.host_key, self.host_key.with_suffix(".pub")):
            path.unlink()
        keygen(self.host_key)
        self.start()

    def node(self, name: str = "node1", **fields: str | int) -> Node:
        values: dict[str, object] = {
            "host": self.address,
            "user": self.user,
            "port": self.port,
            **fields,
        }
        return Node(node_name(name), **values)  # type: ignore[arg-type]  # tests name the fields

    def options(self, **fields: object) -> TransportOptions:
        """Options under which this sshd is known and its user may log in."""
        values: dict[str, object] = {
            "host_keys": "strict",
            "ssh_config": os.devnull,
            "known_hosts": str(self.known_hosts),
            "identities": (str(self.identity),),
            **fields,
        }
        return TransportOptions(**values)  # type: ignore[arg-type]  # tests name the fields

    @property
    def pid(self) -> int:
        """The process id of the listening sshd."""
        return int(self._pid_file.read_text())

    def start(self) -> None:
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress {self.address}\n"
            f"Port {self.port}\n"
            f"HostKey {self.host_key}\n"
            f"AuthorizedKeysFile {self.authorized}\n"
            f"PidFile {self._pid_file}\n"
            f"{self.extra}\n"
            "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nMaxStartups 2000\nLoginGraceTime 30\n"
            "PrintMotd no\nPerSourcePenalties no\n"
        )
        self._drop_unknown(config)
        argv = [SSHD, "-D", "-e", "-f", str(config)]
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            argv = self._with_own_users(argv)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log)
        self._wait()

    def _drop_unknown(self, config: Path) -> None:
        """Leave out the lines that this sshd is too old for."""
        run = subprocess.run([SSHD, "-t", "-f", config], capture_output=True, check=False)
        if b"PerSourcePenalties" in run.stderr:
            config.write_text(config.read_text().replace("PerSourcePenalties no\n", ""))

    def _with_own_users(self, argv: list[str]) -> list[str]:
        """Hide root's start-up files, and make the ordinary user known to this sshd alone."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        uid = 0 if self.user == "root" else ORDINARY_UID
        os.chown(home, uid, uid)
        for path in (self.folder, *self.folder.parents):
            with contextlib.suppress(PermissionError):
                path.chmod(path.stat().st_mode | 0o011)
        self.authorized.chmod(0o644)
        lines = Path("/etc/passwd").read_text().splitlines()
        lines = [line for line in lines if not line.startswith(f"{self.user}:")]
        # A password that nobody has: sshd takes '*' and '!' for a locked account.
        lines.append(f"{self.user}:$6$none:{uid}:{uid}::{home}:/bin/sh\n")
        passwd = self.folder / "passwd"
        passwd.write_text("\n".join(lines))
        mount = shlex.join(["mount", "--bind", str(passwd), "/etc/passwd"])
        return ["unshare", "--mount", "sh", "-c", f"{mount} && exec {shlex.join(argv)}"]

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port)):
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"sshd did not start: {self.log.read_text()}")

    def connections(self) -> list[int]:
        """Process ids of the sshd processes that each serve one connection."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def stop(self, *, connections: bool = True) -> None:
        """End the listener and, unless told otherwise, what it forked for connections."""
        if self._process is None:
            return
        served = self.connections() if connections and self._process.poll() is None else []
        self._process.terminate()
        self._process.wait(10)
        self._process = None
        for pid in served:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)


@contextlib.contextmanager
def running(folder: Path, **fields: str | int) -> Iterator[Sshd]:
    server = Sshd(folder, **fields)  # type: ignore[arg-type]  # tests name the fields
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The user who runs the tests logs in; shared, so tests may not change it."""
    with running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def ordinary_sshd() -> Iterator[Sshd]:
    """An ordinary user logs in, whom sshd grants the signal request; shared as well."""
    user = ORDINARY if os.geteuid() == 0 else getpass.getuser()
    # Not below pytest's folder: each new pytest of the same user closes that to others.
    with (
        tempfile.TemporaryDirectory(prefix="clsh-sshd-") as folder,
        running(Path(folder), user=user) as server,
    ):
        yield server
