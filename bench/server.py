"""One sshd on loopback for every tool, with its own keys, and what it has cost so far."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

HOSTS = [f"127.0.{third}.{fourth}" for third in (1, 2, 3, 4) for fourth in range(1, 251)]
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

# HOME is an empty folder: a shell that sshd starts reads ~/.bashrc, which may cost more than
# the connection. One key exchange for all: the default of OpenSSH 9.0 to 9.8 (sntrup761) costs
# a client 70 ms a host, which would hide what the tools themselves cost.
_SSHD = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {root}/host_key
AuthorizedKeysFile {root}/key.pub
AllowUsers {user}@127.0.0.0/8
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
KexAlgorithms curve25519-sha256
MaxStartups 2000
MaxSessions 100
LogLevel ERROR
SetEnv HOME={root}/home
"""
_SSH = """\
Host *
  User {user}
  Port {port}
  IdentityFile {root}/key
  IdentitiesOnly yes
  UserKnownHostsFile {root}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking accept-new
  LogLevel ERROR
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running sshd; `config` is the ssh_config with which each tool reaches it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = _free_port()
        self.config = root / "ssh_config"
        self._write_files()
        sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        if sshd is None:
            raise SystemExit("bench: there is no sshd; install OpenSSH's server")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", root / "sshd_config"],
            stdin=subprocess.DEVNULL,
            stderr=(root / "sshd.log").open("wb"),
        )
        self._wait_until_it_listens()

    def _write_files(self) -> None:
        (self.root / "home").mkdir()
        for name in ("key", "host_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.root / name], check=True
            )
        values = {"root": self.root, "port": self.port, "user": getpass.getuser()}
        (self.root / "sshd_config").write_text(_SSHD.format(**values))
        self.config.write_text(_SSH.format(**values))
        # ssh, clush, pdsh and pssh are told of the ssh_config by -F, clsh by its configuration.
        (self.root / "clsh.toml").write_text(f'[shell]\nssh_config = "{self.config}"\n')
        host_key = " ".join((self.root / "host_key.pub").read_text().split()[:2])
        known = (f"[{host}]:{self.port} {host_key}\n" for host in HOSTS)
        (self.root / "known_hosts").write_text("".join(known))

    def _wait_until_it_listens(self) -> None:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.1.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"bench: sshd did not start: {(self.root / 'sshd.log').read_text()}")

    def cpu_s(self) -> float:
        """Return the CPU seconds of sshd and of its ended children, once all have ended."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        for _ in range(200):
            if not children.read_text().split():
                break
            time.sleep(0.05)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) * _TICK_S

    def close(self) -> None:
        """End sshd; the connections of a tool that is still there end with that tool."""
        self._process.terminate()
        self._process.wait(timeout=10)
