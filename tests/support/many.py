"""A thousand hosts: one OpenSSH sshd on every loopback address of a network namespace.

As root on Linux only. What the sshd runs lives in a PID namespace of its own, so that
"nothing is left on any node" can be counted, and ending the namespace ends all of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.sshd import SSHD, keygen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLSH = str(Path(sys.executable).with_name("clsh"))
_NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_USERS = "root:x:0:0::{home}:/bin/sh\nsshd:x:33333:33333::/run/sshd:/usr/sbin/nologin\n"
_CONFIG = """\
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxStartups 2000
LogLevel ERROR
PrintMotd no
"""
_SSH_CONFIG = """\
Host *
  User root
  IdentityFile {folder}/id
  UserKnownHostsFile {folder}/known_hosts
"""


class Many:
    """Hosts 127.0.1.1 to 127.0.4.250; the head that reaches them is `command`'s namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        keygen(folder / "id")
        keygen(folder / "host_key")
        key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"127.0.* {key}\n")
        (folder / "passwd").write_text(_USERS.format(home=self.home))
        (folder / "sshd_config").write_text(_CONFIG.format(folder=folder))
        (self.home / ".ssh/config").write_text(_SSH_CONFIG.format(folder=folder))
        script = (
            f"ip link set lo up && mount --bind {folder}/passwd /etc/passwd && mkdir -p /run/sshd"
            f" && exec {SSHD} -D -e -f {folder}/sshd_config"
        )
        with (folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_NAMESPACES, "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait()

    def _children(self) -> list[int]:
        pid = self._process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def pid(self) -> int:
        """The first process of the namespaces: the listening sshd."""
        return self._children()[0]

    def _wait(self) -> None:
        for _ in range(200):
            with contextlib.suppress(IndexError, OSError):
                argv = self.command("ss", "-ltn")
                if b":22 " in subprocess.run(argv, capture_output=True, check=False).stdout:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "sshd.log").read_text())

    @staticmethod
    def hosts(count: int) -> list[str]:
        names = [f"127.0.{third}.{last}" for third in range(1, 5) for last in range(1, 251)]
        return names[:count]

    def hostfile(self, count: int) -> Path:
        path = self.folder / f"hosts{count}"
        path.write_text("\n".join(self.hosts(count)) + "\n")
        return path

    def command(self, *argv: str | Path) -> list[str]:
        """The argv that runs `argv` where the hosts can be reached."""
        enter = ["nsenter", f"--target={self.pid}", "--net", f"--wd={self.folder}"]
        return [*enter, *map(str, argv)]

    def environment(self, **more: str) -> dict[str, str]:
        base = {k: v for k, v in os.environ.items() if k.startswith(("PATH", "COV"))}
        return {**base, "HOME": str(self.home), "LC_ALL": "C.UTF-8", **more}

    def clsh(self, *argv: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        """Run clsh to its end, at most 120 s; options as for subprocess.run."""
        settings: dict[str, object] = {
            "env": self.environment(),
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "timeout": 120,
            **options,
        }
        return subprocess.run(self.command(CLSH, *argv), check=False, **settings)  # type: ignore[call-overload,no-any-return]  # options as the test names them

    def popen(
        self, *argv: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start clsh; its process id is that of clsh itself (nsenter becomes it)."""
        process = subprocess.Popen(
            self.command(CLSH, *argv),
            env=env or self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._started.append(process)
        return process

    def end_started(self) -> None:
        """End what `popen` started and a failed test left, also on the hosts."""
        for process in self._started:
            process.kill()
            process.wait(10)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._started.clear()
        if left := [*self.running("sleep"), *self.running("yes")]:
            subprocess.run([*self._inside(), "kill", "-KILL", *map(str, left)], check=False)

    def _inside(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--pid", "--mount"]

    def running(self, name: str) -> list[int]:
        """Process ids of what runs on the hosts with this command name."""
        argv = [*self._inside(), "ps", "-C", name, "-opid="]
        found = subprocess.run(argv, capture_output=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def signal_servers(self, name: str) -> None:
        """Signal the sshd of each connection: STOP makes the hosts stand still, CONT go on."""
        argv = [*self._inside(), "pkill", f"-{name}", "-f", "sshd: root@notty"]
        subprocess.run(argv, check=True)

    def unreach(self, hosts: list[str]) -> None:
        """Drop every packet to `hosts` from now on, as a dead machine does."""
        rules = "*filter\n" + "".join(f"-A INPUT -d {host} -j DROP\n" for host in hosts)
        self.iptables(rules + "COMMIT\n")

    def reach(self) -> None:
        """Let all packets through again."""
        self.iptables("*filter\nCOMMIT\n")

    def iptables(self, rules: str) -> None:
        subprocess.run(self.command("iptables-restore"), input=rules.encode(), check=True)

    def close(self) -> None:
        with contextlib.suppress(IndexError, OSError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait(10)


@pytest.fixture(scope="session")
def thousand_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("needs root on Linux: network namespaces")
    folder = tmp_path_factory.mktemp("many")
    for path in (folder, *folder.parents):
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o011)
    hosts = Many(folder)
    yield hosts
    hosts.close()


@pytest.fixture
def many(thousand_hosts: Many) -> Iterator[Many]:
    """The thousand hosts, on which nothing runs, and nothing is left running."""
    yield thousand_hosts
    thousand_hosts.end_started()
